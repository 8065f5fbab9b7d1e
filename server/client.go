package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// Client speaks the API, over a server's socket or straight to a handler.
type Client struct {
	http   *http.Client
	closer func() error
}

// Dial makes a client of the server that listens on a socket. It fails if
// nobody does.
func Dial(ctx context.Context, socket string) (*Client, error) {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}
	conn, err := dial(ctx, "", "")
	if err != nil {
		return nil, err
	}
	conn.Close()
	t := &http.Transport{DialContext: dial}
	return &Client{http: &http.Client{Transport: t}, closer: func() error { t.CloseIdleConnections(); return nil }}, nil
}

// Direct makes a client that calls the handler itself, so that commands work
// without a server; closer frees what the handler stands on.
func Direct(h http.Handler, closer func() error) *Client {
	return &Client{http: &http.Client{Transport: handlerTransport{h}}, closer: closer}
}

// Close frees the client.
func (c *Client) Close() error { return c.closer() }

// APIError is an answer that says what went wrong.
type APIError struct {
	Status int
	ErrorBody
}

func (e *APIError) Error() string { return e.Message }

// Do sends a request with a JSON body (nil for none) and decodes the answer
// into out (nil for none).
func (c *Client) Do(ctx context.Context, method, path string, in, out any) error {
	resp, err := c.send(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("%s %s: answer: %w", method, path, err)
	}
	return nil
}

// Stream sends a GET whose answer comes bit by bit.
func (c *Client) Stream(ctx context.Context, path string) (io.ReadCloser, error) {
	resp, err := c.send(ctx, http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

func (c *Client) send(ctx context.Context, method, path string, in any) (*http.Response, error) {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", method, path, err)
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://pawl"+path, body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("asking the server: %w", err)
	}
	if resp.StatusCode < 300 {
		return resp, nil
	}
	defer resp.Body.Close()
	e := &APIError{Status: resp.StatusCode}
	data, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if json.Unmarshal(data, &e.ErrorBody) != nil || e.Message == "" {
		e.Message = fmt.Sprintf("%s %s: %s: %s", method, path, resp.Status, strings.TrimSpace(string(data)))
	}
	return nil, e
}

// Path joins path elements, escaping each.
func Path(elements ...string) string {
	var b strings.Builder
	for _, e := range elements {
		b.WriteString("/" + url.PathEscape(e))
	}
	return b.String()
}

// handlerTransport answers requests by calling a handler, body streamed.
type handlerTransport struct{ h http.Handler }

func (t handlerTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	r, w := io.Pipe()
	rw := &pipeWriter{header: http.Header{}, w: w, ready: make(chan struct{})}
	ctx, cancel := context.WithCancel(req.Context())
	served := req.Clone(ctx)
	if served.Body == nil {
		served.Body = http.NoBody
	}
	go func() {
		t.h.ServeHTTP(rw, served)
		rw.WriteHeader(http.StatusOK)
		w.Close()
	}()
	<-rw.ready
	return &http.Response{
		StatusCode: rw.status, Status: fmt.Sprintf("%d %s", rw.status, http.StatusText(rw.status)),
		Header: rw.header, Body: cancelBody{r, cancel}, Request: req, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}, nil
}

// pipeWriter is a ResponseWriter into a pipe.
type pipeWriter struct {
	header http.Header
	w      *io.PipeWriter
	status int
	ready  chan struct{} // closed when the header is written
}

func (p *pipeWriter) Header() http.Header { return p.header }

func (p *pipeWriter) WriteHeader(status int) {
	if p.status != 0 {
		return
	}
	p.status = status
	close(p.ready)
}

func (p *pipeWriter) Write(b []byte) (int, error) {
	p.WriteHeader(http.StatusOK)
	return p.w.Write(b)
}

func (p *pipeWriter) Flush() { p.WriteHeader(http.StatusOK) }

// cancelBody ends the handler when the reader has seen enough.
type cancelBody struct {
	*io.PipeReader
	cancel context.CancelFunc
}

func (b cancelBody) Close() error {
	b.cancel()
	return b.PipeReader.Close()
}
