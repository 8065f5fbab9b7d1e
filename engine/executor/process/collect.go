package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
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
	nodes := make([]node, len(spec.Outputs))
	for i, o := range spec.Outputs {
		if nodes[i], err = v.lookup(places[string(attempt.OutputArtifactPath)+":"+o.Name]); err != nil {
			return complaint, fmt.Errorf("output artifact %s: %w", o.Name, err)
		}
	}
	for i, o := range spec.Outputs {
		ref, err := takeArtifact(ctx, v, nodes, i, filepath.Join(dir, "out", strconv.Itoa(i)), art)
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
	f, err := openFound(n.top(), os.O_RDONLY, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, parameterLimit))
	return strings.TrimSuffix(string(b), "\n"), err
}

// takeArtifact puts output number i into the store: by renaming where it is the
// attempt's alone, and else from a copy, which is made at spare.
func takeArtifact(ctx context.Context, v *view, nodes []node, i int, spare string, art Artifacts) (attempt.ArtifactRef, error) {
	n := nodes[i]
	if !n.exists() {
		return attempt.ArtifactRef{}, fs.ErrNotExist
	}
	if art == nil {
		return attempt.ArtifactRef{}, errors.New("there is no artifact store")
	}
	from := n.upper
	if n.frozen || n.lower != "" || v.hasBelow(n.at) || overlaps(nodes, i) {
		from = spare
		if err := os.MkdirAll(filepath.Dir(from), 0o755); err != nil {
			return attempt.ArtifactRef{}, err
		}
		if err := v.copyNode(n, from); err != nil {
			return attempt.ArtifactRef{}, err
		}
	}
	return art.Put(ctx, from)
}

// overlaps says whether another output is, contains or is in number i, so that
// it may not be moved away.
func overlaps(nodes []node, i int) bool {
	for j, n := range nodes {
		if j != i && (within(n.at, nodes[i].at) || within(nodes[i].at, n.at)) {
			return true
		}
	}
	return false
}
