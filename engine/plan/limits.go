package plan

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func (c *compiler) limits(t *Template, w *wfv1.Template, at place) {
	s := scope{at: at, kind: "template", template: t}
	leaf := t.IsPod()
	if w.Parallelism != nil {
		if leaf {
			c.errorf(at.field("parallelism"), "parallelism is only for steps and dag templates")
		} else if *w.Parallelism <= 0 {
			c.errorf(at.field("parallelism"), "parallelism must be greater than 0")
		}
		t.Parallelism = int(*w.Parallelism)
	}
	t.FailFast = w.FailFast != nil && *w.FailFast
	if w.Timeout != "" {
		c.leafOnly(leaf, at.field("timeout"), t)
		t.Timeout = c.text(s, w.Timeout, at.field("timeout"))
		c.durationOf(t.Timeout, at.field("timeout"))
	}
	if d := w.ActiveDeadlineSeconds; d != nil {
		c.leafOnly(leaf, at.field("activeDeadlineSeconds"), t)
		t.MaxRun = c.text(s, d.String(), at.field("activeDeadlineSeconds"))
		if n, err := strconv.Atoi(d.String()); t.MaxRun.Literal() && (err != nil || n <= 0) {
			c.errorf(at.field("activeDeadlineSeconds"), "activeDeadlineSeconds must be a number of seconds greater than 0")
		}
		if t.Timeout != nil {
			c.warn(at.field("activeDeadlineSeconds"), "timeout replaces activeDeadlineSeconds, even where that is shorter", "keep one of them")
		}
	}
	retry, where := w.RetryStrategy, at.field("retryStrategy")
	if retry == nil {
		retry, where = c.spec.RetryStrategy, c.root.field("retryStrategy")
	}
	if retry != nil {
		t.Retry = c.retry(s, retry, where)
	}
}

func (c *compiler) leafOnly(leaf bool, at place, t *Template) {
	if !leaf {
		c.errorf(at, "%s template doesn't support %s field", t.Type, at.last())
	}
}

// durationOf checks a duration that is already known.
func (c *compiler) durationOf(t *Text, at place) {
	if !t.Literal() {
		return
	}
	if d, err := ParseDuration(t.Source()); err != nil || d < 0 {
		c.problem(at, fmt.Sprintf("%q is not a duration", t.Source()), "write 90s, 10m, 1h30m or a number of seconds")
	}
}

// ParseDuration reads a number of seconds or a Go duration.
func ParseDuration(s string) (time.Duration, error) {
	if n, err := strconv.Atoi(s); err == nil {
		return time.Duration(n) * time.Second, nil
	}
	return time.ParseDuration(s)
}

func (c *compiler) retry(s scope, r *wfv1.RetryStrategy, at place) *Retry {
	out := &Retry{Policy: Policy(r.RetryPolicy)}
	switch out.Policy {
	case OnFailure, OnError, Always, OnTransientError:
	case "":
		out.Policy = OnFailure
		if r.Expression != "" {
			out.Policy = Always
		}
	default:
		c.problem(at.field("retryPolicy"), fmt.Sprintf("%s is not a valid RetryPolicy", r.RetryPolicy),
			meant(string(r.RetryPolicy), []string{string(OnFailure), string(OnError), string(Always), string(OnTransientError)}, ""))
	}
	out.Limit = c.number(s, r.Limit, at.field("limit"))
	if r.Expression != "" {
		out.Expression = c.expression(s, r.Expression, at.field("expression"))
	}
	if b := r.Backoff; b != nil {
		at := at.field("backoff")
		out.Backoff = true
		if b.Duration == "" {
			c.problem(at, "no base duration specified for retryStrategy", "give backoff.duration, such as 10s")
		}
		for _, f := range []struct {
			name, value string
			to          **Text
		}{{"duration", b.Duration, &out.Duration}, {"maxDuration", b.MaxDuration, &out.MaxDuration}, {"cap", b.Cap, &out.Cap}} {
			if f.value != "" {
				*f.to = c.text(s, f.value, at.field(f.name))
				c.durationOf(*f.to, at.field(f.name))
			}
		}
		out.Factor = c.number(s, b.Factor, at.field("factor"))
	}
	return out
}

// number is a whole number, or a text with tags that becomes one.
func (c *compiler) number(s scope, n *intstr.IntOrString, at place) *Text {
	if n == nil {
		return nil
	}
	t := c.text(s, n.String(), at)
	if t.Literal() {
		if _, err := ParseInt(t.Source()); err != nil {
			c.errorf(at, "%q is not a whole number", t.Source())
		}
	}
	return t
}

// ParseInt reads a whole number, spaces around it allowed.
func ParseInt(s string) (int, error) {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil {
		return 0, fmt.Errorf("%q is not a whole number", s)
	}
	return n, nil
}
