package server

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
)

// maxHook bounds the body of a webhook.
const maxHook = 3 << 20

// webhook pokes the loop. It is a hint and nothing more: what it says is not
// read, and polling alone gives the same outcome. The signature is GitHub's and
// Gitea's: X-Hub-Signature-256 (or X-Gitea-Signature), HMAC-SHA256 of the body.
type webhook struct {
	secret []byte
	poke   func()
}

func newWebhook(secret []byte, poke func()) *webhook { return &webhook{secret: secret, poke: poke} }

func (h *webhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxHook))
	if err != nil {
		http.Error(w, "the body is too large or was cut off", http.StatusRequestEntityTooLarge)
		return
	}
	if !h.signed(r, body) {
		http.Error(w, "the signature does not fit: X-Hub-Signature-256 must be the HMAC-SHA256 of the body with the configured secret", http.StatusUnauthorized)
		return
	}
	h.poke() // never blocks; pokes that come close together are one
	w.WriteHeader(http.StatusAccepted)
}

// signed compares in constant time.
func (h *webhook) signed(r *http.Request, body []byte) bool {
	given := strings.TrimPrefix(r.Header.Get("X-Hub-Signature-256"), "sha256=")
	if given == "" {
		given = r.Header.Get("X-Gitea-Signature")
	}
	want := hmac.New(sha256.New, h.secret)
	want.Write(body)
	mac, err := hex.DecodeString(given)
	return err == nil && hmac.Equal(mac, want.Sum(nil))
}
