package promotion

import (
	"slices"
	"strings"
	"testing"

	"github.com/pawl-dev/pawl/promotion/forge"
)

func TestObserve(t *testing.T) {
	me := Identity{Account: "pawl", Email: "pawl@localhost"}
	a, b := digestOf("a"), digestOf("b")
	commit := strings.Repeat("0", 40)
	ours := forge.Commit{AuthorEmail: me.Email, CommitterEmail: me.Email}
	request := func(number int, state forge.State, digest string, change ...func(*forge.PullRequest)) forge.PullRequest {
		pr := forge.PullRequest{
			Number: number, State: state, Head: place.Branch(), Base: "main", Author: "pawl", Commits: []forge.Commit{ours},
			Body: Marker{Key: place.Key(), Digest: digest, Base: commit}.String() + "\ntext",
		}
		for _, c := range change {
			c(&pr)
		}
		return pr
	}
	by := func(who string) func(*forge.PullRequest) { return func(pr *forge.PullRequest) { pr.EndedBy = who } }

	for name, tc := range map[string]struct {
		all        []forge.PullRequest
		moved      bool
		open       *OpenPullRequest
		duplicates []int
		rejected   []string
	}{
		"none": {},
		"one open": {
			all: []forge.PullRequest{request(1, forge.StateOpen, a)}, open: &OpenPullRequest{Number: 1, Digest: a}},
		"B6 of two open the lower number stays": {
			all:  []forge.PullRequest{request(1, forge.StateOpen, a), request(2, forge.StateOpen, a)},
			open: &OpenPullRequest{Number: 1, Digest: a}, duplicates: []int{2}},
		"B9 a person closed it: rejected": {
			all: []forge.PullRequest{request(1, forge.StateClosed, a, by("ann"))}, rejected: []string{a}},
		"B9 its branch was deleted by git: rejected": {
			all: []forge.PullRequest{request(1, forge.StateClosed, a, by(forge.ByGit))}, rejected: []string{a}},
		"B9 pawl closed it: not rejected": {
			all: []forge.PullRequest{request(1, forge.StateClosed, a, by("pawl"))}},
		"B9 closed, then merged after all: not rejected": {
			all: []forge.PullRequest{request(1, forge.StateClosed, a, by("ann")), request(2, forge.StateMerged, a)}},
		"B9 merged once, closed later: rejected": {
			all: []forge.PullRequest{request(1, forge.StateMerged, a), request(2, forge.StateClosed, a, by("ann"))}, rejected: []string{a}},
		"an older one rejected, a newer one open": {
			all:  []forge.PullRequest{request(1, forge.StateClosed, a, by("ann")), request(2, forge.StateOpen, b)},
			open: &OpenPullRequest{Number: 2, Digest: b}, rejected: []string{a}},
		"B3 the stage's files moved": {
			all: []forge.PullRequest{request(1, forge.StateOpen, a)}, moved: true, open: &OpenPullRequest{Number: 1, Digest: a, Stale: true}},
		"B3 the forge says that it conflicts": {
			all:  []forge.PullRequest{request(1, forge.StateOpen, a, func(pr *forge.PullRequest) { pr.Mergeable = forge.MergeConflict })},
			open: &OpenPullRequest{Number: 1, Digest: a, Stale: true}},
		"B11 somebody committed to the branch": {
			all: []forge.PullRequest{request(1, forge.StateOpen, a, func(pr *forge.PullRequest) {
				pr.Commits = append(pr.Commits, forge.Commit{AuthorEmail: "ann@x", CommitterEmail: "ann@x"})
			})},
			open: &OpenPullRequest{Number: 1, Digest: a, Foreign: true}},
		"somebody else's pull request from our branch, with a forged marker": {
			all:  []forge.PullRequest{request(1, forge.StateOpen, a, func(pr *forge.PullRequest) { pr.Author = "eve" })},
			open: &OpenPullRequest{Number: 1, Foreign: true}},
		"a closed one of somebody else rejects nothing": {
			all: []forge.PullRequest{request(1, forge.StateClosed, a, by("eve"), func(pr *forge.PullRequest) { pr.Author = "eve" })}},
		"a marker of another place": {
			all: []forge.PullRequest{request(1, forge.StateOpen, a, func(pr *forge.PullRequest) {
				pr.Body = strings.Replace(pr.Body, place.Key(), strings.Repeat("1", 64), 1)
			})},
			open: &OpenPullRequest{Number: 1, Foreign: true}},
		"another branch, another base": {
			all: []forge.PullRequest{
				request(1, forge.StateOpen, a, func(pr *forge.PullRequest) { pr.Head = "feature" }),
				request(2, forge.StateClosed, a, by("ann"), func(pr *forge.PullRequest) { pr.Base = "next" }),
			}},
	} {
		t.Run(name, func(t *testing.T) {
			got := Observe(place, me, tc.all, func(base string) bool { return tc.moved && base == commit })
			if (got.Open == nil) != (tc.open == nil) || got.Open != nil && *got.Open != *tc.open {
				t.Errorf("open is %+v, want %+v", got.Open, tc.open)
			}
			if !slices.Equal(got.Duplicates, tc.duplicates) || !slices.Equal(sorted(got.Rejected), tc.rejected) {
				t.Errorf("duplicates %v, rejected %v; want %v, %v", got.Duplicates, got.Rejected, tc.duplicates, tc.rejected)
			}
		})
	}
}
