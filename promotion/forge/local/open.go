package local

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/pawl-dev/pawl/gitsync"
	"github.com/pawl-dev/pawl/promotion/forge"
)

// List is forge.Forge's. It stores what it finds that git was used for meanwhile.
func (f *Forge) List(ctx context.Context, q forge.Query) ([]forge.PullRequest, error) {
	docs, err := f.cfg.Documents.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing pull requests: %w", err)
	}
	var out []forge.PullRequest
	for _, d := range docs {
		r, err := decode(d)
		if err != nil {
			return nil, err
		}
		if q.Head != "" && r.Head != q.Head || q.Base != "" && r.Base != q.Base {
			continue
		}
		if r, _, err = f.refresh(ctx, r, d.Version); err != nil {
			return nil, err
		}
		if q.State == "" || q.State == r.State {
			out = append(out, f.shown(r))
		}
	}
	return out, nil
}

// Get is forge.Forge's. It stores what it finds that git was used for meanwhile.
func (f *Forge) Get(ctx context.Context, number int) (forge.PullRequest, error) {
	r, _, err := f.load(ctx, number)
	if err != nil {
		return forge.PullRequest{}, err
	}
	return f.shown(r), nil
}

// Open is forge.Forge's.
func (f *Forge) Open(ctx context.Context, o forge.Opening) (forge.PullRequest, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	pr, err := f.open(ctx, o)
	if err != nil {
		return pr, fmt.Errorf("opening a pull request of %s to %s: %w", o.Head, o.Base, err)
	}
	return pr, nil
}

func (f *Forge) open(ctx context.Context, o forge.Opening) (forge.PullRequest, error) {
	if err := errors.Join(gitsync.CheckBranch(o.Head), gitsync.CheckBranch(o.Base)); err != nil {
		return forge.PullRequest{}, err
	}
	if o.Title == "" {
		return forge.PullRequest{}, errors.New("it has no title")
	}
	query := forge.Query{Head: o.Head, Base: o.Base, State: forge.StateOpen}
	if there, err := f.List(ctx, query); err != nil {
		return forge.PullRequest{}, err
	} else if len(there) > 0 {
		return there[0], fmt.Errorf("%w: %d", forge.ErrExists, there[0].Number)
	}
	var r record
	err := f.view(func(repo *gitsync.Repository) (err error) {
		r, err = f.prepare(ctx, repo, o)
		return err
	})
	if err != nil {
		return forge.PullRequest{}, err
	}
	number, err := f.cfg.Documents.NextNumber(ctx)
	if err != nil {
		return forge.PullRequest{}, err
	}
	r.Number = int(number)
	err = f.view(func(repo *gitsync.Repository) error { return keepHead(ctx, repo, r.Number, r.HeadSHA) })
	if err != nil {
		return forge.PullRequest{}, err
	}
	if err := f.save(ctx, r, 0); err != nil {
		return forge.PullRequest{}, err
	}
	return f.onlyOne(ctx, r.Number, query)
}

// prepare makes the record of a pull request that has no number yet.
func (f *Forge) prepare(ctx context.Context, repo *gitsync.Repository, o forge.Opening) (record, error) {
	now := f.now()
	pr := forge.PullRequest{Title: o.Title, Body: o.Body, Head: o.Head, Base: o.Base, State: forge.StateOpen,
		Draft: o.Draft, Author: o.Author, Labels: sortedLabels(o.Labels), Created: now}
	head, base, err := branches(repo, pr)
	switch {
	case err != nil:
		return record{}, err
	case head == "":
		return record{}, fmt.Errorf("%w: %s", forge.ErrNoBranch, o.Head)
	case base == "":
		return record{}, fmt.Errorf("%w: %s", forge.ErrNoBranch, o.Base)
	}
	pr.HeadSHA, pr.BaseSHA = head, base
	seen, err := look(ctx, repo, pr, head, base)
	if err != nil {
		return record{}, err
	}
	if seen.contained || seen.applied {
		return record{}, forge.ErrNoChange
	}
	return record{PullRequest: settle(pr, seen, now)}, nil
}

// onlyOne settles two processes that opened the same at the same moment: whoever
// looks last sees both, and closes the higher number.
func (f *Forge) onlyOne(ctx context.Context, number int, q forge.Query) (forge.PullRequest, error) {
	open, err := f.List(ctx, q)
	if err != nil {
		return forge.PullRequest{}, err
	}
	if len(open) == 0 { // merged or closed in the same breath
		return f.Get(ctx, number)
	}
	first := slices.MinFunc(open, func(a, b forge.PullRequest) int { return cmp.Compare(a.Number, b.Number) })
	for _, pr := range open {
		if pr.Number == first.Number {
			continue
		}
		_, err := f.changeLocked(ctx, pr.Number, func(r *record) (bool, error) {
			if r.State != forge.StateOpen {
				return false, nil
			}
			r.PullRequest = end(r.PullRequest, forge.StateClosed, "pawl", fmt.Sprintf("the same as pull request %d", first.Number), f.now())
			return true, nil
		})
		if err != nil {
			return forge.PullRequest{}, err
		}
	}
	if first.Number < number {
		return first, fmt.Errorf("%w: %d", forge.ErrExists, first.Number)
	}
	return first, nil
}

func sortedLabels(labels []string) []string {
	labels = slices.Clone(labels)
	slices.Sort(labels)
	return slices.Compact(labels)
}
