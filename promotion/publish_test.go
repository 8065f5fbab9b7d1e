package promotion

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pawl-dev/pawl/promotion/modelfiles"
	"github.com/pawl-dev/pawl/promotion/modelfiles/modelfilestest"
)

func TestPublish(t *testing.T) {
	ctx, hash := context.Background(), modelfiles.Hash(modelfilestest.Hash)
	dir, _ := modelfilestest.Model(t, map[string]string{"weights.tsv": "1\n", "assets/vocab.txt": "iris\n"})
	if err := os.Symlink("assets/vocab.txt", filepath.Join(dir, "vocab")); err != nil {
		t.Fatal(err)
	}
	digest, err := hash(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	prefix := filepath.Join(t.TempDir(), "a b", "models")
	model := Artifact{Name: "model", Path: dir, Digest: digest}
	publish := func(a Artifact) (string, error) { return Publish(ctx, FileURI(prefix), a, hash) }

	t.Run("a folder arrives whole below its digest, twice is once, a crash's rest is swept", func(t *testing.T) {
		left := filepath.Join(prefix, ".publishing-"+hexOf(digest))
		if err := os.MkdirAll(filepath.Join(left, "assets"), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(left, "weights.tsv"), []byte("ha"), 0o666); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			uri, err := publish(model)
			if err != nil {
				t.Fatal(err)
			}
			if err := CheckURI(uri); err != nil || URIDigest(uri) != digest || !strings.Contains(uri, "/a%20b/") {
				t.Errorf("address is %s: %v", uri, err)
			}
			at, err := FilePath(uri)
			if err != nil || modelfiles.Check(ctx, at, digest, hash) != nil {
				t.Errorf("%s (%v) does not hold the model: %v", at, err, modelfiles.Check(ctx, at, digest, hash))
			}
		}
		if got := entries(t, prefix); !slices.Equal(got, []string{hexOf(digest)}) {
			t.Errorf("the prefix holds %v", got)
		}
	})
	t.Run("a single file arrives under the artifact's name", func(t *testing.T) {
		file := filepath.Join(dir, "weights.tsv")
		sum, err := hash(ctx, file)
		if err != nil {
			t.Fatal(err)
		}
		uri, err := publish(Artifact{Name: "model", Path: file, Digest: sum})
		if err != nil {
			t.Fatal(err)
		}
		at, _ := FilePath(uri)
		if data, err := os.ReadFile(filepath.Join(at, "model")); err != nil || string(data) != "1\n" {
			t.Errorf("model is %q, %v", data, err)
		}
		if err := modelfiles.Check(ctx, at, sum, hash); err != nil {
			t.Error(err)
		}
	})
	t.Run("what is not what its digest says is not published", func(t *testing.T) {
		wrong := digestOf("c")
		if _, err := publish(Artifact{Name: "model", Path: dir, Digest: wrong}); !errors.Is(err, modelfiles.ErrDigest) {
			t.Errorf("error is %v", err)
		}
		if got := entries(t, prefix); slices.Contains(got, hexOf(wrong)) || len(got) != 2 {
			t.Errorf("the prefix holds %v", got)
		}
	})
	t.Run("what somebody changed is found out and left as it is", func(t *testing.T) {
		file := filepath.Join(prefix, hexOf(digest), "weights.tsv")
		if err := os.WriteFile(file, []byte("2\n"), 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := publish(model); !errors.Is(err, modelfiles.ErrDigest) || !strings.Contains(err.Error(), "remove "+filepath.Dir(file)) {
			t.Errorf("error is %v", err)
		}
		if data, _ := os.ReadFile(file); string(data) != "2\n" {
			t.Errorf("the file was changed to %q", data)
		}
	})
	t.Run("a model that points out of itself is refused", func(t *testing.T) {
		for _, target := range []string{"/etc/passwd", "../x"} {
			dir, _ := modelfilestest.Model(t, nil)
			if err := os.Symlink(target, filepath.Join(dir, "link")); err != nil {
				t.Fatal(err)
			}
			sum, err := hash(ctx, dir)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := publish(Artifact{Name: "model", Path: dir, Digest: sum}); err == nil || !strings.Contains(err.Error(), "points out of it") {
				t.Errorf("link to %s: %v", target, err)
			}
		}
	})
	for name, uri := range map[string]string{
		"another scheme": "s3://models/iris", "a host": "file://host/models", "a relative path": "file:models", "a query": "file:///m?x=1",
	} {
		t.Run("a prefix with "+name+" is refused", func(t *testing.T) {
			if _, err := Publish(ctx, uri, model, hash); err == nil {
				t.Errorf("%s was taken", uri)
			}
		})
	}
}

func entries(t *testing.T, dir string) []string {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range all {
		names = append(names, e.Name())
	}
	return names
}

// Who writes an address by hand does not get pawl to copy other folders.
func TestOnlyAddressesOfPublishedModelsNameAFolder(t *testing.T) {
	hex := strings.Repeat("ab", 32)
	for uri, want := range map[string]string{
		"file:///models/" + hex:                 "/models/" + hex,
		"file:///my%20models/" + hex:            "/my models/" + hex,
		"file:///models/" + hex + "/../../etc":  "",
		"file:///models/" + hex + "/%2e%2e/etc": "",
		"file:///models/" + hex + "/part":       "",
		"file:///models/./" + hex:               "",
		"file:///models/@sha256:" + hex:         "",
		"file:///etc":                           "",
		"s3://models/" + hex:                    "",
	} {
		if got, err := PublishedFolder(uri); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", uri, got, err)
		}
	}
}
