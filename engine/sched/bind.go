package sched

import (
	"errors"
	"fmt"
	"path"

	"github.com/pawl-dev/pawl/engine/attempt"
	"github.com/pawl-dev/pawl/engine/expr"
	"github.com/pawl-dev/pawl/engine/plan"
)

// when evaluates a task's condition, message says why it is false. perItem: the
// task is a loop whose condition speaks of the item, so that it is decided for
// each item by itself.
func (s *State) when(t *plan.Task, sc *scope) (ok, perItem bool, message string, err error) {
	if t.Loop != nil && t.When != nil && t.When.ReadsItem() {
		return true, true, "", nil
	}
	ok, message, err = s.whenItem(t, sc)
	return ok, false, message, err
}

func (s *State) whenItem(t *plan.Task, sc *scope) (ok bool, message string, err error) {
	if t.When == nil {
		return true, "", nil
	}
	text, err := s.render(t.When, sc)
	if err != nil {
		return false, "", err
	}
	ok, err = expr.When(text)
	if err == nil && !ok {
		message = fmt.Sprintf("when '%s' evaluated false", text)
	}
	return ok, message, err
}

// render replaces the tags of a text; an output that is not there because its
// task did not run is told apart from a name that nobody knows.
func (s *State) render(t *plan.Text, sc *scope) (string, error) {
	sc.absent = ""
	text, err := t.Render(sc)
	if sc.absent != "" && (err != nil || !hasFallback(t)) {
		return "", fmt.Errorf("unable to substitute {{%s}}: output is an absent optional (skipped/omitted node with no default)", sc.absent)
	}
	return text, sc.explain(err)
}

// hasFallback reports whether the text is an expression, which may guard against
// a missing value by itself.
func hasFallback(t *plan.Text) bool {
	_, simple := t.Reference()
	return !simple && t.HasExpression()
}

// bind gives the task's template its inputs.
func (s *State) bind(t *plan.Task, sc *scope) (*inputs, error) {
	tmpl := t.Template
	in := &inputs{}
	// The template's own texts see its inputs: a default those above it, raw
	// content all parameters.
	own := &scope{s: s, self: &node{tmpl: tmpl, in: in}}
	if len(tmpl.Inputs) > 0 {
		in.parameters = make([]string, 0, len(tmpl.Inputs))
	}
	for i := range tmpl.Inputs {
		v, err := s.bindParameter(&tmpl.Inputs[i], t.Arguments[i], sc, own)
		if err != nil {
			return nil, err
		}
		in.parameters = append(in.parameters, v)
	}
	if len(tmpl.InputArtifacts) > 0 {
		in.artifacts = make([]Artifact, len(tmpl.InputArtifacts))
	}
	for i := range tmpl.InputArtifacts {
		source, where := t.Artifacts[i], sc
		if source == nil {
			source, where = tmpl.InputArtifacts[i].Default, own
		}
		a, err := s.bindArtifact(&tmpl.InputArtifacts[i], source, where)
		if err != nil {
			return nil, err
		}
		in.artifacts[i] = a
	}
	return in, nil
}

// bindParameter: the argument, unless it passes on an output that is not there
// because its task did not run; else the default.
func (s *State) bindParameter(p *plan.InputParameter, argument *plan.Text, sc, own *scope) (string, error) {
	if argument != nil {
		v, err := s.render(argument, sc)
		if err == nil {
			return v, nil
		}
		if _, alone := argument.Reference(); !alone || sc.absent == "" || p.Default == nil {
			return "", err
		}
	}
	if p.Default == nil {
		return "", fmt.Errorf("inputs.parameters.%s was not supplied", p.Name)
	}
	return p.Default.Render(own)
}

func (s *State) bindArtifact(in *plan.InputArtifact, source *plan.ArtifactSource, sc *scope) (Artifact, error) {
	if source != nil {
		a, err := s.artifact(source, sc)
		switch {
		case err == nil && !a.empty():
			a.Name = in.Name
			return a, nil
		case err != nil && (!errors.Is(err, errNoArtifact) || !in.Optional):
			return Artifact{}, err
		}
	}
	if in.Optional {
		return Artifact{}, nil
	}
	return Artifact{}, fmt.Errorf("inputs.artifacts.%s was not supplied", in.Name)
}

var errNoArtifact = errors.New("no such artifact")

// artifact finds what a source names.
func (s *State) artifact(source *plan.ArtifactSource, sc *scope) (Artifact, error) {
	a, err := s.sourceArtifact(source, sc)
	if err != nil || source.SubPath == nil {
		return a, err
	}
	sub, err := source.SubPath.Render(sc)
	if err != nil {
		return a, err
	}
	return a.within(sub)
}

func (s *State) sourceArtifact(source *plan.ArtifactSource, sc *scope) (Artifact, error) {
	switch {
	case source.Raw != nil:
		text, err := source.Raw.Render(sc)
		return Artifact{Raw: &text}, err
	case source.Input != "":
		for i := range sc.self.tmpl.InputArtifacts {
			if sc.self.tmpl.InputArtifacts[i].Name == source.Input && !sc.self.in.artifacts[i].empty() {
				return sc.self.in.artifacts[i], nil
			}
		}
		return Artifact{}, fmt.Errorf("failed to resolve {{inputs.artifacts.%s}}: %w", source.Input, errNoArtifact)
	}
	n, l, _ := sc.find(source.Task.Name)
	if l != nil {
		return s.fanIn(l, source.Output), nil
	}
	if n != nil {
		if a, ok := n.outputs().artifact(source.Output); ok {
			return a, nil
		}
	}
	return Artifact{}, fmt.Errorf("failed to resolve {{%s%s.outputs.artifacts.%s}}: %w", sc.word(), source.Task.Name, source.Output, errNoArtifact)
}

// fanIn collects an artifact of all items that succeeded, in item order.
func (s *State) fanIn(l *loop, name string) Artifact {
	a := Artifact{Items: []attempt.ArtifactRef{}}
	for _, i := range l.nodes {
		if i == none || s.nodes[i].phase != Succeeded {
			continue
		}
		if x, ok := s.nodes[i].outputs().artifact(name); ok {
			if x.Ref != nil {
				a.Items = append(a.Items, *x.Ref)
			}
			a.Items = append(a.Items, x.Items...)
		}
	}
	return a
}

// within selects a file or folder in an artifact.
func (a Artifact) within(sub string) (Artifact, error) {
	switch {
	case a.Raw != nil:
		return a, fmt.Errorf("subPath %q: the artifact is a text, not a folder", sub)
	case a.Ref != nil:
		ref := *a.Ref
		ref.SubPath = path.Join(ref.SubPath, sub)
		a.Ref = &ref
	}
	items := a.Items
	a.Items = nil
	for _, ref := range items {
		ref.SubPath = path.Join(ref.SubPath, sub)
		a.Items = append(a.Items, ref)
	}
	return a, nil
}
