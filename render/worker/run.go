package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Config says how workers are run. Zero fields mean the defaults.
type Config struct {
	// Timeout is how long one build may take. Default 60 s.
	Timeout time.Duration
	// Memory is how many bytes one build may use. Default 1 GiB.
	Memory int64
	// Executable is the program that calls Main when its first argument is Arg.
	// Default: the running one.
	Executable string
}

// ErrLimit is wrapped by the error of a build that wanted too much memory or time.
var ErrLimit = errors.New("the build was ended")

// Run builds in a process of its own, with an empty environment, in which
// nothing can be found to execute. A Response with an Error is kustomize's
// refusal; an error means that the process failed.
func Run(ctx context.Context, cfg Config, req Request) (Response, error) {
	var res Response
	cfg, err := cfg.filled()
	if err != nil {
		return res, err
	}
	input, err := json.Marshal(req)
	if err != nil {
		return res, fmt.Errorf("writing the request: %w", err)
	}
	limited, cancel := context.WithTimeout(ctx, cfg.Timeout)
	defer cancel()
	seconds := int64(cfg.Timeout/time.Second) + 1
	cmd := exec.CommandContext(limited, cfg.Executable, Arg, strconv.FormatInt(cfg.Memory, 10), strconv.FormatInt(seconds, 10))
	cmd.Env = []string{}
	cmd.Dir = "/"
	cmd.Stdin = bytes.NewReader(input)
	var out, errs bytes.Buffer
	cmd.Stdout = &out
	cmd.Stderr = &head{max: 64 << 10, buf: &errs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for pawl
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		return res, death(ctx, limited, cfg, err, errs.String())
	}
	if err := json.Unmarshal(out.Bytes(), &res); err != nil {
		return res, fmt.Errorf("reading the render worker's response: %w", err)
	}
	return res, nil
}

func (cfg Config) filled() (Config, error) {
	if cfg.Timeout == 0 {
		cfg.Timeout = 60 * time.Second
	}
	if cfg.Memory == 0 {
		cfg.Memory = 1 << 30
	}
	if cfg.Executable == "" {
		self, err := os.Executable()
		if err != nil {
			return cfg, fmt.Errorf("finding the program to render with: %w", err)
		}
		cfg.Executable = self
	}
	return cfg, nil
}

// death says in words how a worker ended.
func death(ctx, limited context.Context, cfg Config, err error, said string) error {
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case limited.Err() != nil:
		return fmt.Errorf("%w after %v", ErrLimit, cfg.Timeout)
	case outOfMemory(said):
		return fmt.Errorf("%w: it needs more than %d MiB of memory", ErrLimit, cfg.Memory>>20)
	case errors.As(err, &exit):
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			return fmt.Errorf("%w by signal %v", ErrLimit, status.Signal())
		}
	}
	if line, _, _ := strings.Cut(said, "\n"); line != "" {
		return fmt.Errorf("the render worker failed: %s", line)
	}
	return fmt.Errorf("the render worker failed: %w", err)
}

func outOfMemory(said string) bool {
	for _, words := range []string{"out of memory", "cannot allocate memory", "cannot reserve", "failed to reserve", "failed to create new OS thread"} {
		if strings.Contains(said, words) {
			return true
		}
	}
	return false
}

// head keeps the first max bytes of what is written and drops the rest: a Go
// program that dies says first why.
type head struct {
	max int
	buf *bytes.Buffer
}

func (h *head) Write(p []byte) (int, error) {
	if room := h.max - h.buf.Len(); room > 0 {
		h.buf.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}
