package server

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
)

// maxBody bounds what a request of the API may hold.
const maxBody = 1 << 20

// decode reads a JSON body; none leaves v as it is.
func decode(r *http.Request, v any) error {
	err := json.NewDecoder(io.LimitReader(r.Body, maxBody)).Decode(v)
	if err == nil || errors.Is(err, io.EOF) {
		return nil
	}
	return fail(http.StatusBadRequest, "", "the request's body: %w", err)
}

// onlyLoopbackNames refuses requests that came by another name than the
// machine's own: a page on the web can point its own name here.
func onlyLoopbackNames(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			http.Error(w, "this address is served by the names localhost and 127.0.0.1 only", http.StatusForbidden)
			return
		}
		h.ServeHTTP(w, r)
	})
}
