package plan

import (
	"strings"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
)

func (c *compiler) inputs(t *Template, w *wfv1.Template, at place) {
	names := map[string]bool{}
	for i, p := range w.Inputs.Parameters {
		at := at.field("parameters").index(i)
		if !c.nameOnce(names, p.Name, "inputs.parameters", at) {
			continue
		}
		in := InputParameter{Name: p.Name}
		if source, ok := c.parameterValue(p, at); ok {
			// It sees the inputs above it: those that t has so far.
			in.Default = c.text(scope{at: at, kind: "input", template: t}, source, at.field("value"))
		}
		if len(p.Enum) > 0 && in.Default != nil && in.Default.Literal() && !inEnum(p.Enum, in.Default.Source()) {
			c.errorf(at, "value %q of parameter %s is not in its enum", in.Default.Source(), p.Name)
		}
		t.Inputs = append(t.Inputs, in)
	}
	names = map[string]bool{}
	for i, a := range w.Inputs.Artifacts {
		at := at.field("artifacts").index(i)
		if !c.nameOnce(names, a.Name, "inputs.artifacts", at) {
			continue
		}
		in := InputArtifact{Name: a.Name, Optional: a.Optional, Mode: a.Mode, Path: *literal(a.Path)}
		switch {
		case t.IsPod() && a.Path == "":
			c.errorf(at, "inputs.artifacts.%s needs a path", a.Name)
		case !t.IsPod() && a.Path != "":
			c.errorf(at.field("path"), "a path is only for container and script templates")
		}
		if located(a.ArtifactLocation) { // all but raw are refused by the table of fields
			in.Default = &ArtifactSource{Raw: literal("")}
		}
		t.InputArtifacts = append(t.InputArtifacts, in)
	}
	// Paths and raw content may have tags of the inputs: parsed once all are known.
	for i := range t.InputArtifacts {
		a := w.Inputs.Artifacts[i]
		at := at.field("artifacts").index(i)
		s := scope{at: at, kind: "template", template: t}
		t.InputArtifacts[i].Path = *c.path(s, a.Path, at.field("path"))
		if a.Raw != nil {
			t.InputArtifacts[i].Default.Raw = c.text(s, a.Raw.Data, at.below("raw.data"))
		}
	}
}

// located reports whether an artifact says where it is kept.
func located(l wfv1.ArtifactLocation) bool {
	l.ArchiveLogs = nil
	return l != (wfv1.ArtifactLocation{})
}

// nameOnce checks a name in a list.
func (c *compiler) nameOnce(names map[string]bool, name, list string, at place) bool {
	switch {
	case name == "":
		c.errorf(at, "%s: a name is required", list)
	case names[name]:
		c.errorf(at.field("name"), "%s: name '%s' is not unique", list, name)
	case strings.Contains(name, "{{"):
		c.problem(at.field("name"), "a tag in a name is not run by pawl yet: "+name, "write the name out")
	case !validName(name):
		c.errorf(at.field("name"), "%s: name '%s' is invalid: letters, digits, - and _ only, 128 at most", list, name)
	default:
		names[name] = true
		return true
	}
	return false
}

func validName(name string) bool {
	if len(name) > 128 {
		return false
	}
	for i := 0; i < len(name); i++ {
		b := name[i]
		plain := b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '_'
		if !plain && (b != '-' || i == 0) {
			return false
		}
	}
	return name != ""
}

func parameterIndex(t *Template, name string) int {
	for i := range t.Inputs {
		if t.Inputs[i].Name == name {
			return i
		}
	}
	return -1
}

func artifactIndex(t *Template, name string) int {
	for i := range t.InputArtifacts {
		if t.InputArtifacts[i].Name == name {
			return i
		}
	}
	return -1
}
