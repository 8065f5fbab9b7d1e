package gitsync

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

// pushLimit bounds what is fetched to build a change on.
const pushLimit = 2 << 30

// Change is a commit to be made: some files of Base, changed.
type Change struct {
	// Base is the commit that the change is made on, its only parent. Empty: the
	// first commit of a repository.
	Base string
	// Branch is the branch to put it on, without refs/heads/.
	Branch string
	// Files are the paths that change. All others stay as they are in Base.
	Files   map[string]File
	Message string
	// Author and Committer need a name and a time; the same Change made twice is
	// the same commit. Committer may be left out.
	Author, Committer Identity
}

// Push makes the commit and moves its branch to it from expect, the commit that
// the branch is at, "" when it must not exist. A branch that is at the new
// commit already is a success too, so a push may be repeated. The error is
// ErrMoved when the branch is elsewhere, ErrNoChange when the files are in Base
// as the Change would make them, ErrCheckedOut when the branch is checked out.
//
// In a repository on this machine objects and references are written directly:
// none of its hooks is run. A remote repository runs its own.
func Push(ctx context.Context, target Source, ch Change, expect string) (string, error) {
	plan, err := planEdits(ch.Files)
	if err == nil {
		err = CheckBranch(ch.Branch)
	}
	var at place
	if err == nil {
		at, err = target.locate()
	}
	var commit string
	if err == nil && at.url == nil {
		commit, err = pushLocal(ctx, at.path, ch, plan, expect)
	} else if err == nil {
		commit, err = pushRemote(ctx, target, ch, plan, expect)
	}
	if err != nil {
		return "", fmt.Errorf("pushing branch %s to %s: %w", ch.Branch, redact(target.URL), err)
	}
	return commit, nil
}

// DeleteBranch removes a branch that is at expect. One that does not exist is a success.
func DeleteBranch(ctx context.Context, target Source, branch, expect string) error {
	at, err := target.locate()
	if err == nil {
		err = CheckBranch(branch)
	}
	if err == nil && at.url == nil {
		err = moveLocal(ctx, at.path, branch, "", expect)
	} else if err == nil {
		err = sendRef(ctx, target, branch, "", expect, nil)
	}
	if err != nil {
		return fmt.Errorf("deleting branch %s of %s: %w", branch, redact(target.URL), err)
	}
	return nil
}

func pushLocal(ctx context.Context, dir string, ch Change, plan *edits, expect string) (commit string, err error) {
	err = View(dir, func(r *Repository) error {
		commit, err = r.writer().commitChange(ctx, ch, plan)
		return err
	})
	if err != nil {
		return "", err
	}
	return commit, moveLocal(ctx, dir, ch.Branch, commit, expect)
}

func moveLocal(ctx context.Context, dir, branch, to, from string) error {
	r, err := OpenRepository(dir)
	if err != nil {
		return err
	}
	ref := "refs/heads/" + branch
	if tree := r.CheckedOutAt(branch); tree != "" {
		return fmt.Errorf("%w in %s: push to a bare repository, or check out another branch there", ErrCheckedOut, tree)
	}
	if err = r.SetRef(ctx, ref, to, from); errors.Is(err, ErrMoved) {
		if at, readErr := r.Ref(ref); readErr == nil && at == to {
			return nil
		}
	}
	return err
}

// commitChange stores the commit with what is new in it.
func (w *writer) commitChange(ctx context.Context, ch Change, plan *edits) (string, error) {
	var tree plumbing.Hash
	var parents []string
	if ch.Base != "" {
		base, err := object.GetCommit(w.store, plumbing.NewHash(ch.Base))
		if err != nil {
			return "", fmt.Errorf("reading the base commit %s: %w", ch.Base, err)
		}
		tree, parents = base.TreeHash, []string{ch.Base}
	}
	edited, err := w.editTree(ctx, tree, plan, "")
	if err != nil {
		return "", err
	}
	if edited == plumbing.ZeroHash {
		if edited, err = w.putTree(nil); err != nil {
			return "", err
		}
	}
	if edited == tree {
		return "", ErrNoChange
	}
	return w.putCommit(Commit{Tree: edited.String(), Parents: parents, Author: ch.Author, Committer: ch.Committer, Message: ch.Message})
}

func pushRemote(ctx context.Context, target Source, ch Change, plan *edits, expect string) (string, error) {
	dir, err := os.MkdirTemp("", "pawl-push-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	store := filesystem.NewStorageWithOptions(osfs.New(dir, osfs.WithBoundOS()), cache.NewObjectLRU(32<<20),
		filesystem.Options{LargeObjectThreshold: largeObject})
	if ch.Base != "" {
		far, err := dial(ctx, target)
		if err != nil {
			return "", err
		}
		if err := far.fetch(ctx, store, Revision{Commit: ch.Base}, pushLimit); err != nil {
			return "", err
		}
	}
	w := &writer{store: store}
	commit, err := w.commitChange(ctx, ch, plan)
	if err != nil {
		return "", err
	}
	var pack bytes.Buffer
	if _, err := packfile.NewEncoder(&pack, store, false).Encode(unique(w.made), 0); err != nil {
		return "", fmt.Errorf("packing the commit: %w", err)
	}
	return commit, sendRef(ctx, target, ch.Branch, commit, expect, &pack)
}

// sendRef asks a remote to move a branch. The old value goes with the request,
// so it is the remote that compares and sets.
func sendRef(ctx context.Context, target Source, branch, to, from string, pack io.Reader) error {
	client, endpoint, err := connect(target)
	if err != nil {
		return err
	}
	session, err := client.NewReceivePackSession(endpoint, nil)
	if err != nil {
		return remoteError(target, err)
	}
	adv, err := session.AdvertisedReferencesContext(ctx)
	if err != nil && !errors.Is(err, transport.ErrEmptyRemoteRepository) {
		return remoteError(target, err)
	}
	ref := "refs/heads/" + branch
	var at string
	caps := capability.NewList()
	if adv != nil {
		caps = adv.Capabilities
		if hash, ok := adv.References[ref]; ok {
			at = hash.String()
		}
	}
	if at == to {
		return nil
	}
	if at != from {
		return &MovedError{Ref: ref, Expected: from, Actual: at}
	}
	req := packp.NewReferenceUpdateRequestFromCapabilities(caps)
	req.Commands = []*packp.Command{{Name: plumbing.ReferenceName(ref), Old: hashOrZero(from), New: hashOrZero(to)}}
	if pack != nil {
		req.Packfile = io.NopCloser(pack)
	} else if err := req.Capabilities.Set(capability.DeleteRefs); err != nil {
		return err
	}
	report, err := session.ReceivePack(ctx, req)
	if err == nil {
		return nil
	}
	return refusal(ctx, target, ref, from, to, report, err)
}

func hashOrZero(hash string) plumbing.Hash { return plumbing.NewHash(hash) }

// refusal tells a lost race from a server that does not want the push.
func refusal(ctx context.Context, target Source, ref, from, to string, report *packp.ReportStatus, err error) error {
	if report == nil {
		return remoteError(target, err)
	}
	far, dialErr := dial(ctx, target)
	if dialErr == nil {
		switch at := far.refs.hashes[ref]; at {
		case to:
			return nil
		case from:
		default:
			return &MovedError{Ref: ref, Expected: from, Actual: at}
		}
	}
	return &SourceError{URL: redact(target.URL), Reason: ErrAuth, Detail: "it did not take the push", Cause: err,
		Hint: "a hook or a rule that protects the branch may say no"}
}
