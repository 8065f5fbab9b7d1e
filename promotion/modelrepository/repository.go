// Package modelrepository is a stage's models on disk, in the layout that
// Triton, TensorFlow Serving and others poll:
//
//	<dir>/<model>/<version>/…     the files of a version, never changed
//	<dir>/<model>/.pawl/<version>.json   where the version comes from
//
// Versions are numbers that only grow, and the newest is what is served: going
// back to an older model writes its bytes under a higher number. A version
// appears by one rename, after its record; both are durable before Deploy
// returns. Names that begin with a dot are no versions to any server.
package modelrepository

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pawl-dev/pawl/promotion/modelfiles"
)

// Repository is a folder of models. One process at a time deploys to it.
type Repository struct {
	Dir string
	// Hash is how the digests of what is deployed were made.
	Hash modelfiles.Hash
	Now  func() time.Time
}

// Origin says where a version comes from.
type Origin struct {
	Digest string `json:"digest"`
	URI    string `json:"uri"`
	Commit string `json:"commit"` // of the GitOps repository, that named URI
	// PullRequest and Run are for people: who merged it, what trained it.
	PullRequest int    `json:"pullRequest,omitempty"`
	Run         string `json:"run,omitempty"`
}

// Version is one version of a model.
type Version struct {
	Model  string `json:"model"`
	Number int    `json:"version"`
	Origin
	At time.Time `json:"at"`
}

// ErrNone says that a model has no version yet.
var ErrNone = errors.New("no version is deployed yet")

// records is the folder of a model that holds what is not for servers.
const records = ".pawl"

// Deploy makes a new version from the files in the folder source, whose digest
// must be o.Digest, and returns it. If the newest version has that digest
// already, it is returned as it is, and made is false.
func (r *Repository) Deploy(ctx context.Context, model, source string, o Origin) (v Version, made bool, err error) {
	doing := func(err error) error { return fmt.Errorf("deploying %s to %s: %w", model, r.Dir, err) }
	home, err := r.home(model)
	if err != nil {
		return Version{}, false, doing(err)
	}
	if v, err := r.Current(model); err == nil && v.Digest == o.Digest {
		return v, false, nil
	} else if err != nil && !errors.Is(err, ErrNone) {
		return Version{}, false, doing(err)
	}
	if err := modelfiles.MakeFolder(filepath.Join(home, records)); err != nil {
		return Version{}, false, doing(err)
	}
	last, err := highest(home)
	if err != nil {
		return Version{}, false, doing(err)
	}
	v = Version{Model: model, Number: last + 1, Origin: o, At: r.Now().UTC()}
	if err := r.write(ctx, home, source, v); err != nil {
		return Version{}, false, doing(err)
	}
	return v, true, nil
}

// write puts the record down, then the version.
func (r *Repository) write(ctx context.Context, home, source string, v Version) error {
	info, err := os.Stat(source)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is no folder", source)
	}
	record, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	if err := modelfiles.WriteFile(recordOf(home, v.Number), append(record, '\n')); err != nil {
		return err
	}
	check := func(dir string) error { return modelfiles.Check(ctx, dir, v.Digest, r.Hash) }
	temporary := filepath.Join(home, records, "incoming")
	return modelfiles.Place(ctx, source, "", temporary, filepath.Join(home, strconv.Itoa(v.Number)), check)
}

// Current is the newest version of a model, read from disk. It says ErrNone if
// there is none. A version that something else put there has no Origin.
func (r *Repository) Current(model string) (Version, error) {
	all, err := r.Versions(model)
	if err != nil {
		return Version{}, err
	}
	if len(all) == 0 {
		return Version{}, fmt.Errorf("%s in %s: %w", model, r.Dir, ErrNone)
	}
	return all[len(all)-1], nil
}

// Versions are all versions of a model that are on disk, oldest first.
func (r *Repository) Versions(model string) ([]Version, error) {
	home, err := r.home(model)
	if err != nil {
		return nil, err
	}
	numbers, err := numbersIn(home, "")
	if err != nil {
		return nil, fmt.Errorf("reading the versions of %s: %w", model, err)
	}
	var all []Version
	for _, n := range numbers {
		v, err := read(home, model, n)
		if err != nil {
			return nil, fmt.Errorf("reading version %d of %s: %w", n, model, err)
		}
		all = append(all, v)
	}
	return all, nil
}

// Path is the folder of a version.
func (r *Repository) Path(v Version) string {
	return filepath.Join(r.Dir, v.Model, strconv.Itoa(v.Number))
}

// home is the folder of a model.
func (r *Repository) home(model string) (string, error) {
	if model == "" || model[0] == '.' || strings.ContainsAny(model, "/\\\x00") {
		return "", fmt.Errorf("%q cannot be the name of a model's folder", model)
	}
	return filepath.Join(r.Dir, model), nil
}

func recordOf(home string, number int) string {
	return filepath.Join(home, records, strconv.Itoa(number)+".json")
}

func read(home, model string, number int) (Version, error) {
	data, err := os.ReadFile(recordOf(home, number))
	if errors.Is(err, fs.ErrNotExist) {
		return Version{Model: model, Number: number}, nil
	}
	if err != nil {
		return Version{}, err
	}
	var v Version
	if err := json.Unmarshal(data, &v); err != nil {
		return Version{}, fmt.Errorf("%s: %w", recordOf(home, number), err)
	}
	return v, nil
}

// highest is the highest number that was ever given, also to a version that was
// never finished or has been removed.
func highest(home string) (int, error) {
	versions, err := numbersIn(home, "")
	if err != nil {
		return 0, err
	}
	recorded, err := numbersIn(filepath.Join(home, records), ".json")
	if err != nil {
		return 0, err
	}
	most := 0
	for _, n := range append(versions, recorded...) {
		most = max(most, n)
	}
	return most, nil
}

// numbersIn lists the entries of a folder that are a version's number and a
// suffix, in order. No folder is an empty one.
func numbersIn(dir, suffix string) ([]int, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var numbers []int
	for _, e := range entries {
		digits, ok := strings.CutSuffix(e.Name(), suffix)
		n, err := strconv.Atoi(digits)
		if ok && err == nil && n > 0 && strconv.Itoa(n) == digits && e.IsDir() == (suffix == "") {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}
