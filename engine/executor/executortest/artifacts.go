package executortest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pawl-dev/pawl/engine/attempt"
)

// put stores the files, a folder, and returns its reference.
func (s Suite) put(t *testing.T, files map[string]string) *attempt.ArtifactRef {
	t.Helper()
	return s.putPath(t, write(t, files))
}

func (s Suite) putPath(t *testing.T, path string) *attempt.ArtifactRef {
	t.Helper()
	ref, err := s.Put(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return &ref
}

// content reads the file name ("" for a file) of a stored artifact.
func (s Suite) content(t *testing.T, r attempt.Result, artifact, name string) string {
	t.Helper()
	ref, ok := r.Artifacts[artifact]
	if !ok {
		t.Errorf("there is no artifact %s; ended %s: %s", artifact, r.Outcome, r.Message)
		return ""
	}
	path, err := s.Path(ref)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(path, name))
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

func in(name string) string { return attempt.PathToken(attempt.InputArtifactPath, name) }

func out(name string) string { return attempt.PathToken(attempt.OutputArtifactPath, name) }

// runArtifacts passes artifacts in and out through path placeholders, as
// manifests for any isolation do.
func (s Suite) runArtifacts(t *testing.T) {
	t.Run("a file and a folder go out and come in again", func(t *testing.T) {
		e := s.shared
		make := script("echo weights > " + out("model") + "; mkdir -p " + out("data") + "/deep; echo x > " + out("data") + "/deep/x; ln -s deep/x " + out("data") + "/link")
		make.Outputs = []attempt.OutputArtifact{{Name: "model", Path: "/tmp/model.bin"}, {Name: "data", Path: "/tmp/data"}}
		r := run(t, e, make)
		want(t, r, attempt.Succeeded, 0, "")
		if got := s.content(t, r, "model", ""); got != "weights\n" {
			t.Errorf("the model is %q", got)
		}
		model, data := r.Artifacts["model"], r.Artifacts["data"]
		use := script("cat " + in("m") + " " + in("d") + "/link; basename " + in("m"))
		use.CaptureResult = true
		use.Inputs = []attempt.InputArtifact{{Name: "m", Path: "/tmp/in.bin", Ref: &model}, {Name: "d", Path: "/tmp/d", Ref: &data}}
		if r := run(t, e, use); r.Result == nil || *r.Result != "weights\nx\nin.bin" {
			t.Errorf("ended %s (%s) with %s", r.Outcome, r.Message, deref(r.Result))
		}
	})
	t.Run("what an attempt does to its inputs, the store does not see", func(t *testing.T) {
		e := s.shared
		ref := s.put(t, map[string]string{"keep": "1", "change": "1", "drop": "1", "dir/a": "1"})
		sp := script("cd " + in("d") + " && echo 2 > change && rm drop && rm -r dir && mkdir dir && echo 3 > dir/b && echo 4 > new")
		sp.Inputs = []attempt.InputArtifact{{Name: "d", Path: "/tmp/d", Ref: ref}}
		sp.Outputs = []attempt.OutputArtifact{{Name: "same", Path: "/tmp/d"}}
		sp.Args[0] += "; : " + out("same")
		if s.AbsolutePaths {
			r := run(t, e, sp)
			want(t, r, attempt.Succeeded, 0, "")
			if got := s.tree(t, r.Artifacts["same"]); got != "change=2\n dir/b=3\n keep=1 new=4\n" {
				t.Errorf("the output is %q", got)
			}
		} else {
			sp.Outputs = nil
			want(t, run(t, e, sp), attempt.Succeeded, 0, "")
		}
		if got := s.tree(t, *ref); got != "change=1 dir/a=1 drop=1 keep=1" {
			t.Errorf("the store has %q", got)
		}
	})
	t.Run("raw inputs and their mode", func(t *testing.T) {
		raw, mode := "#!/bin/sh\necho raw\n", int32(0o755)
		sp := script(in("r"))
		sp.CaptureResult = true
		sp.Inputs = []attempt.InputArtifact{{Name: "r", Path: "/tmp/r.sh", Raw: &raw, Mode: &mode}}
		if r := run(t, s.shared, sp); r.Result == nil || *r.Result != "raw" {
			t.Errorf("ended %s (%s) with %s", r.Outcome, r.Message, deref(r.Result))
		}
	})
	t.Run("a fan-in is a folder with an entry an item, in order", func(t *testing.T) {
		sp := script("cd " + in("models") + " && for f in *; do echo $f; done; cat 00 01 10/x")
		sp.CaptureResult = true
		var items []attempt.ArtifactRef
		for i := range 10 {
			dir := write(t, map[string]string{"f": string(rune('a' + i))})
			items = append(items, *s.putPath(t, filepath.Join(dir, "f")))
		}
		items = append(items, *s.put(t, map[string]string{"x": "X"}))
		sp.Inputs = []attempt.InputArtifact{{Name: "models", Path: "/tmp/models", Items: items}}
		names := "00\n01\n02\n03\n04\n05\n06\n07\n08\n09\n10\n"
		if r := run(t, s.shared, sp); r.Result == nil || *r.Result != names+"abX" {
			t.Errorf("ended %s (%s) with %s", r.Outcome, r.Message, deref(r.Result))
		}
	})
	t.Run("a part of an artifact", func(t *testing.T) {
		ref := s.put(t, map[string]string{"a/b": "inner"})
		ref.SubPath = "a"
		sp := script("cat " + in("d") + "/b")
		sp.CaptureResult = true
		sp.Inputs = []attempt.InputArtifact{{Name: "d", Path: "/tmp/d", Ref: ref}}
		if r := run(t, s.shared, sp); r.Result == nil || *r.Result != "inner" {
			t.Errorf("ended %s (%s) with %s", r.Outcome, r.Message, deref(r.Result))
		}
	})
	t.Run("outputs that overlap are each whole", func(t *testing.T) {
		e := s.shared
		sp := script("mkdir -p " + out("all") + "/sub && echo 1 > " + out("all") + "/sub/f; : " + out("part"))
		sp.Outputs = []attempt.OutputArtifact{{Name: "all", Path: "/tmp/all"}, {Name: "part", Path: "/tmp/all/sub"}}
		if !s.AbsolutePaths {
			sp = script("mkdir -p all/sub && echo 1 > all/sub/f")
			sp.Outputs = []attempt.OutputArtifact{{Name: "all", Path: "all"}, {Name: "part", Path: "all/sub"}}
		}
		r := run(t, e, sp)
		if a, b := s.content(t, r, "all", "sub/f"), s.content(t, r, "part", "f"); a != "1\n" || b != "1\n" {
			t.Errorf("they are %q and %q", a, b)
		}
	})
}

// tree writes the files of an artifact as one line.
func (s Suite) tree(t *testing.T, ref attempt.ArtifactRef) string {
	t.Helper()
	root, err := s.Path(ref)
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	err = filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		name, _ := filepath.Rel(root, path)
		files = append(files, name+"="+string(b))
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return strings.Join(files, " ")
}
