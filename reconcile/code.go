package reconcile

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/pawl-dev/pawl/api"
	"github.com/pawl-dev/pawl/engine/attempt"
	"github.com/pawl-dev/pawl/gitsync"
	"github.com/pawl-dev/pawl/store"
)

const kindCode = "code" // document: where a code folder is in the artifact store, by its hash

// codeFolder is where a run's steps find themselves.
type codeFolder struct {
	path string
	hash string // of its content, without what stages own
}

// codeOf finds the code folder of a workflow: its annotation, that of the object
// that declares it (a sensor, say), that of the template it refers to, else the
// folder of the file that declares it.
func (l *Loop) codeOf(snap *gitsync.Snapshot, cur *synced, wf, declared *api.Object) (codeFolder, error) {
	folder := wf.Annotations[AnnotationCode]
	if folder == "" {
		folder = declared.Annotations[AnnotationCode]
	}
	if ref := templateRef(wf); folder == "" && ref != nil {
		for _, o := range cur.objects {
			if o.Name == ref.Name && (ref.ClusterScope && o.Kind == "ClusterWorkflowTemplate" ||
				!ref.ClusterScope && o.Kind == "WorkflowTemplate" && o.Namespace == wf.Namespace) {
				folder = o.Annotations[AnnotationCode]
			}
		}
	}
	if folder == "" {
		folder = path.Dir(declared.Origin.File)
	}
	folder = path.Clean(folder)
	if !fs.ValidPath(folder) {
		return codeFolder{}, fmt.Errorf("code folder %q is not a folder of the repository: name it from the repository's root, without .. and leading /", folder)
	}
	hash, err := l.codeHash(snap, cur, folder)
	if err != nil {
		return codeFolder{}, fmt.Errorf("code folder %q: %w", folder, err)
	}
	return codeFolder{path: folder, hash: hash}, nil
}

// codeHash is the git tree hash of the folder. If stages own folders in it, it
// is a hash of all the rest, so that a promotion's merge starts nothing.
func (l *Loop) codeHash(snap *gitsync.Snapshot, cur *synced, folder string) (string, error) {
	owned := ownedBelow(cur, folder)
	if len(owned) == 0 {
		return snap.TreeHash(folder)
	}
	h := sha256.New()
	err := fs.WalkDir(snap.FS(), folder, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if owned[p] {
			return fs.SkipDir
		}
		if d.IsDir() {
			return nil
		}
		blob, err := snap.TreeHash(p)
		if err != nil {
			return err
		}
		fmt.Fprintf(h, "%s %d:%s,", blob, len(p), p)
		return nil
	})
	if err != nil {
		return "", err
	}
	return "rest-" + hex.EncodeToString(h.Sum(nil)), nil
}

// ownedBelow are the folders in a folder that stages own.
func ownedBelow(cur *synced, folder string) map[string]bool {
	owned := map[string]bool{}
	for _, s := range cur.stages {
		p := path.Clean(s.spec.Path)
		if folder == "." || p == folder || strings.HasPrefix(p, folder+"/") {
			owned[p] = true
		}
	}
	return owned
}

// codeRef puts a code folder into the artifact store, once for each content.
func (l *Loop) codeRef(ctx context.Context, cur *synced, code codeFolder) (*attempt.ArtifactRef, error) {
	doc, ok, err := l.Store.GetDoc(ctx, kindCode, code.hash)
	if err != nil {
		return nil, err
	}
	var ref attempt.ArtifactRef
	if ok && json.Unmarshal(doc.Data, &ref) == nil {
		if _, err := l.Artifacts.Path(ref); err == nil {
			return &ref, nil
		}
	}
	dir, err := os.MkdirTemp(l.Scratch, "code-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	dst := path.Join(dir, "code")
	if err := l.copyCode(cur, code.path, dst); err != nil {
		return nil, fmt.Errorf("code folder %s: %w", code.path, err)
	}
	if ref, err = l.Artifacts.Put(ctx, dst); err != nil {
		return nil, fmt.Errorf("code folder %s: %w", code.path, err)
	}
	data, err := json.Marshal(ref)
	if err != nil {
		return nil, err
	}
	if _, err := l.Store.PutDoc(ctx, kindCode, code.hash, data, store.AnyVersion); err != nil {
		return nil, err
	}
	return &ref, nil
}

func (l *Loop) copyCode(cur *synced, folder, dst string) error {
	src, err := fs.Sub(cur.snapshot.FS(), folder)
	if err != nil {
		return err
	}
	if err := os.CopyFS(dst, src); err != nil {
		return err
	}
	for p := range ownedBelow(cur, folder) {
		rel := p
		if folder != "." {
			rel = strings.TrimPrefix(strings.TrimPrefix(p, folder), "/")
		}
		if err := os.RemoveAll(path.Join(dst, rel)); err != nil {
			return err
		}
	}
	return nil
}
