package promotion

import (
	"fmt"
	"net/url"
	"strings"
)

// URIDigest is the digest ("sha256:…") that an address names, or "" when it
// names none: the last part of its path that is 64 hex digits, or an image
// reference's @sha256:….
func URIDigest(uri string) string {
	if _, after, ok := strings.Cut(uri, "@sha256:"); ok && isHex(after) {
		return "sha256:" + after
	}
	u, err := url.Parse(uri)
	if err != nil {
		return ""
	}
	digest := ""
	for part := range strings.SplitSeq(u.Path, "/") {
		if part = strings.TrimPrefix(part, "sha256:"); isHex(part) {
			digest = "sha256:" + part
		}
	}
	return digest
}

func isHex(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

// CheckURI refuses an address that may come to mean another model, and one that
// cannot be written on one line of a manifest.
func CheckURI(uri string) error {
	u, err := url.Parse(uri)
	switch {
	case err != nil:
		return fmt.Errorf("checking the model's address: %w", err)
	case u.Scheme == "":
		return fmt.Errorf("the model's address %q has no scheme such as file:// or s3://", uri)
	case u.User != nil:
		return fmt.Errorf("the model's address %q holds credentials, which do not belong in git", u.Redacted())
	case strings.ContainsFunc(uri, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '\u0085' || r == '\u2028' || r == '\u2029' }):
		return fmt.Errorf("the model's address %q holds white space", uri)
	case URIDigest(uri) == "":
		return fmt.Errorf("the model's address %q names no sha256, and so may come to mean another model; propose the address that publishing returned", uri)
	}
	return nil
}

// hexOf is a digest without its algorithm.
func hexOf(digest string) string { return strings.TrimPrefix(digest, "sha256:") }
