package sensor

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	eventsv1 "github.com/argoproj/argo-events/pkg/apis/events/v1alpha1"
	"sigs.k8s.io/yaml"

	"github.com/pawl-dev/pawl/api"
)

// An action is what a trigger template does, of the kinds that pawl carries out.
type action struct {
	log *eventsv1.LogTrigger // else a workflow is submitted
	// path is where the action stands in the template, such as "argoWorkflow".
	path       string
	source     *eventsv1.ArtifactLocation
	parameters []eventsv1.TriggerParameter
}

// A refusal is an error that names a field, below the trigger template.
type refusal struct {
	path, message, hint string
	// byTable marks what the lint's table of fields says as well.
	byTable bool
}

func (r refusal) Error() string { return r.path + ": " + r.message }

// errNoAction is the refusal of a template without any action that pawl runs.
var errNoAction = refusal{message: "it does nothing that pawl runs", hint: "argoWorkflow, k8s (creating a Workflow) or log"}

// actionOf reads what a template does. A field that pawl does not run is refused
// here as well as in the lint, as parameters may have written it.
func actionOf(t *eventsv1.TriggerTemplate) (action, error) {
	var found []action
	if a := t.ArgoWorkflow; a != nil {
		if a.Operation != "" && a.Operation != eventsv1.Submit {
			return action{}, refusal{path: "argoWorkflow.operation", message: fmt.Sprintf("%s is not run by pawl yet", a.Operation), hint: "submit a workflow whose spec.workflowTemplateRef names what is to run"}
		}
		if len(a.Args) > 0 {
			return action{}, refusal{path: "argoWorkflow.args", message: "arguments of argo's command line are not run by pawl yet", hint: "write them into the workflow, by parameters where they come from the event"}
		}
		found = append(found, action{path: "argoWorkflow", source: a.Source, parameters: a.Parameters})
	}
	if k := t.K8s; k != nil {
		if k.Operation != "" && k.Operation != eventsv1.Create {
			return action{}, refusal{path: "k8s.operation", message: fmt.Sprintf("%s is not run by pawl yet", k.Operation), hint: "only the creation of an Argo Workflow is"}
		}
		found = append(found, action{path: "k8s", source: k.Source, parameters: k.Parameters})
	}
	if t.Log != nil {
		found = append(found, action{path: "log", log: t.Log})
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return action{}, errNoAction
	}
	return action{}, refusal{path: found[1].path, message: "stands beside " + found[0].path, hint: "give each a trigger of its own"}
}

// resource is the manifest of the workflow to submit, as JSON, and where it
// stands in the template as JSON; that place is empty for an inline text.
func (a action) resource() (manifest []byte, at string, err error) {
	switch s := a.source; {
	case s != nil && s.Resource != nil:
		return s.Resource.Value, a.path + ".source.resource", nil
	case s != nil && s.Inline != nil:
		j, err := yaml.YAMLToJSON([]byte(*s.Inline))
		if err != nil {
			return nil, "", refusal{path: a.path + ".source.inline", message: err.Error()}
		}
		return j, "", nil
	case s == nil || *s == (eventsv1.ArtifactLocation{}):
		return nil, "", refusal{path: a.path + ".source", message: "is missing", hint: "source.resource holds the workflow"}
	}
	return nil, "", refusal{path: a.path + ".source", message: "is of a kind that is not run by pawl yet", hint: "source.resource holds the workflow", byTable: true}
}

// checkWorkflow refuses what is not a Workflow that can be named.
func checkWorkflow(resource map[string]any) error {
	if !isWorkflow(resource) {
		return fmt.Errorf("a resource of kind %v (%v) is not run by pawl yet, only argoproj.io/v1alpha1 Workflow is", resource["kind"], resource["apiVersion"])
	}
	if nameOf(resource, "name") == "" && nameOf(resource, "generateName") == "" {
		return errors.New("the workflow has no metadata.name and no metadata.generateName")
	}
	return nil
}

func isWorkflow(resource map[string]any) bool {
	version, _ := resource["apiVersion"].(string)
	return strings.HasPrefix(version, "argoproj.io/") && resource["kind"] == "Workflow"
}

// decodeObject reads JSON so that numbers leave as they came.
func decodeObject(doc []byte) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	var m map[string]any
	if err := d.Decode(&m); err != nil || m == nil {
		return nil, errors.Join(errors.New("the resource is no object"), err)
	}
	return m, nil
}

func nameOf(workflow map[string]any, field string) string {
	metadata, _ := workflow["metadata"].(map[string]any)
	name, _ := metadata[field].(string)
	return name
}

// problem makes an api.Problem of an error about the template at path.
func problem(path string, err error) api.Problem {
	p := api.Problem{Severity: api.SeverityError, Path: path, Message: err.Error()}
	if r := (refusal{}); errors.As(err, &r) {
		p.Message, p.Hint = r.message, r.hint
		if r.path != "" {
			p.Path = path + "." + r.path
		}
	}
	return p
}
