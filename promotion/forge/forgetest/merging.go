package forgetest

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"

	"github.com/pawl-dev/pawl/gitsync"
	"github.com/pawl-dev/pawl/promotion/forge"
)

func readAll(b *bench, files fs.FS) map[string]string {
	b.Helper()
	all := map[string]string{}
	err := fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(files, path)
		all[path] = string(data)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return all
}

func (b *bench) files(want map[string]string) gitsync.Commit {
	b.Helper()
	got, c := b.snapshot(b.at("main"))
	b.is("the content of main", got, want)
	return c
}

func merge(b *bench) {
	base := b.at("main")
	head := b.push("head", "main", map[string]string{"a": "2", "d/new": "1"})
	pr := b.open("head")
	got, err := b.Forge.Merge(b.ctx, pr.Number, forge.MergeOptions{ExpectedHead: head, By: "ada"})
	if err != nil {
		b.Fatal(err)
	}
	c := b.files(map[string]string{"a": "2", "b": "1", "d/new": "1"})
	b.is("parents", c.Parents, []string{base, head})
	for _, got := range []forge.PullRequest{got, b.get(pr.Number)} {
		b.is("state", got.State, forge.StateMerged)
		b.is("who", got.EndedBy, "ada")
		b.is("merge commit", got.MergeCommit, b.at("main"))
		b.is("head and base", got.HeadSHA+" "+got.BaseSHA, head+" "+base)
		b.is("when", got.Ended.IsZero(), false)
	}
	b.is("the head branch", b.at("head"), "")
	again, err := b.Forge.Merge(b.ctx, pr.Number, forge.MergeOptions{ExpectedHead: head, By: "bob"})
	if err != nil || again.EndedBy != "ada" || b.at("main") != c.Hash {
		b.Errorf("merged again: %+v, %v", again, err)
	}
	_, err = b.Forge.Merge(b.ctx, pr.Number, forge.MergeOptions{ExpectedHead: base})
	b.mustFail(err, forge.ErrNotOpen)
	_, err = b.Forge.Close(b.ctx, pr.Number, "ada", "")
	b.mustFail(err, forge.ErrNotOpen)
	b.push("head", "main", map[string]string{"a": "3"})
	if next := b.open("head"); next.Number <= pr.Number {
		b.Errorf("the next number is %d after %d", next.Number, pr.Number)
	}
}

func squash(b *bench) {
	base := b.at("main")
	b.push("head", "main", map[string]string{"a": "2"})
	head := b.push("head", "head", map[string]string{"b": "2"})
	pr := b.open("head")
	got, err := b.Forge.Merge(b.ctx, pr.Number, forge.MergeOptions{ExpectedHead: head, By: "ada", Method: forge.MethodSquash})
	if err != nil {
		b.Fatal(err)
	}
	c := b.files(map[string]string{"a": "2", "b": "2"})
	b.is("parents", c.Parents, []string{base})
	b.is("state", got.State, forge.StateMerged)
	b.is("merge commit", got.MergeCommit, c.Hash)
	if !strings.HasPrefix(c.Message, fmt.Sprintf("promote head (#%d)\n", pr.Number)) {
		b.Errorf("the message is %q", c.Message)
	}
}

func headMoved(b *bench) {
	old := b.push("head", "main", map[string]string{"a": "2"})
	pr := b.open("head")
	head := b.push("head", "main", map[string]string{"a": "3"})
	base := b.at("main")
	_, err := b.Forge.Merge(b.ctx, pr.Number, forge.MergeOptions{ExpectedHead: old})
	b.mustFail(err, forge.ErrHeadMoved)
	b.is("main", b.at("main"), base)
	b.is("the head", b.get(pr.Number).HeadSHA, head)
	b.is("the state", b.get(pr.Number).State, forge.StateOpen)
	if _, err := b.Forge.Merge(b.ctx, pr.Number, forge.MergeOptions{}); err == nil {
		b.Error("merged without saying what")
	}
	if _, err := b.Forge.Merge(b.ctx, pr.Number, forge.MergeOptions{ExpectedHead: head}); err != nil {
		b.Error(err)
	}
	b.files(map[string]string{"a": "3", "b": "1"})
}

func baseMoved(b *bench) {
	head := b.push("head", "main", map[string]string{"a": "2"})
	pr := b.open("head")
	moved := b.push("main", "main", map[string]string{"b": "2"})
	if got := b.get(pr.Number); got.BaseSHA != moved || got.Mergeable != forge.MergeClean {
		b.Errorf("it says %s at %s", got.Mergeable, got.BaseSHA)
	}
	if _, err := b.Forge.Merge(b.ctx, pr.Number, forge.MergeOptions{ExpectedHead: head}); err != nil {
		b.Fatal(err)
	}
	b.files(map[string]string{"a": "2", "b": "2"})
}

func conflict(b *bench) {
	head := b.push("head", "main", map[string]string{"a": "one\ntwo\n"})
	pr := b.open("head")
	base := b.push("main", "main", map[string]string{"a": "two\nthree\n"})
	b.is("mergeable", b.get(pr.Number).Mergeable, forge.MergeConflict)
	_, err := b.Forge.Merge(b.ctx, pr.Number, forge.MergeOptions{ExpectedHead: head})
	b.mustFail(err, forge.ErrConflict)
	b.is("main", b.at("main"), base)
	head = b.push("head", "main", map[string]string{"a": "one\ntwo\nthree\n"})
	b.is("mergeable", b.get(pr.Number).Mergeable, forge.MergeClean)
	if _, err := b.Forge.Merge(b.ctx, pr.Number, forge.MergeOptions{ExpectedHead: head}); err != nil {
		b.Error(err)
	}
}

func draft(b *bench) {
	head := b.push("head", "main", map[string]string{"a": "2"})
	pr := b.open("head", func(o *forge.Opening) { o.Draft = true })
	_, err := b.Forge.Merge(b.ctx, pr.Number, forge.MergeOptions{ExpectedHead: head})
	b.mustFail(err, forge.ErrDraft)
	b.is("state", b.get(pr.Number).State, forge.StateOpen)
}

func mergeAtOnce(b *bench) {
	want := map[string]string{"a": "1", "b": "1"}
	var prs []forge.PullRequest
	for i := range 4 {
		branch, file := fmt.Sprintf("head%d", i), fmt.Sprintf("file%d", i)
		b.push(branch, "main", map[string]string{file: "x"})
		prs = append(prs, b.open(branch))
		want[file] = "x"
	}
	var wg sync.WaitGroup
	for _, pr := range prs {
		wg.Go(func() {
			if _, err := b.Forge.Merge(b.ctx, pr.Number, forge.MergeOptions{ExpectedHead: pr.HeadSHA}); err != nil {
				b.Error(err)
			}
		})
	}
	wg.Wait()
	b.files(want)
}

func closing(b *bench) {
	head := b.push("head", "main", map[string]string{"a": "2"})
	pr := b.open("head")
	for _, who := range []string{"ada", "bob"} {
		got, err := b.Forge.Close(b.ctx, pr.Number, who, who+" says no")
		if err != nil {
			b.Fatal(err)
		}
		b.is("the end", fmt.Sprint(got.State, " by ", got.EndedBy, ": ", got.Reason), "closed by ada: ada says no")
	}
	b.is("the head branch", b.at("head"), head)
	_, err := b.Forge.Merge(b.ctx, pr.Number, forge.MergeOptions{ExpectedHead: head})
	b.mustFail(err, forge.ErrNotOpen)
	if next := b.open("head"); next.Number == pr.Number {
		b.Error("the closed one was opened again")
	}
	b.is("the closed one", b.get(pr.Number).State, forge.StateClosed)
}

func branchDeleted(b *bench) {
	head := b.push("head", "main", map[string]string{"a": "2"})
	pr := b.open("head")
	if err := gitsync.DeleteBranch(b.ctx, b.Source, "head", head); err != nil {
		b.Fatal(err)
	}
	b.is("state", b.get(pr.Number).State, forge.StateClosed)
}

func squashedByHand(b *bench) {
	b.push("head", "main", map[string]string{"a": "2"})
	pr := b.open("head")
	by := b.push("main", "main", map[string]string{"a": "2"})
	later := b.push("main", "main", map[string]string{"b": "2"})
	got := b.get(pr.Number)
	b.is("state", got.State, forge.StateMerged)
	b.is("merge commit", got.MergeCommit, by)
	b.is("main", b.at("main"), later)
}

func statuses(b *bench) {
	s, ok := b.Forge.(forge.Statuser)
	if !ok {
		b.Skip("the forge has no statuses")
	}
	head := b.push("head", "main", map[string]string{"a": "2"})
	pr := b.open("head")
	set := func(context string, state forge.StatusState, sha, description string) {
		b.Helper()
		if err := s.SetStatus(b.ctx, pr.Number, forge.Status{Context: context, State: state, SHA: sha, Description: description}); err != nil {
			b.Fatal(err)
		}
	}
	shown := func() string {
		var out []string
		for _, s := range b.get(pr.Number).Statuses {
			out = append(out, fmt.Sprintf("%s=%s", s.Context, s.State))
		}
		return strings.Join(out, " ")
	}
	set("pawl/staging/accurate", forge.StatusPending, head, "")
	set("pawl/staging/fast", forge.StatusFailure, head, strings.Repeat("ä", 200))
	set("pawl/staging/accurate", forge.StatusSuccess, head, "accuracy 0.97 > 0.95")
	b.is("the statuses", shown(), "pawl/staging/accurate=success pawl/staging/fast=failure")
	if n := len([]rune(b.get(pr.Number).Statuses[1].Description)); n != 140 {
		b.Errorf("a description has %d characters", n)
	}
	before := b.get(pr.Number).Updated
	set("pawl/staging/accurate", forge.StatusSuccess, head, "accuracy 0.97 > 0.95")
	b.is("the time after the same status", b.get(pr.Number).Updated, before)
	b.push("head", "main", map[string]string{"a": "3"})
	b.is("the statuses of a new head", shown(), "")
	b.mustFail(s.SetStatus(b.ctx, 99, forge.Status{Context: "x", State: forge.StatusError, SHA: head}), forge.ErrNotFound)
	if err := s.SetStatus(b.ctx, pr.Number, forge.Status{Context: "x", State: "great", SHA: head}); err == nil {
		b.Error("an unknown state was taken")
	}
}

func comments(b *bench) {
	c, ok := b.Forge.(forge.Commenter)
	if !ok {
		b.Skip("the forge takes no comments")
	}
	b.push("head", "main", map[string]string{"a": "2"})
	pr := b.open("head")
	put := func(key, author, body string) forge.Comment {
		b.Helper()
		got, err := c.PutComment(b.ctx, pr.Number, forge.Comment{Key: key, Author: author, Body: body})
		if err != nil {
			b.Fatal(err)
		}
		return got
	}
	first := put("state", "pawl", "proposed")
	put("", "ada", "nice")
	put("", "ada", "nice")
	put("state", "mallory", "deployed")
	if again := put("state", "pawl", "deployed"); again.ID != first.ID {
		b.Errorf("the comment was not rewritten: %d, %d", first.ID, again.ID)
	}
	var out []string
	for _, c := range b.get(pr.Number).Comments {
		out = append(out, c.Author+":"+c.Body)
	}
	b.is("the comments", out, "[pawl:deployed ada:nice ada:nice mallory:deployed]")
	_, err := c.PutComment(b.ctx, 99, forge.Comment{Body: "x"})
	b.mustFail(err, forge.ErrNotFound)
}

func diff(b *bench) {
	d, ok := b.Forge.(forge.Differ)
	if !ok {
		b.Skip("the forge shows no changes")
	}
	head := b.push("head", "main", map[string]string{"a": "2\n"})
	pr := b.open("head")
	b.push("main", "main", map[string]string{"b": "2\n"})
	want := func(when string) {
		b.Helper()
		got, err := d.Diff(b.ctx, pr.Number)
		if err != nil || len(got.Files) != 1 || got.Files[0].Path != "a" || !strings.Contains(got.String(), "+2\n") {
			b.Errorf("%s: %v, %v", when, got, err)
		}
	}
	want("while it is open")
	if _, err := b.Forge.Merge(b.ctx, pr.Number, forge.MergeOptions{ExpectedHead: head}); err != nil {
		b.Fatal(err)
	}
	want("after the merge")
	if _, err := d.Diff(b.ctx, 99); !errors.Is(err, forge.ErrNotFound) {
		b.Error(err)
	}
}
