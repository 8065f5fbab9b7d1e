package gitsync

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

// remote is a conversation with a repository over http: its references were
// read, and commits can be fetched.
type remote struct {
	src     Source
	session transport.UploadPackSession
	caps    *capability.List
	refs    refs
}

func dial(ctx context.Context, src Source) (*remote, error) {
	client, endpoint, err := connect(src)
	if err != nil {
		return nil, err
	}
	session, err := client.NewUploadPackSession(endpoint, nil)
	if err != nil {
		return nil, remoteError(src, err)
	}
	adv, err := session.AdvertisedReferencesContext(ctx)
	if errors.Is(err, transport.ErrEmptyRemoteRepository) {
		return &remote{src: src, session: session, caps: capability.NewList()}, nil
	}
	if err != nil {
		return nil, remoteError(src, err)
	}
	return &remote{src: src, session: session, caps: adv.Capabilities, refs: advertised(adv)}, nil
}

func connect(src Source) (transport.Transport, *transport.Endpoint, error) {
	endpoint, err := transport.NewEndpoint(src.URL)
	if err != nil {
		return nil, nil, &SourceError{URL: redact(src.URL), Reason: ErrNotFound, Detail: "the URL cannot be read"}
	}
	tr := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		ForceAttemptHTTP2:     true,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: time.Minute,
		DisableKeepAlives:     true, // one conversation, then nothing of it is left
	}
	return githttp.NewClient(&http.Client{Transport: tr}), endpoint, nil
}

func advertised(adv *packp.AdvRefs) refs {
	r := refs{hashes: map[string]string{}, peeled: map[string]string{}}
	for name, hash := range adv.References {
		r.hashes[name] = hash.String()
	}
	for name, hash := range adv.Peeled {
		r.peeled[name] = hash.String()
	}
	for _, pair := range adv.Capabilities.Get(capability.SymRef) {
		if target, ok := strings.CutPrefix(pair, "HEAD:"); ok {
			r.head = target
		}
	}
	if r.head == "" && adv.Head != nil {
		r.detach = adv.Head.String()
	}
	return r
}

// remoteError says in words what a server's answer means.
func remoteError(src Source, err error) error {
	e := &SourceError{URL: redact(src.URL), Reason: ErrUnreachable, Cause: scrub(src, err)}
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, context.DeadlineExceeded):
		e.Detail = "it did not answer in time"
	case errors.Is(err, transport.ErrAuthenticationRequired):
		e.Reason, e.Cause, e.Hint = ErrAuth, nil, "it wants credentials, or it does not exist and the server does not tell"
	case errors.Is(err, transport.ErrAuthorizationFailed):
		e.Reason, e.Cause, e.Hint = ErrAuth, nil, "the credentials are wrong or not enough"
	case errors.Is(err, transport.ErrRepositoryNotFound):
		e.Reason, e.Cause, e.Hint = ErrNotFound, nil, "check the URL"
	}
	return e
}

// scrub takes the credentials of the URL out of an error's text: a token may be
// where net/http expects a user name, which it prints.
func scrub(src Source, err error) error {
	u, parseErr := url.Parse(src.URL)
	if parseErr != nil || u.User == nil {
		return err
	}
	text := err.Error()
	password, _ := u.User.Password()
	for _, secret := range []string{u.User.String(), u.User.Username(), password} {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	return &scrubbed{text, err}
}

type scrubbed struct {
	text string
	err  error
}

func (s *scrubbed) Error() string { return s.text }
func (s *scrubbed) Unwrap() error { return s.err }

// fetch puts one commit with its files, and as little else as the server
// allows, into store: the commit alone where it can be asked for, its reference
// at depth 1, and only then the whole history.
func (r *remote) fetch(ctx context.Context, store *filesystem.Storage, rev Revision, most int64) error {
	want := plumbing.NewHash(rev.Commit)
	tip := false
	for name, hash := range r.refs.hashes {
		if hash == rev.Commit || r.refs.peeled[name] == rev.Commit {
			tip = true
			if peeled := r.refs.peeled[name]; peeled == rev.Commit {
				want = plumbing.NewHash(hash)
			} else {
				want = plumbing.NewHash(rev.Commit)
				break
			}
		}
	}
	byHash := r.caps.Supports("allow-reachable-sha1-in-want") || r.caps.Supports("allow-any-sha1-in-want")
	if tip || byHash {
		err := r.request(ctx, store, []plumbing.Hash{want}, 1, most)
		if err == nil || tip {
			return err
		}
	}
	var all []plumbing.Hash
	for name, hash := range r.refs.hashes {
		if rev.Ref == "" || rev.Ref == name {
			all = append(all, plumbing.NewHash(hash))
		}
	}
	if len(all) == 0 {
		return r.gone(rev)
	}
	if err := r.request(ctx, store, all, 0, most); err != nil {
		return err
	}
	if store.HasEncodedObject(plumbing.NewHash(rev.Commit)) != nil {
		return r.gone(rev)
	}
	return nil
}

func (r *remote) gone(rev Revision) error {
	return &SourceError{URL: redact(r.src.URL), Reason: ErrNoRevision, Detail: "commit " + rev.Commit + " is not there",
		Hint: "it may have been replaced by a force push, or no branch leads to it"}
}

func (r *remote) request(ctx context.Context, store *filesystem.Storage, wants []plumbing.Hash, depth int, most int64) error {
	req := packp.NewUploadPackRequestFromCapabilities(r.caps)
	req.Wants = wants
	if depth > 0 && r.caps.Supports(capability.Shallow) {
		req.Depth = packp.DepthCommits(depth)
		if err := req.Capabilities.Set(capability.Shallow); err != nil {
			return fmt.Errorf("asking %s for a shallow pack: %w", redact(r.src.URL), err)
		}
	}
	if r.caps.Supports(capability.NoProgress) {
		_ = req.Capabilities.Set(capability.NoProgress)
	}
	res, err := r.session.UploadPack(ctx, req)
	if err != nil {
		return remoteError(r.src, err)
	}
	defer res.Close()
	var pack io.Reader = res
	switch {
	case req.Capabilities.Supports(capability.Sideband64k):
		pack = sideband.NewDemuxer(sideband.Sideband64k, res)
	case req.Capabilities.Supports(capability.Sideband):
		pack = sideband.NewDemuxer(sideband.Sideband, res)
	}
	limited := &limitReader{r: pack, left: most}
	if err := packfile.UpdateObjectStorage(store, limited); err != nil {
		if limited.left < 0 {
			return &SourceError{URL: redact(r.src.URL), Reason: ErrRefused,
				Detail: fmt.Sprintf("the commit's pack is larger than %d bytes", most)}
		}
		return remoteError(r.src, err)
	}
	return nil
}

// limitReader fails, instead of ending, where the limit is passed.
type limitReader struct {
	r    io.Reader
	left int64
}

func (l *limitReader) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, errors.New("limit passed")
	}
	return n, err
}
