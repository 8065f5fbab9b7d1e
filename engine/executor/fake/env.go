package fake

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/pawl-dev/pawl/engine/attempt"
)

// FromEnv is the Act that a Spec's environment describes:
//
//	FAKE_PRINT          printed first, and the result if that is captured
//	FAKE_EXIT           exit code; other than 0 is Failed
//	FAKE_FAILURES       how many attempts of the node end with exit code 1
//	                    before one does what the rest says
//	FAKE_OUTCOME        Lost or Error, instead of an exit
//	FAKE_MESSAGE        goes with FAKE_OUTCOME
//	FAKE_DURATION       how long it takes, such as 1s
//	FAKE_BLOCK          if set, it runs until it is stopped (exit code 143)
//	FAKE_IGNORE_TERM    if set, until it is killed
//	FAKE_OUTPUT_<name>  an output parameter, - in its name written _
//	FAKE_ARTIFACT_<name> likewise the content of an output artifact, which is
//	                    only a digest
//
// A declared output that is not set is an Error, unless it is optional or has a
// default.
func FromEnv(ctx context.Context, s attempt.Spec, log io.Writer, kill <-chan struct{}) attempt.Result {
	env := map[string]string{}
	for _, v := range s.Env {
		env[v.Name] = v.Value
	}
	print := env["FAKE_PRINT"]
	_, _ = io.WriteString(log, print)
	if terminated := wait(ctx, env, kill); terminated {
		return failed(143)
	}
	if o := attempt.Outcome(env["FAKE_OUTCOME"]); o != "" {
		return attempt.Result{Outcome: o, Message: env["FAKE_MESSAGE"]}
	}
	r := attempt.Result{Outcome: attempt.Succeeded, ExitCode: new(int)}
	if failures, _ := strconv.Atoi(env["FAKE_FAILURES"]); s.Key.Attempt < failures {
		r = failed(1)
	} else if code, _ := strconv.Atoi(env["FAKE_EXIT"]); code != 0 {
		r = failed(code)
	}
	if s.CaptureResult {
		text := strings.TrimSuffix(print, "\n")
		r.Result = &text
	}
	outputs(&r, s, env)
	return r
}

// wait lets the attempt's time pass and says whether it was asked to end.
func wait(ctx context.Context, env map[string]string, kill <-chan struct{}) (terminated bool) {
	term := ctx.Done()
	if env["FAKE_IGNORE_TERM"] != "" {
		term = nil
	}
	var over <-chan time.Time
	switch d, err := time.ParseDuration(env["FAKE_DURATION"]); {
	case err == nil:
		timer := time.NewTimer(d)
		defer timer.Stop()
		over = timer.C
	case env["FAKE_BLOCK"] == "" && env["FAKE_IGNORE_TERM"] == "":
		return false
	}
	select {
	case <-over:
		return false
	case <-term:
	case <-kill:
	}
	return true
}

func failed(code int) attempt.Result {
	return attempt.Result{Outcome: attempt.Failed, Message: fmt.Sprintf("Error (exit code %d)", code), ExitCode: &code}
}

func outputs(r *attempt.Result, s attempt.Spec, env map[string]string) {
	complain := func(format string, args ...any) {
		if r.Outcome == attempt.Succeeded {
			r.Outcome, r.Message = attempt.Error, fmt.Sprintf(format, args...)
		}
	}
	for _, p := range s.OutputParameters {
		value, ok := env["FAKE_OUTPUT_"+variable(p.Name)]
		switch {
		case ok:
		case p.Default != nil:
			value = *p.Default
		default:
			complain("cannot read output parameter %s: %s: no such file", p.Name, p.Path)
			continue
		}
		if r.Parameters == nil {
			r.Parameters = map[string]string{}
		}
		r.Parameters[p.Name] = value
	}
	for _, a := range s.Outputs {
		content, ok := env["FAKE_ARTIFACT_"+variable(a.Name)]
		if !ok {
			if !a.Optional {
				complain("cannot find output artifact %s: %s: no such file or folder", a.Name, a.Path)
			}
			continue
		}
		if r.Artifacts == nil {
			r.Artifacts = map[string]attempt.ArtifactRef{}
		}
		sum := sha256.Sum256([]byte(content))
		r.Artifacts[a.Name] = attempt.ArtifactRef{Digest: "sha256:" + hex.EncodeToString(sum[:]), Size: int64(len(content))}
	}
}

func variable(name string) string { return strings.ReplaceAll(name, "-", "_") }
