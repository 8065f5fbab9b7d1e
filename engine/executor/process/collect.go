package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/pawl-dev/pawl/engine/attempt"
)

// parameterLimit is how long an output parameter may be.
const parameterLimit = 4 << 20

// collect reads the outputs of an ended attempt into r. It returns what the
// user must hear of what is missing; an error is the machine's.
func collect(ctx context.Context, spec *attempt.Spec, v *view, places map[string]string, dir string, art Artifacts, r *attempt.Result) (complaint string, err error) {
	for _, p := range spec.OutputParameters {
		value, err := readParameter(v, places[string(attempt.OutputParameterPath)+":"+p.Name])
		switch {
		case err == nil:
		case p.Default != nil && errors.Is(err, fs.ErrNotExist):
			value = *p.Default
		case complaint == "":
			complaint = fmt.Sprintf("cannot read output parameter %s: %s: %s", p.Name, p.Path, inWords(err))
			continue
		default:
			continue
		}
		if r.Parameters == nil {
			r.Parameters = map[string]string{}
		}
		r.Parameters[p.Name] = value
	}
	for _, o := range spec.Outputs {
		ref, err := takeArtifact(ctx, spec, v, places, o, dir, art)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			if !o.Optional && complaint == "" {
				complaint = fmt.Sprintf("cannot find output artifact %s: %s: no such file or folder", o.Name, o.Path)
			}
			continue
		case err != nil:
			return complaint, fmt.Errorf("output artifact %s: %w", o.Name, err)
		}
		if r.Artifacts == nil {
			r.Artifacts = map[string]attempt.ArtifactRef{}
		}
		r.Artifacts[o.Name] = ref
	}
	return complaint, nil
}

func inWords(err error) string {
	if errors.Is(err, fs.ErrNotExist) {
		return "no such file"
	}
	return err.Error()
}

func readParameter(v *view, at string) (string, error) {
	n, err := v.lookup(at)
	if err != nil {
		return "", err
	}
	if !n.exists() {
		return "", fs.ErrNotExist
	}
	info, err := os.Lstat(n.top())
	switch {
	case err != nil:
		return "", err
	case !info.Mode().IsRegular():
		return "", errors.New("is no file")
	case info.Size() > parameterLimit:
		return "", fmt.Errorf("%d bytes are too many for a parameter, of which %d are allowed; make it an artifact", info.Size(), parameterLimit)
	}
	b, err := os.ReadFile(n.top())
	return strings.TrimSuffix(string(b), "\n"), err
}

// takeArtifact puts an output into the store: by renaming where it is the
// attempt's alone, and else from a copy.
func takeArtifact(ctx context.Context, spec *attempt.Spec, v *view, places map[string]string, o attempt.OutputArtifact, dir string, art Artifacts) (attempt.ArtifactRef, error) {
	at := places[string(attempt.OutputArtifactPath)+":"+o.Name]
	n, err := v.lookup(at)
	if err != nil {
		return attempt.ArtifactRef{}, err
	}
	if !n.exists() {
		return attempt.ArtifactRef{}, fs.ErrNotExist
	}
	if art == nil {
		return attempt.ArtifactRef{}, errors.New("there is no artifact store")
	}
	from := n.upper
	if n.frozen || n.lower != "" || v.hasBelow(n.at) || sharedOutput(spec, places, at) {
		from = filepath.Join(dir, "out", url(o.Name))
		if err := os.MkdirAll(filepath.Dir(from), 0o755); err != nil {
			return attempt.ArtifactRef{}, err
		}
		if err := v.copyNode(n, from); err != nil {
			return attempt.ArtifactRef{}, err
		}
	}
	return art.Put(ctx, from)
}

// sharedOutput says whether another output overlaps the one at the path at, so
// that it may not be moved away.
func sharedOutput(spec *attempt.Spec, places map[string]string, at string) bool {
	same := 0
	for _, o := range spec.Outputs {
		other := places[string(attempt.OutputArtifactPath)+":"+o.Name]
		if within(at, other) || within(other, at) {
			same++
		}
	}
	return same > 1
}
