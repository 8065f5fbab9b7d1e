package gitsync

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Source is a repository and what to follow in it.
type Source struct {
	// URL is https://, http://, file:// or the path of a repository on this
	// machine, bare or checked out. A user and password in an https URL are used.
	URL string
	// Revision is a branch, a tag, a full reference (refs/…) or a whole commit
	// hash. A branch is preferred to a tag of the same name. Empty: the branch
	// that the repository's HEAD names.
	Revision string
}

// Revision is what a Source is at.
type Revision struct {
	Commit string
	// Ref is the full reference that was resolved; empty when a commit was asked for.
	Ref string
}

// String is the URL without credentials and the revision.
func (s Source) String() string {
	if s.Revision == "" {
		return redact(s.URL)
	}
	return redact(s.URL) + "@" + s.Revision
}

// place is where a Source's repository is: a folder or an http URL.
type place struct {
	path string   // set for a repository on this machine
	url  *url.URL // set otherwise
}

var (
	scpLike  = regexp.MustCompile(`^([^/@:]+@)?[^/:]+:.+`)
	hexWhole = regexp.MustCompile(`^[0-9a-f]{40}$`)
	hexShort = regexp.MustCompile(`^[0-9a-f]{4,39}$`)
)

// locate tells local from remote without touching either, except to see whether
// something that looks like host:path is a folder.
func (s Source) locate() (place, error) {
	if s.URL == "" {
		return place{}, &SourceError{URL: `""`, Reason: ErrNotFound, Hint: "give the URL or the path of a git repository"}
	}
	scheme, rest, ok := strings.Cut(s.URL, "://")
	if !ok {
		if _, err := os.Stat(s.URL); err != nil && scpLike.MatchString(s.URL) {
			return place{}, s.unsupported("ssh")
		}
		return localPlace(s.URL)
	}
	switch scheme {
	case "file":
		path, err := url.PathUnescape(rest)
		if err != nil || !strings.HasPrefix(path, "/") {
			return place{}, &SourceError{URL: s.URL, Reason: ErrNotFound, Hint: "a file URL is file:///absolute/path"}
		}
		return localPlace(path)
	case "http", "https":
		return s.remotePlace()
	}
	return place{}, s.unsupported(scheme)
}

func localPlace(path string) (place, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return place{}, fmt.Errorf("finding repository %s: %w", path, err)
	}
	return place{path: abs}, nil
}

func (s Source) remotePlace() (place, error) {
	u, err := url.Parse(s.URL)
	if err != nil || u.Host == "" {
		return place{}, &SourceError{URL: redact(s.URL), Reason: ErrNotFound, Detail: "the URL cannot be read"}
	}
	if u.User != nil && u.Scheme == "http" && !loopback(u.Hostname()) {
		return place{}, &SourceError{URL: redact(s.URL), Reason: ErrUnsupported,
			Detail: "credentials would cross the network in the clear", Hint: "use https"}
	}
	return place{url: u}, nil
}

func (s Source) unsupported(scheme string) error {
	return &SourceError{URL: redact(s.URL), Reason: ErrUnsupported, Detail: scheme + " URLs",
		Hint: "use https://, http://, file:// or a path"}
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// redact is the URL as it may be printed: without user and password.
func redact(raw string) string {
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return raw
	}
	authority, path, slash := strings.Cut(rest, "/")
	if at := strings.LastIndex(authority, "@"); at >= 0 {
		authority = authority[at+1:]
	}
	if slash {
		authority += "/"
	}
	return scheme + "://" + authority + path
}
