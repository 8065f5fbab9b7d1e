package gitsync

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// randomHistory makes commits with random parents and, when asked, wrong clocks.
func randomHistory(t *testing.T, w *world, rng *rand.Rand, n int, wrongClocks bool) []string {
	r := w.repo()
	empty := git(t, w.bare, "hash-object", "-t", "tree", "-w", "/dev/null")
	var all []string
	for i := range n {
		who := pawl()
		who.Time = who.Time.Add(time.Duration(i) * time.Minute)
		if wrongClocks {
			who.Time = who.Time.Add(time.Duration(rng.IntN(2*n)-n) * time.Minute)
		}
		c := Commit{Tree: empty, Author: who, Message: fmt.Sprint(i)}
		for range rng.IntN(3) {
			if len(all) > 0 {
				c.Parents = append(c.Parents, all[max(0, len(all)-1-rng.IntN(5))])
			}
		}
		slices.Sort(c.Parents)
		c.Parents = slices.Compact(c.Parents)
		hash, err := r.WriteCommit(c)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, hash)
	}
	return all
}

func TestHistoryAgreesWithGit(t *testing.T) {
	pairs := 12
	if os.Getenv("PAWL_LONG") != "" {
		pairs = 400
	}
	for _, wrong := range []bool{false, true} {
		t.Run(fmt.Sprintf("wrong clocks %v", wrong), func(t *testing.T) {
			w := newWorld(t)
			rng := rand.New(rand.NewPCG(1, 2))
			all := randomHistory(t, w, rng, 40, wrong)
			r := w.repo()
			for range pairs {
				a, b := all[rng.IntN(len(all))], all[rng.IntN(len(all))]
				cmd := exec.Command("git", "merge-base", "--all", a, b)
				cmd.Dir, cmd.Env = w.bare, testEnv()
				out, _ := cmd.Output() // exit 1: none
				want := strings.Fields(string(out))
				got, err := r.MergeBases(t.Context(), a, b)
				if err != nil {
					t.Fatal(err)
				}
				slices.Sort(want)
				slices.Sort(got)
				if !slices.Equal(got, want) {
					t.Fatalf("merge bases of %s and %s: %v, git says %v", a, b, got, want)
				}
				is, err := r.IsAncestor(t.Context(), a, b)
				if err != nil || is != slices.Contains(want, a) {
					t.Fatalf("%s is an ancestor of %s: %v, %v", a, b, is, err)
				}
			}
		})
	}
}

func TestCommitsAgreesWithGit(t *testing.T) {
	w := newWorld(t)
	rng := rand.New(rand.NewPCG(3, 4))
	all := randomHistory(t, w, rng, 40, false)
	r := w.repo()
	for range 10 {
		in, not := all[rng.IntN(len(all))], all[rng.IntN(len(all))]
		want := strings.Fields(git(t, w.bare, "rev-list", in, "^"+not))
		commits, err := r.Commits(t.Context(), in, not, 100)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, c := range commits {
			got = append(got, c.Hash)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%s without %s: %v, git says %v", in, not, got, want)
		}
	}
}

func TestHistoryOfAShallowClone(t *testing.T) {
	w := newWorld(t)
	w.commit("one")
	w.commit("two")
	tip := w.commit("three")
	shallow := t.TempDir()
	git(t, "/", "clone", "-q", "--bare", "--depth", "2", "file://"+w.bare, shallow)
	r, err := OpenRepository(shallow)
	if err != nil {
		t.Fatal(err)
	}
	line, err := r.FirstParents(t.Context(), tip, "", 10)
	if err != nil || len(line) != 2 {
		t.Errorf("%d commits, %v", len(line), err)
	}
	if is, err := r.IsAncestor(t.Context(), line[1].Hash, tip); !is || err != nil {
		t.Errorf("got %v, %v", is, err)
	}
}

func TestMergeTrees(t *testing.T) {
	type files map[string]string
	base := files{"a": "1", "b": "1", "d/x": "1", "d/y": "1", "e/z": "1"}
	tests := []struct {
		name         string
		ours, theirs files // "-" deletes
		want         files // what differs from base
		conflicts    string
	}{
		{name: "different files", ours: files{"a": "2"}, theirs: files{"b": "2"}, want: files{"a": "2", "b": "2"}},
		{name: "different files of one folder", ours: files{"d/x": "2"}, theirs: files{"d/y": "2"}, want: files{"d/x": "2", "d/y": "2"}},
		{name: "the same change on both sides", ours: files{"a": "2"}, theirs: files{"a": "2"}, want: files{"a": "2"}},
		{name: "one file changed twice", ours: files{"a": "2"}, theirs: files{"a": "3"}, conflicts: "a"},
		{name: "deleted and changed", ours: files{"d/x": "-"}, theirs: files{"d/x": "3"}, conflicts: "d/x"},
		{name: "deleted on both sides", ours: files{"a": "-"}, theirs: files{"a": "-"}, want: files{"a": "-"}},
		{name: "a folder deleted and left alone", ours: files{"d/x": "-", "d/y": "-"}, theirs: files{"a": "2"}, want: files{"a": "2", "d/x": "-", "d/y": "-"}},
		{name: "a folder deleted and changed in", ours: files{"d/x": "-", "d/y": "-"}, theirs: files{"d/y": "2"}, conflicts: "d/y"},
		{name: "the last file of a folder deleted here, another added there", ours: files{"e/z": "-"}, theirs: files{"e/n": "2"}, want: files{"e/z": "-", "e/n": "2"}},
		{name: "both add the same", ours: files{"n": "2"}, theirs: files{"n": "2"}, want: files{"n": "2"}},
		{name: "both add different", ours: files{"n/n": "2"}, theirs: files{"n/n": "3"}, conflicts: "n/n"},
		{name: "a file here, a folder there", ours: files{"n": "2"}, theirs: files{"n/x": "2"}, conflicts: "n"},
		{name: "two conflicts are both named", ours: files{"a": "2", "d/x": "2"}, theirs: files{"a": "3", "d/x": "3"}, conflicts: "a d/x"},
	}
	w := newWorld(t)
	repo := w.repo()
	make := func(parent string, f files) string {
		ch := Change{Base: parent, Branch: "x", Message: "x", Author: pawl(), Files: map[string]File{}}
		for name, content := range f {
			ch.Files[name] = File{Content: []byte(content), Delete: content == "-"}
		}
		plan, err := planEdits(ch.Files)
		if err != nil {
			t.Fatal(err)
		}
		hash, err := repo.writer().commitChange(t.Context(), ch, plan)
		if err != nil {
			t.Fatal(err)
		}
		return hash
	}
	root := make("", base)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ours, theirs := make(root, tt.ours), make(root, tt.theirs)
			for range 2 { // either way round
				tried, tryConflicts, tryErr := repo.TryMerge(t.Context(), root, ours, theirs)
				tree, conflicts, err := repo.MergeTrees(t.Context(), root, ours, theirs)
				if tried != tree || fmt.Sprint(tryConflicts) != fmt.Sprint(conflicts) || tryErr != nil {
					t.Errorf("trying says %s %v %v", tried, tryConflicts, tryErr)
				}
				if err != nil || strings.Join(conflicts, " ") != tt.conflicts {
					t.Fatalf("conflicts %v (%v), want %q", conflicts, err, tt.conflicts)
				}
				if tt.want != nil {
					want, err := repo.Commit(make(root, tt.want))
					if err != nil || tree != want.Tree {
						t.Errorf("the tree is %s, want %s (%v)", tree, want.Tree, err)
					}
				}
				ours, theirs = theirs, ours
			}
		})
	}
	git(t, w.bare, "fsck", "--full")
}

func TestDiff(t *testing.T) {
	w := newWorld(t)
	w.write("kept", "same\n")
	w.write("changed", lines(20, "line"))
	w.write("gone", "x\n")
	from := w.commit("one")
	w.write("changed", strings.Replace(lines(20, "line"), "line 9\n", "LINE 9\n", 1))
	w.write("new/file", "n\n")
	w.write("binary", "\x00\x01")
	w.write("huge", lines(40_000, "huge"))
	w.git("rm", "-q", "gone")
	to := w.commit("two")
	d, err := w.repo().Diff(t.Context(), from, to)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range d.Files {
		got[f.Path] = f.Status + " " + f.Omitted
		if f.Omitted != "" && f.Patch != "" || f.Omitted == "" && f.Patch == "" {
			t.Errorf("%s: patch of %d bytes, omitted %q", f.Path, len(f.Patch), f.Omitted)
		}
	}
	want := map[string]string{"changed": "modified ", "gone": "deleted ", "new/file": "added ", "binary": "added binary", "huge": "added too large"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if text := d.String(); !strings.Contains(text, "-line 9\n+LINE 9\n") || strings.Contains(text, "same") {
		t.Errorf("the text is\n%s", text)
	}
	if _, err := w.repo().ReadFile(t.Context(), to, "gone"); err == nil {
		t.Error("a deleted file was read")
	}
	if data, err := w.repo().ReadFile(t.Context(), from, "gone"); string(data) != "x\n" {
		t.Errorf("got %q, %v", data, err)
	}
}
