// Package forgetest is the one suite that every forge passes.
package forgetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pawl-dev/pawl/gitsync"
	"github.com/pawl-dev/pawl/promotion/forge"
)

// Fixture is a forge over a repository that the suite may push to. The
// repository is empty.
type Fixture struct {
	Forge  forge.Forge
	Source gitsync.Source
}

// Run runs the suite. newForge is called once a test.
func Run(t *testing.T, newForge func(t *testing.T) Fixture) {
	for _, tt := range []struct {
		name string
		test func(*bench)
	}{
		{"what is opened can be read", openAndRead},
		{"opening again gives the one that is open", openAgain},
		{"what cannot be opened is refused", openRefused},
		{"opening at the same moment gives one", openAtOnce},
		{"lists by head, base and state", list},
		{"a number that nobody has is not found", notFound},
		{"updates text, labels and draft", update},
		{"a merge has two parents and ends it", merge},
		{"a squash has one parent and ends it", squash},
		{"only the expected head is merged", headMoved},
		{"changes of the base are kept", baseMoved},
		{"a conflict is not merged, and goes away with a new head", conflict},
		{"a draft is not merged", draft},
		{"merges at the same moment lose nothing", mergeAtOnce},
		{"closing ends it and leaves the branch", closing},
		{"a deleted branch closes it", branchDeleted},
		{"changes that reach the base without the forge merge it", squashedByHand},
		{"statuses belong to commits", statuses},
		{"a comment with a key is rewritten", comments},
		{"shows what the head changed", diff},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			b := &bench{T: t, Fixture: newForge(t), ctx: ctx}
			b.push("main", "", map[string]string{"a": "1", "b": "1"})
			tt.test(b)
		})
	}
}

// bench is a test with its forge.
type bench struct {
	*testing.T
	Fixture
	ctx  context.Context
	tick int
}

// push commits files on top of a branch (or of nothing) and moves another there.
func (b *bench) push(branch, from string, files map[string]string) string {
	b.Helper()
	b.tick++
	ch := gitsync.Change{Base: b.at(from), Branch: branch, Message: "change " + branch, Files: map[string]gitsync.File{},
		Author: gitsync.Identity{Name: "Ada", Email: "ada@example.com", Time: time.Unix(1_700_000_000+int64(b.tick), 0).UTC()}}
	for name, content := range files {
		ch.Files[name] = gitsync.File{Content: []byte(content)}
	}
	commit, err := gitsync.Push(b.ctx, b.Source, ch, b.at(branch))
	if err != nil {
		b.Fatal(err)
	}
	return commit
}

func (b *bench) at(branch string) string {
	b.Helper()
	if branch == "" {
		return ""
	}
	src := b.Source
	src.Revision = "refs/heads/" + branch
	rev, err := gitsync.Resolve(b.ctx, src)
	if errors.Is(err, gitsync.ErrNoRevision) || errors.Is(err, gitsync.ErrEmpty) {
		return ""
	}
	if err != nil {
		b.Fatal(err)
	}
	return rev.Commit
}

// snapshot reads a commit: its files and what it says.
func (b *bench) snapshot(commit string) (map[string]string, gitsync.Commit) {
	b.Helper()
	c, err := gitsync.OpenCache(gitsync.CacheConfig{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	s, err := c.Snapshot(b.ctx, b.Source, gitsync.Revision{Commit: commit})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Release()
	return readAll(b, s.FS()), s.Info
}

func (b *bench) open(head string, more ...func(*forge.Opening)) forge.PullRequest {
	b.Helper()
	o := forge.Opening{Title: "promote " + head, Body: "why", Head: head, Base: "main", Author: "pawl"}
	for _, change := range more {
		change(&o)
	}
	pr, err := b.Forge.Open(b.ctx, o)
	if err != nil {
		b.Fatal(err)
	}
	return pr
}

func (b *bench) get(number int) forge.PullRequest {
	b.Helper()
	pr, err := b.Forge.Get(b.ctx, number)
	if err != nil {
		b.Fatal(err)
	}
	return pr
}

func (b *bench) mustFail(err, want error) {
	b.Helper()
	if !errors.Is(err, want) {
		b.Errorf("got %v, want %v", err, want)
	}
}

func (b *bench) is(what string, got, want any) {
	b.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		b.Errorf("%s is %v, want %v", what, got, want)
	}
}

func openAndRead(b *bench) {
	head := b.push("pawl/staging/fraud", "main", map[string]string{"a": "2"})
	pr := b.open("pawl/staging/fraud", func(o *forge.Opening) { o.Labels = []string{"stage/staging", "pawl"} })
	for _, got := range []forge.PullRequest{pr, b.get(pr.Number)} {
		b.is("state", got.State, forge.StateOpen)
		b.is("branches", got.Head+" "+got.Base, "pawl/staging/fraud main")
		b.is("commits", got.HeadSHA+" "+got.BaseSHA, head+" "+b.at("main"))
		b.is("text", got.Title+" "+got.Body, "promote pawl/staging/fraud why")
		b.is("labels", got.Labels, []string{"pawl", "stage/staging"})
		b.is("mergeable", got.Mergeable, forge.MergeClean)
		if got.Number < 1 || got.Created.IsZero() {
			b.Errorf("number %d, created %s", got.Number, got.Created)
		}
		if len(got.Commits) != 1 || got.Commits[0].SHA != head || got.Commits[0].Author != "Ada" || got.Commits[0].Subject != "change pawl/staging/fraud" {
			b.Errorf("commits are %+v", got.Commits)
		}
	}
}

func openAgain(b *bench) {
	b.push("head", "main", map[string]string{"a": "2"})
	pr := b.open("head")
	again, err := b.Forge.Open(b.ctx, forge.Opening{Title: "other", Head: "head", Base: "main"})
	b.mustFail(err, forge.ErrExists)
	b.is("number", again.Number, pr.Number)
	b.is("title", again.Title, pr.Title)
}

func openRefused(b *bench) {
	b.push("same", "main", map[string]string{"a": "2"})
	for _, tt := range []struct {
		head, base string
		want       error
	}{{"nowhere", "main", forge.ErrNoBranch}, {"same", "nowhere", forge.ErrNoBranch}, {"main", "main", forge.ErrNoChange}, {"main", "same", forge.ErrNoChange}} {
		_, err := b.Forge.Open(b.ctx, forge.Opening{Title: "x", Head: tt.head, Base: tt.base})
		b.mustFail(err, tt.want)
	}
	b.push("main", "main", map[string]string{"a": "2", "c": "1"})
	_, err := b.Forge.Open(b.ctx, forge.Opening{Title: "x", Head: "same", Base: "main"})
	b.mustFail(err, forge.ErrNoChange)
	all, err := b.Forge.List(b.ctx, forge.Query{})
	if err != nil || len(all) != 0 {
		b.Errorf("there are %v, %v", all, err)
	}
}

func openAtOnce(b *bench) {
	b.push("head", "main", map[string]string{"a": "2"})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := b.Forge.Open(b.ctx, forge.Opening{Title: "x", Head: "head", Base: "main"}); err != nil && !errors.Is(err, forge.ErrExists) {
				b.Error(err)
			}
		})
	}
	wg.Wait()
	open, err := b.Forge.List(b.ctx, forge.Query{State: forge.StateOpen})
	if err != nil || len(open) != 1 {
		b.Errorf("%d are open, %v", len(open), err)
	}
}

func list(b *bench) {
	b.push("x", "main", map[string]string{"a": "2"})
	b.push("y", "main", map[string]string{"b": "2"})
	b.push("other", "main", map[string]string{"c": "1"})
	first, second := b.open("x"), b.open("y")
	third := b.open("x", func(o *forge.Opening) { o.Base = "other" })
	if _, err := b.Forge.Close(b.ctx, first.Number, "ada", "no"); err != nil {
		b.Fatal(err)
	}
	for _, tt := range []struct {
		q    forge.Query
		want []int
	}{
		{forge.Query{}, []int{first.Number, second.Number, third.Number}},
		{forge.Query{State: forge.StateOpen}, []int{second.Number, third.Number}},
		{forge.Query{State: forge.StateClosed}, []int{first.Number}},
		{forge.Query{Head: "x"}, []int{first.Number, third.Number}},
		{forge.Query{Head: "x", Base: "other", State: forge.StateOpen}, []int{third.Number}},
		{forge.Query{Head: "nobody"}, nil},
	} {
		prs, err := b.Forge.List(b.ctx, tt.q)
		if err != nil {
			b.Fatal(err)
		}
		var got []int
		for _, pr := range prs {
			got = append(got, pr.Number)
		}
		if !slices.Equal(got, tt.want) {
			b.Errorf("%+v: got %v, want %v", tt.q, got, tt.want)
		}
	}
}

func notFound(b *bench) {
	_, err := b.Forge.Get(b.ctx, 99)
	b.mustFail(err, forge.ErrNotFound)
	_, err = b.Forge.Update(b.ctx, 99, forge.Edit{})
	b.mustFail(err, forge.ErrNotFound)
	_, err = b.Forge.Merge(b.ctx, 99, forge.MergeOptions{ExpectedHead: strings.Repeat("1", 40)})
	b.mustFail(err, forge.ErrNotFound)
	_, err = b.Forge.Close(b.ctx, 99, "ada", "")
	b.mustFail(err, forge.ErrNotFound)
}

func update(b *bench) {
	b.push("head", "main", map[string]string{"a": "2"})
	pr := b.open("head")
	title, body, draft, labels := "better", "because", true, []string{"z", "a", "z"}
	edit := forge.Edit{Title: &title, Body: &body, Draft: &draft, Labels: &labels}
	got, err := b.Forge.Update(b.ctx, pr.Number, edit)
	if err != nil {
		b.Fatal(err)
	}
	b.is("text", got.Title+" "+got.Body, "better because")
	b.is("draft and labels", fmt.Sprint(got.Draft, got.Labels), "true [a z]")
	again, err := b.Forge.Update(b.ctx, pr.Number, edit)
	if err != nil || !again.Updated.Equal(got.Updated) {
		b.Errorf("the same update changed it: %v, %v", again, err)
	}
	got, err = b.Forge.Update(b.ctx, pr.Number, forge.Edit{Title: &pr.Title})
	if err != nil || got.Title != pr.Title || got.Body != "because" {
		b.Errorf("a part was updated: %+v, %v", got, err)
	}
}
