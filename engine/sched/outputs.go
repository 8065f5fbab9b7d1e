package sched

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/pawl-dev/pawl/engine/attempt"
	"github.com/pawl-dev/pawl/engine/plan"
)

// Parameter is a name with its value.
type Parameter = plan.Parameter

// Artifact is an artifact of a node. Exactly one of Ref, Raw and Items is set:
// one in the store, a text of the manifest, or one an item of a loop.
type Artifact struct {
	Name  string                `json:"name"`
	Ref   *attempt.ArtifactRef  `json:"ref,omitempty"`
	Raw   *string               `json:"raw,omitempty"`
	Items []attempt.ArtifactRef `json:"items,omitempty"`
}

func (a Artifact) empty() bool { return a.Ref == nil && a.Raw == nil && a.Items == nil }

// Inputs are what a node was given.
type Inputs struct {
	Parameters []Parameter `json:"parameters,omitempty"`
	Artifacts  []Artifact  `json:"artifacts,omitempty"`
}

// Outputs are what a node left, in the order in which its template declares them.
type Outputs struct {
	Parameters []Parameter `json:"parameters,omitempty"`
	Artifacts  []Artifact  `json:"artifacts,omitempty"`
	Result     *string     `json:"result,omitempty"`
	ExitCode   *int        `json:"exitCode,omitempty"`
}

func (o Outputs) parameter(name string) (string, bool) {
	for _, p := range o.Parameters {
		if p.Name == name {
			return p.Value, true
		}
	}
	return "", false
}

func (o Outputs) artifact(name string) (Artifact, bool) {
	for _, a := range o.Artifacts {
		if a.Name == name {
			return a, true
		}
	}
	return Artifact{}, false
}

// finishWithOutputs ends a steps or dag node that succeeded: its outputs come
// from those of its tasks.
func (s *State) finishWithOutputs(n *node) {
	out, err := s.collect(n)
	if err != nil {
		s.finish(n, Errored, err.Error())
		return
	}
	n.out = out
	s.finish(n, Succeeded, "")
}

func (s *State) collect(n *node) (*Outputs, error) {
	t := n.tmpl
	if len(t.OutputParameters) == 0 && len(t.OutputArtifacts) == 0 {
		return nil, nil
	}
	out := &Outputs{}
	sc := &scope{s: s, self: n}
	for _, p := range t.OutputParameters {
		v, err := s.outputValue(&p, sc)
		if err != nil {
			return nil, fmt.Errorf("outputs.parameters.%s: %w", p.Name, err)
		}
		out.Parameters = append(out.Parameters, Parameter{Name: p.Name, Value: v})
	}
	for _, o := range t.OutputArtifacts {
		a, err := s.artifact(o.From, sc)
		switch {
		case err == nil:
			a.Name = o.Name
			out.Artifacts = append(out.Artifacts, a)
		case !o.Optional || !errors.Is(err, errNoArtifact):
			return nil, fmt.Errorf("outputs.artifacts.%s: %w", o.Name, err)
		}
	}
	return out, nil
}

func (s *State) outputValue(p *plan.OutputParameter, sc *scope) (string, error) {
	err := errors.New("it has no value")
	if p.Value != nil {
		var v string
		if v, err = s.render(p.Value, sc); err == nil {
			return v, nil
		}
	}
	if p.Default != nil {
		return p.Default.Render(sc)
	}
	return "", err
}

// loopValue is a field of a loop: its outputs as lists, in item order. Items
// that did not succeed are left out.
func (s *State) loopValue(n *node, l *loop, t *plan.Task, field string) (value string, ok, absent bool) {
	if v, ok := l.lists[field]; ok {
		return v, true, false
	}
	v, ok := s.aggregate(l, field)
	if ok {
		if l.lists == nil {
			l.lists = map[string]string{}
		}
		l.lists[field] = v
		return v, true, false
	}
	if n == nil {
		return "", false, false
	}
	return s.nodeValue(n, t, field)
}

func (s *State) aggregate(l *loop, field string) (string, bool) {
	name, isParameter := strings.CutPrefix(field, "outputs.parameters.")
	var list any
	switch {
	case field == "outputs.parameters":
		list = s.eachItem(l, func(o Outputs) (any, bool) {
			m := map[string]string{}
			for _, p := range o.Parameters {
				m[p.Name] = p.Value
			}
			return m, len(m) > 0
		})
	case isParameter:
		list = valueList(s.eachItem(l, func(o Outputs) (any, bool) { v, ok := o.parameter(name); return v, ok }))
	case field == "outputs.result":
		values, ok := resultList(s.eachItem(l, func(o Outputs) (any, bool) {
			if o.Result == nil {
				return nil, false
			}
			return *o.Result, true
		}))
		if !ok {
			return "", false
		}
		list = values
	default:
		return "", false
	}
	text, err := marshal(list)
	return text, err == nil
}

func (s *State) eachItem(l *loop, of func(Outputs) (any, bool)) []any {
	list := []any{}
	for _, i := range l.nodes {
		if i == none || s.nodes[i].phase != Succeeded {
			continue
		}
		if v, ok := of(s.nodes[i].outputs()); ok {
			list = append(list, v)
		}
	}
	return list
}

// valueList keeps values as strings unless every one is a JSON map or list.
func valueList(values []any) []any {
	decoded := make([]any, len(values))
	for i, v := range values {
		text := strings.TrimSpace(v.(string))
		if text == "" || text[0] != '{' && text[0] != '[' || !json.Valid([]byte(text)) {
			return values
		}
		decoded[i] = json.RawMessage(text)
	}
	return decoded
}

// loopLacks says why a loop has no such list.
func (s *State) loopLacks(l *loop, field string) string {
	if field != "outputs.result" {
		return ""
	}
	for _, i := range l.nodes {
		if i == none || s.nodes[i].phase != Succeeded {
			continue
		}
		if r := s.nodes[i].outputs().Result; r != nil && !json.Valid([]byte(*r)) {
			return fmt.Sprintf("%s printed %s, which is no JSON, and the results of a loop are a list of JSON values: print JSON, or use an output parameter",
				s.displayName(s.nodes[i]), quoted(*r))
		}
	}
	return ""
}

// quoted is the beginning of a text, for messages.
func quoted(text string) string {
	const most = 60
	if r := []rune(text); len(r) > most {
		return strconv.Quote(string(r[:most])) + "…"
	}
	return strconv.Quote(text)
}

// resultList needs every result to be JSON.
func resultList(values []any) ([]any, bool) {
	list := make([]any, len(values))
	for i, v := range values {
		if !json.Valid([]byte(v.(string))) {
			return nil, false
		}
		list[i] = json.RawMessage(v.(string))
	}
	return list, true
}

func marshal(v any) (string, error) {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return strings.TrimSuffix(b.String(), "\n"), err
}
