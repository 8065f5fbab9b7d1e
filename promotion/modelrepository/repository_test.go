package modelrepository

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pawl-dev/pawl/promotion/modelfiles"
	"github.com/pawl-dev/pawl/promotion/modelfiles/modelfilestest"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func open(t *testing.T) *Repository {
	t.Helper()
	return &Repository{Dir: filepath.Join(t.TempDir(), "repository"), Hash: modelfilestest.Hash, Now: func() time.Time { return noon }}
}

func deploy(t *testing.T, r *Repository, source, digest string) (Version, bool) {
	t.Helper()
	v, made, err := r.Deploy(context.Background(), "iris", source, Origin{Digest: digest, URI: "file:///models/" + digest, Commit: "c0ffee", PullRequest: 1, Run: "iris-1"})
	if err != nil {
		t.Fatal(err)
	}
	return v, made
}

func TestVersionsOnlyGrowAndGoingBackIsAHigherOne(t *testing.T) {
	r := open(t)
	a, digestA := modelfilestest.Model(t, map[string]string{"weights.tsv": "a"})
	b, digestB := modelfilestest.Model(t, map[string]string{"weights.tsv": "b", "more/x": "y"})

	if _, err := r.Current("iris"); !errors.Is(err, ErrNone) {
		t.Errorf("current of an empty repository: %v", err)
	}
	for i, step := range []struct {
		source, digest string
		number         int
		made           bool
	}{
		{a, digestA, 1, true},
		{a, digestA, 1, false}, // is the newest already
		{b, digestB, 2, true},
		{r.Path(Version{Model: "iris", Number: 1}), digestA, 3, true}, // back to the first
		{a, digestA, 3, false},
	} {
		v, made := deploy(t, r, step.source, step.digest)
		if v.Number != step.number || made != step.made {
			t.Errorf("step %d: version %d made %v, want %d made %v", i, v.Number, made, step.number, step.made)
		}
		got, err := r.Current("iris")
		if err != nil || got != v {
			t.Errorf("step %d: read back %+v, %v; want %+v", i, got, err, v)
		}
		if err := modelfiles.Check(context.Background(), r.Path(v), step.digest, modelfilestest.Hash); err != nil {
			t.Errorf("step %d: %v", i, err)
		}
	}
	v, err := r.Current("iris")
	want := Version{Model: "iris", Number: 3, At: noon, Origin: Origin{Digest: digestA, URI: "file:///models/" + digestA, Commit: "c0ffee", PullRequest: 1, Run: "iris-1"}}
	if err != nil || v != want {
		t.Errorf("current is %+v, %v; want %+v", v, err, want)
	}
	all, err := r.Versions("iris")
	if err != nil || len(all) != 3 || all[0].Digest != digestA || all[1].Digest != digestB {
		t.Errorf("versions are %+v, %v", all, err)
	}
}

// A crash can come between any two effects of Deploy. What it leaves: a record
// without its version, a half copy, a record half written.
func TestWhatACrashLeavesIsNoVersionAndItsNumberIsNotUsedAgain(t *testing.T) {
	r := open(t)
	a, digestA := modelfilestest.Model(t, map[string]string{"weights.tsv": "a"})
	b, digestB := modelfilestest.Model(t, map[string]string{"weights.tsv": "b"})
	deploy(t, r, a, digestA)
	home := filepath.Join(r.Dir, "iris")
	for file, text := range map[string]string{
		".pawl/2.json":               `{"version": 2, "digest": "sha256:gone"}`,
		".pawl/3.json.tmp":           `{"vers`,
		".pawl/incoming/weights.tsv": "hal",
		"config.pbtxt":               "written by the user",
		"notes/README":               "no version",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(home, file)), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(home, file), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if v, err := r.Current("iris"); err != nil || v.Number != 1 {
		t.Errorf("current is %+v, %v; want version 1", v, err)
	}
	v, made := deploy(t, r, b, digestB)
	if v.Number != 3 || !made {
		t.Errorf("the next is version %d, want 3", v.Number)
	}
	if _, err := os.Stat(filepath.Join(home, ".pawl/incoming")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the half copy is still there: %v", err)
	}
	names := []string{}
	all, _ := os.ReadDir(home)
	for _, e := range all {
		names = append(names, e.Name())
	}
	if want := []string{".pawl", "1", "3", "config.pbtxt", "notes"}; !slices.Equal(names, want) {
		t.Errorf("the model's folder holds %v, want %v", names, want)
	}
}

func TestDeployRefusesWhatIsNotTheModel(t *testing.T) {
	r := open(t)
	a, _ := modelfilestest.Model(t, map[string]string{"weights.tsv": "a"})
	other := "sha256:" + strings.Repeat("1", 64)
	if _, _, err := r.Deploy(context.Background(), "iris", a, Origin{Digest: other}); !errors.Is(err, modelfiles.ErrDigest) {
		t.Errorf("another digest: %v", err)
	}
	if _, err := r.Current("iris"); !errors.Is(err, ErrNone) {
		t.Errorf("a version is there all the same: %v", err)
	}
	for _, model := range []string{"", ".hidden", "../iris", "a/b"} {
		if _, _, err := r.Deploy(context.Background(), model, a, Origin{Digest: other}); err == nil || errors.Is(err, modelfiles.ErrDigest) {
			t.Errorf("a model called %q: %v", model, err)
		}
	}
}

func TestAVersionOfSomebodyElseHasNoOrigin(t *testing.T) {
	r := open(t)
	if err := os.MkdirAll(filepath.Join(r.Dir, "iris", "41"), 0o777); err != nil {
		t.Fatal(err)
	}
	if v, err := r.Current("iris"); err != nil || v != (Version{Model: "iris", Number: 41}) {
		t.Errorf("current is %+v, %v", v, err)
	}
	a, digest := modelfilestest.Model(t, map[string]string{"weights.tsv": "a"})
	if v, made := deploy(t, r, a, digest); v.Number != 42 || !made {
		t.Errorf("the next is %d, want 42", v.Number)
	}
}
