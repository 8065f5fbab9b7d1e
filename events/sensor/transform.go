package sensor

import (
	"context"
	"encoding/json"
	"fmt"

	eventsv1 "github.com/argoproj/argo-events/pkg/apis/events/v1alpha1"
	"github.com/itchyny/gojq"

	"github.com/pawl-dev/pawl/events"
)

// parseJQ compiles a jq program. It sees its input only: no environment, no
// modules, no further inputs.
func parseJQ(program string) (*gojq.Code, error) {
	q, err := gojq.Parse(program)
	if err != nil {
		return nil, fmt.Errorf("jq %q: %w", program, err)
	}
	code, err := gojq.Compile(q)
	if err != nil {
		return nil, fmt.Errorf("jq %q: %w", program, err)
	}
	return code, nil
}

// transform replaces the data of an event by the first output of the
// dependency's jq program. Data and output are objects.
func transform(ctx context.Context, t *eventsv1.EventDependencyTransformer, e events.Event) (events.Event, error) {
	if t == nil || t.JQ == "" {
		return e, nil
	}
	code, err := parseJQ(t.JQ)
	if err != nil {
		return e, err
	}
	var in map[string]any
	if err := json.Unmarshal(e.Data, &in); err != nil || in == nil {
		return e, fmt.Errorf("jq %q: the event's data is no object", t.JQ)
	}
	out, ok := code.RunWithContext(ctx, in).Next()
	if !ok {
		return e, fmt.Errorf("jq %q: it has no output", t.JQ)
	}
	if err, ok := out.(error); ok {
		return e, fmt.Errorf("jq %q: %w", t.JQ, err)
	}
	if _, ok := out.(map[string]any); !ok {
		return e, fmt.Errorf("jq %q: its first output is %s, not an object", t.JQ, gojq.TypeOf(out))
	}
	e.Data, err = gojq.Marshal(out)
	if err != nil {
		return e, fmt.Errorf("jq %q: %w", t.JQ, err)
	}
	return e, nil
}
