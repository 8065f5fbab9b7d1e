// Package pawl holds nothing but the test that keeps the layers apart.
package pawl

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/pawl-dev/pawl/"

// A layer is a folder and what it may import of this module; folders below it
// belong to it unless they have a row of their own. A new row, or a new word in
// one, needs its reason in the commit. docs/architecture.md draws the same.
type layer struct {
	folder string
	// mayImport lists folders; "x/..." means x and all below it.
	mayImport []string
	// pure layers compute: no clock, no I/O, no goroutines.
	pure bool
}

var layers = []layer{
	{folder: "cmd/pawl", mayImport: []string{"..."}},
	{folder: "api", mayImport: []string{"api/..."}},
	{folder: "gitsync", mayImport: []string{"gitsync/..."}},
	{folder: "render", mayImport: []string{"api/...", "render/..."}},

	{folder: "engine/attempt", pure: true},
	{folder: "engine/artifact", mayImport: []string{"engine/attempt"}},
	{folder: "engine/expr", pure: true},
	{folder: "engine/plan", mayImport: []string{"api/...", "engine/expr", "engine/attempt"}, pure: true},
	{folder: "engine/sched", mayImport: []string{"engine/plan", "engine/expr", "engine/attempt"}, pure: true},
	{folder: "engine/executor", mayImport: []string{"engine/attempt", "engine/artifact"}},
	{folder: "engine/executor/process", mayImport: []string{"engine/attempt", "engine/executor", "engine/executor/process/..."}},
	{folder: "engine/executor/fake", mayImport: []string{"engine/attempt", "engine/executor"}},
	{folder: "engine/executor/executortest", mayImport: []string{"engine/attempt", "engine/executor"}},
	{folder: "engine", mayImport: []string{"api", "engine/...", "store"}},

	{folder: "policies", mayImport: []string{"api/..."}, pure: true},
	{folder: "promotion", mayImport: []string{"api/...", "policies", "gitsync", "promotion/..."}},
	{folder: "promotion/forge", mayImport: []string{"gitsync", "promotion/forge/..."}},
	{folder: "events", mayImport: []string{"api/...", "events/..."}},
	{folder: "store"},
	{folder: "reconcile", mayImport: []string{"api/...", "gitsync", "render", "engine/...", "policies", "promotion/...", "events/...", "store", "reconcile/..."}},
	{folder: "server", mayImport: []string{"..."}},
	{folder: "testdata/demo"},
	{folder: "testdata/starter"},
	{folder: "bench"},
}

// impure is what a pure layer must not import.
var impure = map[string]bool{
	"os": true, "os/exec": true, "net": true, "net/http": true, "sync": true, "log": true,
	"log/slog": true, "math/rand": true, "math/rand/v2": true, "crypto/rand": true, "io/ioutil": true, "syscall": true,
}

func TestImportsFollowTheLayers(t *testing.T) {
	root := "."
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && file != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules" || strings.HasPrefix(d.Name(), "pawl-demo")) {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		folder := path.Dir(filepath.ToSlash(file))
		l := layerOf(folder)
		if l == nil {
			t.Errorf("%s: folder %s has no row in the table of layers", file, folder)
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, imp := range f.Imports {
			p, _ := strconv.Unquote(imp.Path.Value)
			checkImport(t, file, folder, l, p)
		}
		if l.pure {
			checkClock(t, file)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// layerOf is the row with the longest folder that holds the given one.
func layerOf(folder string) *layer {
	var best *layer
	for i, l := range layers {
		if (folder == l.folder || strings.HasPrefix(folder, l.folder+"/")) && (best == nil || len(l.folder) > len(best.folder)) {
			best = &layers[i]
		}
	}
	return best
}

func checkImport(t *testing.T, file, folder string, l *layer, imported string) {
	t.Helper()
	if l.pure && impure[imported] {
		t.Errorf("%s imports %s, but %s is pure", file, imported, l.folder)
	}
	if !strings.HasPrefix(imported, module) {
		return
	}
	p := strings.TrimPrefix(imported, module)
	if p == folder {
		return
	}
	for _, m := range l.mayImport {
		base, below := strings.CutSuffix(m, "...")
		base = strings.TrimSuffix(base, "/")
		if p == base || below && (base == "" || strings.HasPrefix(p, base+"/")) {
			return
		}
	}
	t.Errorf("%s imports %s, which %s may not (it may import %v)", file, p, l.folder, l.mayImport)
}

// checkClock refuses what reads the clock, waits, or starts a goroutine.
func checkClock(t *testing.T, file string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			t.Errorf("%s starts a goroutine, but its layer is pure", file)
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && clock[n.Sel.Name] {
				t.Errorf("%s uses time.%s, but its layer is pure", file, n.Sel.Name)
			}
		}
		return true
	})
}

var clock = map[string]bool{
	"Now": true, "Since": true, "Until": true, "Sleep": true, "After": true, "AfterFunc": true,
	"Tick": true, "NewTimer": true, "NewTicker": true,
}
