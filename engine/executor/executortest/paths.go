package executortest

import (
	"testing"

	"github.com/pawl-dev/pawl/engine/attempt"
)

// runPaths holds what manifests do with absolute paths, without placeholders.
func (s Suite) runPaths(t *testing.T) {
	t.Run("outputs at absolute paths anywhere", func(t *testing.T) {
		host := "/usr/local/share/made/q"
		if s.ReadOnlyHost {
			host = "/made/q"
		}
		sp := script("echo 1 > /out.txt; mkdir /models/trained; echo 2 > /models/trained/w; echo 3 > /tmp/p; echo 4 > " + host)
		sp.Outputs = []attempt.OutputArtifact{{Name: "root", Path: "/out.txt"}, {Name: "deep", Path: "/models/trained"}, {Name: "host", Path: host}}
		sp.OutputParameters = []attempt.OutputParameter{{Name: "p", Path: "/tmp/p"}}
		r := run(t, s.shared, sp)
		want(t, r, attempt.Succeeded, 0, "")
		got := s.content(t, r, "root", "") + s.content(t, r, "deep", "w") + r.Parameters["p"] + s.content(t, r, "host", "")
		if got != "1\n2\n34\n" {
			t.Errorf("they are %q", got)
		}
	})
	t.Run("a shared volume goes from attempt to attempt, an emptyDir does not", func(t *testing.T) {
		e := s.shared
		sp := script("cat /data/f /scratch/f; echo 1 >> /data/f; echo 1 >> /scratch/f; true")
		sp.CaptureResult = true
		sp.Mounts = []attempt.Mount{{Volume: "claim", Path: "/data", Shared: true}, {Volume: "tmp", Path: "/scratch"}}
		for i, result := range []string{"", "1", "1\n1"} {
			sp.Key.Attempt = i
			if r := run(t, e, sp); r.Result == nil || *r.Result != result {
				t.Errorf("attempt %d ended %s (%s) with %s", i, r.Outcome, r.Message, deref(r.Result))
			}
		}
		sp.Key.Run = "run-2"
		if r := run(t, e, sp); r.Result == nil || *r.Result != "" {
			t.Errorf("another run sees %s", deref(r.Result))
		}
	})
	t.Run("parts of volumes, read-only ones, and files of a ConfigMap", func(t *testing.T) {
		e := s.shared
		claim := attempt.Mount{Volume: "parts", Path: "/all", Shared: true}
		part := attempt.Mount{Volume: "parts", Path: "/part", SubPath: "a/b", Shared: true}
		frozen := attempt.Mount{Volume: "parts", Path: "/frozen", Shared: true, ReadOnly: true}
		files := map[string]string{"x.yaml": "x: 1", "y": "yes"}
		config := attempt.Mount{Volume: "cm", Path: "/config", Files: files}
		one := attempt.Mount{Volume: "cm", Path: "/app/one.yaml", SubPath: "x.yaml", Files: files}
		sp := script("echo p > /part/f; cat /all/a/b/f /frozen/a/b/f; cat /config/y /app/one.yaml; (echo no > /frozen/g) 2>/dev/null; (echo no > /config/g) 2>/dev/null; ls /frozen /config")
		sp.CaptureResult = true
		sp.Mounts = []attempt.Mount{claim, part, frozen, config, one}
		r := run(t, e, sp)
		if r.Result == nil || *r.Result != "p\np\nyesx: 1/config:\nx.yaml\ny\n\n/frozen:\na" {
			t.Errorf("ended %s (%s) with %s", r.Outcome, r.Message, deref(r.Result))
		}
	})
	t.Run("an input at a volume's path is merged into it, and an output may be within", func(t *testing.T) {
		e := s.shared
		claim := attempt.Mount{Volume: "workdir", Path: "/data", Shared: true}
		first := script("mkdir -p /data/processed; echo own > /data/same; echo p > /data/processed/p")
		first.Mounts = []attempt.Mount{claim}
		first.Outputs = []attempt.OutputArtifact{{Name: "processed", Path: "/data/processed"}}
		r := run(t, e, first)
		if got := s.content(t, r, "processed", "p"); got != "p\n" {
			t.Fatalf("the output is %q", got)
		}
		second := script("cat /data/same /data/more /data/processed/p /data/in/x")
		second.CaptureResult = true
		second.Mounts = []attempt.Mount{claim}
		second.Inputs = []attempt.InputArtifact{
			{Name: "data", Path: "/data", Ref: s.put(t, map[string]string{"same": "theirs\n", "more": "more\n"})},
			{Name: "in", Path: "/data/in", Ref: s.put(t, map[string]string{"x": "x\n"})},
		}
		if r := run(t, e, second); r.Result == nil || *r.Result != "own\nmore\np\nx" {
			t.Errorf("ended %s (%s) with %s", r.Outcome, r.Message, deref(r.Result))
		}
	})
	t.Run("outputs of every origin: an unchanged input, through links, from a volume's emptyDir", func(t *testing.T) {
		e := s.shared
		sp := script("ln -s /etc/../made/file /link; echo f > /made/file; ln -s /vol/x /linked-dir; mkdir /vol/x; echo v > /vol/x/v")
		sp.Mounts = []attempt.Mount{{Volume: "v", Path: "/vol"}, {Volume: "m", Path: "/made"}}
		sp.Inputs = []attempt.InputArtifact{{Name: "i", Path: "/in/put", Ref: s.put(t, map[string]string{"a": "A"})}}
		sp.Outputs = []attempt.OutputArtifact{{Name: "same", Path: "/in/put"}, {Name: "link", Path: "/link"}, {Name: "dir", Path: "/linked-dir"}, {Name: "vol", Path: "/vol"}}
		r := run(t, e, sp)
		want(t, r, attempt.Succeeded, 0, "")
		got := s.content(t, r, "same", "a") + s.content(t, r, "link", "") + s.content(t, r, "dir", "v") + s.content(t, r, "vol", "x/v")
		if got != "Af\nv\nv\n" {
			t.Errorf("they are %q", got)
		}
	})
	t.Run("an absolute working directory is made", func(t *testing.T) {
		sp := script("pwd; echo 1 > here")
		sp.WorkingDir, sp.CaptureResult = "/app/src", true
		if r := run(t, s.shared, sp); r.Result == nil || *r.Result != "/app/src" {
			t.Errorf("ended %s (%s) with %s", r.Outcome, r.Message, deref(r.Result))
		}
	})
}
