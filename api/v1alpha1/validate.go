package v1alpha1

import (
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// Fault is one thing wrong with a field, and what to do about it.
type Fault struct {
	Path    string
	Message string
	Hint    string
}

// Validate reports all that is wrong with a ModelDeploy by itself. Whether what
// it refers to exists, and whether its expressions compile, is for those who
// have the rest of the Set.
func (m *ModelDeploy) Validate() []Fault {
	v := &validator{}
	if len(validation.IsDNS1123Label(m.Name)) > 0 {
		v.fault("metadata.name", fmt.Sprintf("%q cannot be part of a branch name", m.Name), "use at most 63 lower-case letters, digits and '-'")
	}
	v.candidate(m.Spec.Candidate)
	v.stages(m.Spec.Stages)
	return v.faults
}

// maxStages bounds the work of comparing stages with one another.
const maxStages = 100

type validator struct {
	faults []Fault
}

func (v *validator) fault(path, message, hint string) {
	v.faults = append(v.faults, Fault{Path: path, Message: message, Hint: hint})
}

func (v *validator) candidate(c Candidate) {
	const at = "spec.candidate"
	switch t, w := c.WorkflowTemplateRef, c.WorkflowRef; {
	case t == nil && w == nil:
		v.fault(at, "no workflow brings forth candidates", "give workflowTemplateRef or workflowRef")
	case t != nil && w != nil:
		v.fault(at+".workflowRef", "given together with workflowTemplateRef", "give one of them")
	case t != nil && t.Name == "":
		v.fault(at+".workflowTemplateRef.name", "missing", "name the WorkflowTemplate")
	case w != nil && w.Name == "":
		v.fault(at+".workflowRef.name", "missing", "name the Workflow")
	}
	if c.Artifact == "" {
		v.fault(at+".artifact", "missing", "name the output artifact that is the model")
	}
	for i, m := range c.Metrics {
		switch {
		case m == "":
			v.fault(fmt.Sprintf("%s.metrics[%d]", at, i), "is empty", "name a metric")
		case slices.Index(c.Metrics, m) < i:
			v.fault(fmt.Sprintf("%s.metrics[%d]", at, i), fmt.Sprintf("%q is given twice", m), "remove one")
		}
	}
	v.publish(at+".publish", c.Publish)
}

func (v *validator) publish(at, prefix string) {
	const hint = "write file:///absolute/folder"
	u, err := url.Parse(prefix)
	switch {
	case prefix == "":
		v.fault(at, "missing", hint)
	case err != nil || u.Scheme == "":
		v.fault(at, fmt.Sprintf("%q is no URI", prefix), hint)
	case u.Scheme == "s3" || u.Scheme == "oci" || u.Scheme == "gs":
		v.fault(at, fmt.Sprintf("publishing to %s:// is not possible yet", u.Scheme), hint)
	case u.Scheme != "file":
		v.fault(at, fmt.Sprintf("publishing to %s:// is not possible", u.Scheme), hint)
	case u.Host != "" || !strings.HasPrefix(u.Path, "/") || u.RawQuery != "" || u.Fragment != "":
		v.fault(at, fmt.Sprintf("%q names no absolute folder", prefix), hint+", with three slashes")
	case path.Clean(u.Path) == "/":
		v.fault(at, "names the root of the file system", hint)
	}
}

func (v *validator) stages(stages []Stage) {
	if len(stages) == 0 {
		v.fault("spec.stages", "missing", "give at least one stage")
	}
	if len(stages) > maxStages {
		v.fault("spec.stages", fmt.Sprintf("%d stages are more than the %d that are possible", len(stages), maxStages), "")
		return
	}
	index := map[string]int{}
	for i, s := range stages {
		at := fmt.Sprintf("spec.stages[%d]", i)
		if v.label(at+".name", s.Name) {
			if first, twice := index[s.Name]; twice {
				v.fault(at+".name", fmt.Sprintf("%q is already the name of stages[%d]", s.Name, first), "rename one")
			} else {
				index[s.Name] = i
			}
		}
		v.stage(at, s)
		v.pathOverlap(at, i, stages)
	}
	v.order(stages, index)
}

func (v *validator) stage(at string, s Stage) {
	v.folder(at+".path", s.Path)
	if t := s.Target; t != nil {
		if t.Kind == "" {
			v.fault(at+".target.kind", "missing", "name the kind that holds the model's URI, such as InferenceService")
		}
		if t.Name == "" {
			v.fault(at+".target.name", "missing", "name the rendered object")
		}
	}
	switch s.Destination {
	case "", DestinationCluster, DestinationModelRepository:
	default:
		v.fault(at+".destination", fmt.Sprintf("%q is no destination", s.Destination), "write cluster or modelRepository")
	}
	v.gates(at+".gates", s.Gates)
	if pr := s.PullRequest; pr != nil {
		v.words(at+".pullRequest.reviewers", pr.Reviewers)
		v.words(at+".pullRequest.labels", pr.Labels)
	}
}

func (v *validator) gates(at string, gates []Gate) {
	if len(gates) == 0 {
		v.fault(at, "a stage needs at least one gate", `say what makes a candidate good enough: {name: accurate, expr: "accuracy > 0.95"}`)
	}
	seen := map[string]bool{}
	for i, g := range gates {
		here := fmt.Sprintf("%s[%d]", at, i)
		if v.label(here+".name", g.Name) && seen[g.Name] {
			v.fault(here+".name", fmt.Sprintf("%q is the name of another gate of the stage", g.Name), "rename one")
		}
		seen[g.Name] = true
		if strings.TrimSpace(g.Expr) == "" {
			v.fault(here+".expr", "missing", `write a CEL expression such as "accuracy > 0.95"`)
		}
		switch g.OnNoCurrent {
		case "", OnNoCurrentFail, OnNoCurrentPass:
		default:
			v.fault(here+".onNoCurrent", fmt.Sprintf("%q is neither pass nor fail", g.OnNoCurrent), "write pass or fail")
		}
	}
}

// label checks a name that becomes part of branches, labels and statuses.
func (v *validator) label(at, name string) bool {
	switch {
	case name == "":
		v.fault(at, "missing", "")
		return false
	case len(validation.IsDNS1123Label(name)) > 0:
		v.fault(at, fmt.Sprintf("%q is no valid name", name), "use at most 63 lower-case letters, digits and '-'")
		return false
	}
	return true
}

func (v *validator) words(at string, words []string) {
	for i, w := range words {
		if strings.TrimSpace(w) == "" || strings.ContainsAny(w, "\n\r,") {
			v.fault(fmt.Sprintf("%s[%d]", at, i), fmt.Sprintf("%q is no name", w), "")
		}
	}
}

// folder checks a path that must stay inside the repository.
func (v *validator) folder(at, p string) {
	const hint = "write the folder as seen from the repository's root, such as models/fraud/overlays/staging"
	switch {
	case p == "":
		v.fault(at, "missing", hint)
	case path.IsAbs(p) || strings.Contains(p, `\`) || strings.Contains(p, "://"):
		v.fault(at, fmt.Sprintf("%q is not relative to the repository's root", p), hint)
	case path.Clean(p) == ".." || strings.HasPrefix(path.Clean(p), "../"):
		v.fault(at, fmt.Sprintf("%q leads out of the repository", p), hint)
	case path.Clean(p) == ".":
		v.fault(at, "the whole repository cannot be one stage", hint)
	}
}

// pathOverlap refuses two stages in one folder: a proposal for the one would
// change the other.
func (v *validator) pathOverlap(at string, i int, stages []Stage) {
	for j, other := range stages[:i] {
		a, b := path.Clean(stages[i].Path)+"/", path.Clean(other.Path)+"/"
		if a != "./" && b != "./" && (strings.HasPrefix(a, b) || strings.HasPrefix(b, a)) {
			v.fault(at+".path", fmt.Sprintf("lies in or over the path of stages[%d]", j), "give each stage a folder of its own")
		}
	}
}

// order checks that after names known stages and that no stage waits for itself.
func (v *validator) order(stages []Stage, index map[string]int) {
	for i, s := range stages {
		for j, name := range s.After {
			if _, known := index[name]; !known {
				names := make([]string, 0, len(stages))
				for _, s := range stages {
					names = append(names, s.Name)
				}
				v.fault(fmt.Sprintf("spec.stages[%d].after[%d]", i, j), fmt.Sprintf("%q is no stage", name), "stages are "+strings.Join(names, ", "))
			}
		}
	}
	const unseen, open, done = 0, 1, 2
	state := make([]int, len(stages))
	var visit func(i int, way []string)
	visit = func(i int, way []string) {
		way = append(way, stages[i].Name)
		state[i] = open
		for _, name := range stages[i].After {
			j, known := index[name]
			if !known {
				continue
			}
			switch state[j] {
			case unseen:
				visit(j, way)
			case open:
				v.fault(fmt.Sprintf("spec.stages[%d].after", i), "the stages wait for one another: "+strings.Join(append(slices.Clone(way), name), " after "), "remove one of these")
			}
		}
		state[i] = done
	}
	for i := range stages {
		if state[i] == unseen {
			visit(i, nil)
		}
	}
}
