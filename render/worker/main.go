package worker

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
)

// Arg is the hidden first argument with which a program that imports this
// package must call Main before it does anything else.
const Arg = "__pawl-render-worker"

// Main reads a Request from standard input, builds it and writes the Response
// to standard output. args are the memory limit in bytes and the limit of
// processor seconds. It returns the exit code.
func Main(args []string) int {
	if err := serve(args, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func serve(args []string, in io.Reader, out io.Writer) error {
	if len(args) != 2 {
		return errors.New("the render worker is started by pawl itself")
	}
	memory, err := strconv.ParseInt(args[0], 10, 64)
	if err != nil {
		return fmt.Errorf("reading the memory limit: %w", err)
	}
	seconds, err := strconv.ParseInt(args[1], 10, 64)
	if err != nil {
		return fmt.Errorf("reading the time limit: %w", err)
	}
	// The scan leaves nothing to fetch; these are the second wall behind it.
	http.DefaultTransport = noNetwork{}
	log.SetOutput(io.Discard)
	if err := limit(memory, seconds); err != nil {
		return fmt.Errorf("limiting the render worker: %w", err)
	}
	var req Request
	if err := json.NewDecoder(in).Decode(&req); err != nil {
		return fmt.Errorf("reading the request: %w", err)
	}
	if err := json.NewEncoder(out).Encode(Build(req)); err != nil {
		return fmt.Errorf("writing the response: %w", err)
	}
	return nil
}

// noNetwork refuses every request.
type noNetwork struct{}

func (noNetwork) RoundTrip(r *http.Request) (*http.Response, error) {
	return nil, fmt.Errorf("nothing is fetched while rendering, and not %s", r.URL.Redacted())
}
