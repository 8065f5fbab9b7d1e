package cron

import (
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/pawl-dev/pawl/api"
	"github.com/pawl-dev/pawl/events"
)

// The names by which Argo marks the children of a CronWorkflow.
const (
	LabelCron           = "workflows.argoproj.io/cron-workflow"
	AnnotationScheduled = "workflows.argoproj.io/scheduled-time"
)

// Trigger is the request for the run of a CronWorkflow that is due at the given
// time, or that a person wants now.
func Trigger(obj *api.Object, at time.Time) (events.Trigger, error) {
	spec, ok := obj.Raw["spec"].(map[string]any)
	if !ok {
		return events.Trigger{}, fmt.Errorf("cron workflow %s: spec is missing", obj.Name)
	}
	given, _ := spec["workflowMetadata"].(map[string]any)
	labels, annotations := map[string]any{}, map[string]any{}
	if m, ok := given["labels"].(map[string]any); ok {
		maps.Copy(labels, m)
	}
	if m, ok := given["annotations"].(map[string]any); ok {
		maps.Copy(annotations, m)
	}
	labels[LabelCron] = obj.Name
	annotations[AnnotationScheduled] = at.UTC().Format(time.RFC3339)
	name := Child(obj.Name, at)
	metadata := map[string]any{"name": name, "labels": labels, "annotations": annotations}
	if obj.Namespace != "" {
		metadata["namespace"] = obj.Namespace
	}
	manifest, err := json.Marshal(map[string]any{
		"apiVersion": "argoproj.io/v1alpha1",
		"kind":       "Workflow",
		"metadata":   metadata,
		"spec":       spec["workflowSpec"],
	})
	if err != nil {
		return events.Trigger{}, fmt.Errorf("cron workflow %s: encoding its workflow: %w", obj.Name, err)
	}
	return events.Trigger{
		ID:        events.NewID("cron", obj.Namespace, obj.Name, fmt.Sprint(at.Unix())),
		Operation: events.Submit, Namespace: obj.Namespace, Cron: obj.Name,
		Workflow: manifest, RunName: name, At: at,
	}, nil
}
