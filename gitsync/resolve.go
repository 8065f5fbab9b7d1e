package gitsync

import (
	"context"
	"errors"
	"strings"
	"time"
)

// resolveTimeout is a hard end to asking a remote for its references.
const resolveTimeout = 30 * time.Second

// Resolve says which commit the source is at, by one look at the repository's
// references. A whole commit hash is returned as it is; whether a remote
// repository has it shows when it is fetched.
func Resolve(ctx context.Context, src Source) (Revision, error) {
	at, err := src.locate()
	if err != nil {
		return Revision{}, err
	}
	if at.url != nil {
		ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
		defer cancel()
		remote, err := dial(ctx, src)
		if err != nil {
			return Revision{}, err
		}
		return remote.refs.pick(src)
	}
	repo, err := OpenRepository(at.path)
	if err != nil {
		return Revision{}, err
	}
	return repo.resolve(src)
}

func (r *Repository) resolve(src Source) (Revision, error) {
	rev, err := r.fastRefs(src.Revision).pick(src)
	if errors.Is(err, ErrNoRevision) || errors.Is(err, ErrEmpty) {
		all, listErr := r.allRefs()
		if listErr != nil {
			return Revision{}, listErr
		}
		rev, err = all.pick(src)
	}
	if err != nil {
		return Revision{}, err
	}
	if strings.HasPrefix(rev.Ref, "refs/heads/") {
		return rev, nil // a branch is at a commit; opening the object store would cost more than all else
	}
	commit, err := r.peel(rev.Commit)
	if errors.Is(err, ErrNoObject) {
		return Revision{}, &SourceError{URL: redact(src.URL), Reason: ErrNoRevision, Detail: "no commit " + rev.Commit}
	}
	if err != nil {
		return Revision{}, err
	}
	rev.Commit = commit
	return rev, nil
}
