package local

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pawl-dev/pawl/gitsync"
	"github.com/pawl-dev/pawl/promotion/forge"
)

// shownCommits bounds PullRequest.Commits.
const shownCommits = 50

// searched bounds how far back in the base the commit is looked for that brought
// the changes of a merge made with plain git.
const searched = 1000

// facts are what git says of an open pull request.
type facts struct {
	head, base string // "" = the branch does not exist
	// contained: the base has the head, or the last known one, in its history.
	contained bool
	// reset: the head branch was moved back onto the base; what it held is not there.
	reset bool
	// applied: the base has all changes, by a squash or otherwise.
	applied bool
	// arrival is the commit of the base that brought the changes.
	arrival   gitsync.Commit
	conflicts []string
	commits   []gitsync.Commit
}

// refresh brings an open pull request up to what git says, and stores it if that
// is news. Whoever stores first wins; the news are the same for all.
func (f *Forge) refresh(ctx context.Context, r record, version int64) (record, int64, error) {
	if r.State != forge.StateOpen {
		return r, version, nil
	}
	var seen facts
	news := false
	err := f.view(func(repo *gitsync.Repository) error {
		head, base, err := branches(repo, r.PullRequest)
		if news = head != r.HeadSHA || base != r.BaseSHA; err != nil || !news {
			return err
		}
		if seen, err = look(ctx, repo, r.PullRequest, head, base); err != nil || head == "" {
			return err
		}
		return keepHead(ctx, repo, r.Number, head)
	})
	if err != nil {
		return r, version, fmt.Errorf("looking at pull request %d: %w", r.Number, err)
	}
	if !news {
		return r, version, nil
	}
	r.PullRequest = settle(r.PullRequest, seen, f.now())
	err = f.save(ctx, r, version)
	if errors.Is(err, ErrChanged) {
		return f.load(ctx, r.Number)
	}
	return r, version + 1, err
}

func branches(repo *gitsync.Repository, pr forge.PullRequest) (head, base string, err error) {
	if head, err = repo.Branch(pr.Head); err == nil {
		base, err = repo.Branch(pr.Base)
	}
	return head, base, err
}

// keepHead makes refs/pull/N/head follow the head branch.
func keepHead(ctx context.Context, repo *gitsync.Repository, number int, to string) error {
	ref := fmt.Sprintf("refs/pull/%d/head", number)
	for {
		at, err := repo.Ref(ref)
		if err != nil || at == to {
			return err
		}
		if err = repo.SetRef(ctx, ref, to, at); !errors.Is(err, gitsync.ErrMoved) || ctx.Err() != nil {
			return err
		}
	}
}

func look(ctx context.Context, repo *gitsync.Repository, pr forge.PullRequest, head, base string) (facts, error) {
	seen := facts{head: head, base: base}
	if base == "" {
		return seen, nil
	}
	tip := head
	if tip == "" {
		tip = pr.HeadSHA
	}
	var err error
	if seen.contained, err = repo.IsAncestor(ctx, tip, base); err != nil {
		return seen, err
	}
	if seen.contained && tip != pr.HeadSHA {
		if seen.reset, err = wasReset(ctx, repo, pr, tip, base); err != nil {
			return seen, err
		}
	}
	if !seen.contained {
		if seen.applied, seen.conflicts, err = compare(ctx, repo, tip, base); err != nil {
			return seen, err
		}
	}
	if seen.contained && !seen.reset || seen.applied {
		seen.arrival, err = arrival(ctx, repo, pr, tip, base)
	} else {
		seen.commits, err = repo.Commits(ctx, tip, base, shownCommits)
	}
	return seen, err
}

// wasReset tells a head that was moved back onto the base's own line from one
// that got new commits and was merged since the last look.
func wasReset(ctx context.Context, repo *gitsync.Repository, pr forge.PullRequest, tip, base string) (bool, error) {
	if in, err := repo.IsAncestor(ctx, pr.HeadSHA, base); err != nil || in {
		return false, err
	}
	if applied, _, err := compare(ctx, repo, pr.HeadSHA, base); err != nil || applied {
		return false, err
	}
	line, err := repo.FirstParents(ctx, base, "", searched)
	if err != nil {
		return false, err
	}
	for _, c := range line {
		if c.Hash == tip {
			return true, nil
		}
	}
	return false, nil
}

// compare merges in memory: whether that would change the base at all, and what
// is in the way. With several merge bases all must agree on the result.
func compare(ctx context.Context, repo *gitsync.Repository, head, base string) (applied bool, conflicts []string, err error) {
	tree, conflicts, err := mergedTree(ctx, repo, repo.TryMerge, head, base)
	if err != nil || len(conflicts) > 0 {
		return false, conflicts, err
	}
	c, err := repo.Commit(base)
	return tree == c.Tree, nil, err
}

// mergeFunc is Repository.MergeTrees or TryMerge.
type mergeFunc func(ctx context.Context, base, ours, theirs string) (tree string, conflicts []string, err error)

func mergedTree(ctx context.Context, repo *gitsync.Repository, merge mergeFunc, head, base string) (tree string, conflicts []string, err error) {
	bases, err := repo.MergeBases(ctx, base, head)
	if err != nil {
		return "", nil, err
	}
	if len(bases) == 0 {
		bases = []string{""}
	}
	for i, from := range bases {
		got, conflicts, err := merge(ctx, from, base, head)
		if err != nil || len(conflicts) > 0 {
			return "", conflicts, err
		}
		if i > 0 && got != tree {
			return "", []string{"(the branches were merged into each other in different ways)"}, nil
		}
		tree = got
	}
	return tree, nil, nil
}

// arrival is the oldest commit on the base's own line since the last look that
// has the head in its history or, after a squash, its changes in its tree.
func arrival(ctx context.Context, repo *gitsync.Repository, pr forge.PullRequest, tip, base string) (gitsync.Commit, error) {
	line, err := repo.FirstParents(ctx, base, pr.BaseSHA, searched)
	if err != nil {
		return gitsync.Commit{}, err
	}
	found, err := repo.Commit(base)
	if err != nil {
		return gitsync.Commit{}, err
	}
	for _, c := range line {
		has, err := repo.IsAncestor(ctx, tip, c.Hash)
		if err == nil && !has {
			has, _, err = compare(ctx, repo, tip, c.Hash)
		}
		if err != nil {
			return gitsync.Commit{}, err
		}
		if !has {
			break
		}
		found = c
	}
	return found, nil
}

// settle says what has become of an open pull request. It is pure.
func settle(pr forge.PullRequest, seen facts, now time.Time) forge.PullRequest {
	pr.Updated = now
	switch {
	case seen.base == "":
		return end(pr, forge.StateClosed, forge.ByGit, "the base branch was deleted", now)
	case seen.contained && !seen.reset, seen.applied:
		if seen.head != "" {
			pr.HeadSHA = seen.head
		}
		pr.MergeCommit = seen.arrival.Hash
		return end(pr, forge.StateMerged, mergedBy(pr, seen.arrival), "", now)
	case seen.head == "":
		return end(pr, forge.StateClosed, forge.ByGit, "the head branch was deleted", now)
	case seen.reset:
		return end(pr, forge.StateClosed, forge.ByGit, "the head branch was set back to the base", now)
	}
	pr.HeadSHA, pr.BaseSHA = seen.head, seen.base
	pr.Mergeable, pr.Conflicts = forge.MergeClean, seen.conflicts
	if len(seen.conflicts) > 0 {
		pr.Mergeable = forge.MergeConflict
	}
	pr.Commits = nil
	for _, c := range seen.commits {
		subject, _, _ := strings.Cut(c.Message, "\n")
		pr.Commits = append(pr.Commits, forge.Commit{SHA: c.Hash, Subject: subject, Author: c.Author.Name,
			AuthorEmail: c.Author.Email, Committer: c.Committer.Name, CommitterEmail: c.Committer.Email})
	}
	return pr
}

// mergedBy is the author of the merge. A fast-forward has none: who wrote the
// head did not merge it.
func mergedBy(pr forge.PullRequest, c gitsync.Commit) string {
	if c.Hash == pr.HeadSHA || c.Author.Name == "" {
		return forge.ByGit
	}
	return c.Author.Name
}

func end(pr forge.PullRequest, state forge.State, by, reason string, now time.Time) forge.PullRequest {
	pr.State, pr.EndedBy, pr.Reason, pr.Ended, pr.Updated = state, by, reason, now, now
	pr.Mergeable, pr.Conflicts = "", nil
	return pr
}
