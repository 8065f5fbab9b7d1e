package server

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestAWebhookPokesIfItsSignatureFits(t *testing.T) {
	const body = `{"ref": "refs/heads/main"}`
	sign := func(secret, body string) string {
		m := hmac.New(sha256.New, []byte(secret))
		m.Write([]byte(body))
		return hex.EncodeToString(m.Sum(nil))
	}
	good := sign("s3cret", body)
	for _, tt := range []struct {
		name, header, value, body string
		want                      int
	}{
		{"GitHub's header", "X-Hub-Signature-256", "sha256=" + good, body, 202},
		{"Gitea's header", "X-Gitea-Signature", good, body, 202},
		{"capital digits", "X-Hub-Signature-256", "sha256=" + strings.ToUpper(good), body, 202},
		{"no signature", "X-Other", "x", body, 401},
		{"another secret", "X-Hub-Signature-256", "sha256=" + sign("other", body), body, 401},
		{"another body", "X-Hub-Signature-256", "sha256=" + good, body + " ", 401},
		{"a part of it", "X-Hub-Signature-256", "sha256=" + good[:32], body, 401},
		{"no hex", "X-Hub-Signature-256", "sha256=zz", body, 401},
		{"nothing after the name", "X-Hub-Signature-256", "sha256=", body, 401},
		{"the old header, SHA-1", "X-Hub-Signature", "sha1=" + good[:40], body, 401},
		{"a body too large", "X-Hub-Signature-256", "sha256=" + good, strings.Repeat("x", maxHook+1), 413},
	} {
		poked := 0
		h := newWebhook([]byte("s3cret"), func() { poked++ })
		req := httptest.NewRequest("POST", "/webhooks/git", strings.NewReader(tt.body))
		req.Header.Set(tt.header, tt.value)
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, req)
		if rec.Code != tt.want || (poked == 1) != (tt.want == 202) {
			t.Errorf("%s: %d and %d pokes, want %d", tt.name, rec.Code, poked, tt.want)
		}
	}
}
