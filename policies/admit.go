package policies

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/pawl-dev/pawl/api"
	"github.com/pawl-dev/pawl/api/v1alpha1"
)

// Admit judges the objects of a rendered Set together, by pawl's own rules: no
// object twice, no stage inside the stage of another ModelDeploy, every gate an
// expression over metrics that the candidate has. What is wrong with an object by
// itself its decoding has said already.
func Admit(objects []*api.Object) api.Problems {
	var problems api.Problems
	problems = append(problems, twice(objects)...)
	problems = append(problems, unsupportedPolicies(objects)...)
	var stages []stage
	for _, o := range objects {
		deploy, ok := o.Typed.(*v1alpha1.ModelDeploy)
		if !ok {
			continue
		}
		problems = append(problems, admitGates(o, deploy)...)
		for i, s := range deploy.Spec.Stages {
			problems = append(problems, overlap(stages, o, i, s)...)
			stages = append(stages, stage{o, i, s.Path})
		}
	}
	return problems
}

func problemAt(o *api.Object, field, message, hint string) api.Problem {
	return api.Problem{Severity: api.SeverityError, Position: o.Position(field), Path: field, Message: message, Hint: hint}
}

// twice refuses a second object with the identity of an earlier one. Objects
// with a generated name have none yet.
func twice(objects []*api.Object) api.Problems {
	type identity struct{ group, kind, namespace, name string }
	first := map[identity]*api.Object{}
	var problems api.Problems
	for _, o := range objects {
		if o.Name == "" {
			continue
		}
		id := identity{o.Group(), o.Kind, o.Namespace, o.Name}
		if earlier, seen := first[id]; seen {
			problems = append(problems, problemAt(o, "metadata.name",
				fmt.Sprintf("%s is declared twice, the first time at %s", o.Title(), earlier.Origin), "rename or remove one"))
			continue
		}
		first[id] = o
	}
	return problems
}

// unsupportedPolicies refuses admission policies: to pass over a rule in silence
// would be to let through what it forbids.
func unsupportedPolicies(objects []*api.Object) api.Problems {
	var problems api.Problems
	for _, o := range objects {
		if o.Group() == "admissionregistration.k8s.io" && strings.HasPrefix(o.Kind, "ValidatingAdmissionPolicy") {
			problems = append(problems, problemAt(o, "kind",
				o.Title()+" is not evaluated by pawl yet", "leave it out of what pawl renders, or apply it to the cluster by other means"))
		}
	}
	return problems
}

func admitGates(o *api.Object, deploy *v1alpha1.ModelDeploy) api.Problems {
	var problems api.Problems
	for i, s := range deploy.Spec.Stages {
		gates := api.IndexPath("spec.stages", i) + ".gates"
		if len(s.Gates) == 0 {
			problems = append(problems, problemAt(o, gates,
				fmt.Sprintf("stage %q has no gates, so nobody judges what is deployed to it", s.Name), `add one, such as {name: accurate, expr: "accuracy > 0.95"}`))
		}
		for j, g := range s.Gates {
			field := api.IndexPath(gates, j) + ".expr"
			program, err := Compile(Gate{Name: g.Name, Expr: g.Expr, OnNoCurrent: Verdict(g.OnNoCurrent)})
			if err != nil {
				problems = append(problems, problemAt(o, field, err.Error(), ""))
				continue
			}
			problems = append(problems, unknownMetrics(o, field, program, deploy.Spec.Candidate.Metrics)...)
		}
	}
	return problems
}

// unknownMetrics refuses a gate that names a metric which is never collected.
func unknownMetrics(o *api.Object, field string, gate *Program, metrics []string) api.Problems {
	if len(metrics) == 0 {
		return nil
	}
	var problems api.Problems
	for _, name := range gate.Metrics() {
		if slices.ContainsFunc(metrics, func(m string) bool { return name == m || strings.HasPrefix(name, m+".") }) {
			continue
		}
		hint := "add it there"
		if near := api.Nearest(name, metrics); near != "" {
			hint = fmt.Sprintf("did you mean %s? else %s", near, hint)
		}
		problems = append(problems, problemAt(o, field,
			fmt.Sprintf("gate %q names the metric %q, which is not among spec.candidate.metrics", gate.Name(), name), hint))
	}
	return problems
}

// stage is a stage seen so far.
type stage struct {
	object *api.Object
	index  int
	path   string
}

// overlap refuses a stage in a folder that belongs to a stage of another
// ModelDeploy: a proposal for the one would change the other. Folders that hold
// nothing, such as an empty path, are another rule's matter.
func overlap(before []stage, o *api.Object, index int, s v1alpha1.Stage) api.Problems {
	if s.Path == "" {
		return nil
	}
	field := api.IndexPath("spec.stages", index) + ".path"
	here := path.Clean(s.Path) + "/"
	for _, b := range before {
		there := path.Clean(b.path) + "/"
		if b.object == o || b.path == "" || !strings.HasPrefix(here, there) && !strings.HasPrefix(there, here) {
			continue
		}
		return api.Problems{problemAt(o, field,
			fmt.Sprintf("folder %s lies in or over %s, the folder of stage %d of %s (%s)", s.Path, b.path, b.index, b.object.Title(), b.object.Origin),
			"give each stage a folder of its own")}
	}
	return nil
}
