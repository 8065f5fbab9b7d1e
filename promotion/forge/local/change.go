package local

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pawl-dev/pawl/gitsync"
	"github.com/pawl-dev/pawl/promotion/forge"
)

// Update is forge.Forge's.
func (f *Forge) Update(ctx context.Context, number int, e forge.Edit) (forge.PullRequest, error) {
	if e.Title != nil && *e.Title == "" {
		return forge.PullRequest{}, fmt.Errorf("updating pull request %d: it has no title", number)
	}
	return f.change(ctx, number, func(r *record) (bool, error) {
		changed := set(&r.Title, e.Title)
		changed = set(&r.Body, e.Body) || changed
		changed = set(&r.Draft, e.Draft) || changed
		if e.Labels != nil {
			if labels := sortedLabels(*e.Labels); !slices.Equal(labels, r.Labels) {
				r.Labels, changed = labels, true
			}
		}
		return changed, nil
	})
}

func set[T comparable](to, from *T) bool {
	if from == nil || *to == *from {
		return false
	}
	*to = *from
	return true
}

// Close is forge.Forge's.
func (f *Forge) Close(ctx context.Context, number int, by, reason string) (forge.PullRequest, error) {
	return f.change(ctx, number, func(r *record) (bool, error) {
		switch r.State {
		case forge.StateMerged:
			return false, fmt.Errorf("closing pull request %d: %w: it is merged", number, forge.ErrNotOpen)
		case forge.StateClosed:
			return false, nil
		}
		r.PullRequest = end(r.PullRequest, forge.StateClosed, by, reason, f.now())
		return true, nil
	})
}

// SetStatus is forge.Statuser's.
func (f *Forge) SetStatus(ctx context.Context, number int, s forge.Status) error {
	switch s.State {
	case forge.StatusPending, forge.StatusSuccess, forge.StatusFailure, forge.StatusError:
	default:
		return fmt.Errorf("setting status %s of pull request %d: no such state: %q", s.Context, number, s.State)
	}
	if s.Context == "" || s.SHA == "" {
		return fmt.Errorf("setting a status of pull request %d: context and commit must be given", number)
	}
	if text := []rune(s.Description); len(text) > 140 {
		s.Description = string(text[:139]) + "…"
	}
	_, err := f.change(ctx, number, func(r *record) (bool, error) {
		i := slices.IndexFunc(r.AllStatuses, func(o forge.Status) bool { return o.Context == s.Context && o.SHA == s.SHA })
		if i >= 0 {
			s.Updated = r.AllStatuses[i].Updated
			if r.AllStatuses[i] == s {
				return false, nil
			}
			s.Updated = f.now()
			r.AllStatuses[i] = s
			return true, nil
		}
		s.Updated = f.now()
		r.AllStatuses = append(r.AllStatuses, s)
		if over := len(r.AllStatuses) - keptStatuses; over > 0 {
			r.AllStatuses = slices.Delete(r.AllStatuses, 0, over)
		}
		return true, nil
	})
	return err
}

// PutComment is forge.Commenter's.
func (f *Forge) PutComment(ctx context.Context, number int, c forge.Comment) (forge.Comment, error) {
	_, err := f.change(ctx, number, func(r *record) (bool, error) {
		now := f.now()
		for i, old := range r.Comments {
			if c.Key == "" || old.Key != c.Key || old.Author != c.Author {
				continue
			}
			if old.Body != c.Body {
				r.Comments[i].Body, r.Comments[i].Updated = c.Body, now
			}
			changed := old.Body != c.Body
			c = r.Comments[i]
			return changed, nil
		}
		c.ID, c.Created, c.Updated = len(r.Comments)+1, now, now
		r.Comments = append(r.Comments, c)
		return true, nil
	})
	return c, err
}

// Diff is forge.Differ's.
func (f *Forge) Diff(ctx context.Context, number int) (gitsync.Diff, error) {
	pr, err := f.Get(ctx, number)
	if err != nil {
		return gitsync.Diff{}, err
	}
	var d gitsync.Diff
	err = f.view(func(repo *gitsync.Repository) error {
		from, err := repo.MergeBases(ctx, pr.BaseSHA, pr.HeadSHA)
		if err != nil {
			return err
		}
		d, err = repo.Diff(ctx, strings.Join(from[:min(1, len(from))], ""), pr.HeadSHA)
		return err
	})
	if err != nil {
		return gitsync.Diff{}, fmt.Errorf("comparing the branches of pull request %d: %w", number, err)
	}
	return d, nil
}

// Merge is forge.Forge's.
func (f *Forge) Merge(ctx context.Context, number int, o forge.MergeOptions) (forge.PullRequest, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	pr, err := f.merge(ctx, number, o)
	if err != nil {
		return pr, fmt.Errorf("merging pull request %d: %w", number, err)
	}
	return pr, nil
}

func (f *Forge) merge(ctx context.Context, number int, o forge.MergeOptions) (forge.PullRequest, error) {
	if o.Method == "" {
		o.Method = forge.MethodMerge
	}
	if o.Method != forge.MethodMerge && o.Method != forge.MethodSquash {
		return forge.PullRequest{}, fmt.Errorf("%w: method %s; use merge or squash", forge.ErrUnsupported, o.Method)
	}
	if o.ExpectedHead == "" {
		return forge.PullRequest{}, errors.New("the commit to merge is not given")
	}
	r, _, err := f.load(ctx, number)
	if err != nil {
		return forge.PullRequest{}, err
	}
	if err := mayMerge(r.PullRequest, o); err != nil || r.State == forge.StateMerged {
		return f.shown(r), err
	}
	base, commit, err := f.mergeInto(ctx, r.PullRequest, o)
	if err != nil {
		return f.shown(r), err
	}
	if commit == "" { // another process, or a person, has just merged it
		pr, err := f.Get(ctx, number)
		return pr, errors.Join(err, mayMerge(pr, o))
	}
	pr, err := f.changeLocked(ctx, number, func(r *record) (bool, error) {
		// The look before this has found the merge in git already.
		r.PullRequest = end(r.PullRequest, forge.StateMerged, o.By, "", f.now())
		r.HeadSHA, r.BaseSHA, r.MergeCommit = o.ExpectedHead, base, commit
		return true, nil
	})
	if err != nil {
		return pr, err
	}
	// A branch that somebody pushed to meanwhile, has checked out or holds the lock
	// of, stays.
	err = f.view(func(repo *gitsync.Repository) error {
		if repo.CheckedOutAt(pr.Head) != "" {
			return nil
		}
		return repo.SetRef(ctx, "refs/heads/"+pr.Head, "", o.ExpectedHead)
	})
	if errors.Is(err, gitsync.ErrMoved) || errors.Is(err, gitsync.ErrLocked) {
		err = nil
	}
	return pr, err
}

// mayMerge is nil for what is merged at that head already.
func mayMerge(pr forge.PullRequest, o forge.MergeOptions) error {
	switch {
	case pr.State == forge.StateMerged && pr.HeadSHA == o.ExpectedHead:
		return nil
	case pr.State != forge.StateOpen:
		return fmt.Errorf("%w: it is %s", forge.ErrNotOpen, pr.State)
	case pr.Draft:
		return forge.ErrDraft
	case pr.HeadSHA != o.ExpectedHead:
		return fmt.Errorf("%w: it is at %s, not at %s", forge.ErrHeadMoved, pr.HeadSHA, o.ExpectedHead)
	}
	return nil
}

// mergeInto makes the commit and moves the base to it, again when somebody else
// has just moved the base. There is no commit when the base has it all.
func (f *Forge) mergeInto(ctx context.Context, pr forge.PullRequest, o forge.MergeOptions) (base, commit string, err error) {
	for {
		err := f.view(func(repo *gitsync.Repository) error {
			if tree := repo.CheckedOutAt(pr.Base); tree != "" {
				return fmt.Errorf("%w in %s: check out another branch there", gitsync.ErrCheckedOut, tree)
			}
			base, commit, err = f.mergeOnce(ctx, repo, pr, o)
			return err
		})
		if !errors.Is(err, gitsync.ErrMoved) || ctx.Err() != nil {
			return base, commit, err
		}
	}
}

func (f *Forge) mergeOnce(ctx context.Context, repo *gitsync.Repository, pr forge.PullRequest, o forge.MergeOptions) (base, commit string, err error) {
	if base, err = repo.Branch(pr.Base); err != nil {
		return "", "", err
	}
	if base == "" {
		return "", "", fmt.Errorf("%w: %s", forge.ErrNoBranch, pr.Base)
	}
	was, err := repo.Commit(base)
	if err != nil {
		return "", "", err
	}
	tree, conflicts, err := mergedTree(ctx, repo, repo.MergeTrees, o.ExpectedHead, base)
	switch {
	case err != nil:
		return "", "", err
	case len(conflicts) > 0:
		return "", "", &forge.ConflictError{Number: pr.Number, Paths: conflicts}
	case tree == was.Tree:
		return base, "", nil
	}
	if commit, err = f.write(repo, pr, o, tree, base); err != nil {
		return "", "", err
	}
	return base, commit, repo.SetRef(ctx, "refs/heads/"+pr.Base, commit, base)
}

func (f *Forge) write(repo *gitsync.Repository, pr forge.PullRequest, o forge.MergeOptions, tree, base string) (string, error) {
	head, err := repo.Commit(o.ExpectedHead)
	if err != nil {
		return "", err
	}
	committer := f.cfg.Committer
	committer.Time = f.now()
	c := gitsync.Commit{Tree: tree, Author: committer, Committer: committer, Message: o.Message}
	if o.By != "" && !strings.ContainsAny(o.By, "<>\n\x00") {
		c.Author.Name = o.By
	}
	if o.Method == forge.MethodMerge {
		c.Parents = []string{base, o.ExpectedHead}
		if c.Message == "" {
			c.Message = fmt.Sprintf("Merge pull request #%d from %s\n\n%s", pr.Number, pr.Head, pr.Title)
		}
		return repo.WriteCommit(c)
	}
	c.Parents = []string{base}
	c.Author = head.Author
	if c.Message == "" {
		// The rest of the head's message holds the trailers, which say where the
		// model comes from.
		_, rest, _ := strings.Cut(head.Message, "\n")
		c.Message = fmt.Sprintf("%s (#%d)\n%s", pr.Title, pr.Number, rest)
	}
	return repo.WriteCommit(c)
}
