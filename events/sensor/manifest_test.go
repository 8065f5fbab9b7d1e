package sensor_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	eventsv1 "github.com/argoproj/argo-events/pkg/apis/events/v1alpha1"
	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"

	"github.com/pawl-dev/pawl/api"
	"github.com/pawl-dev/pawl/events"
	"github.com/pawl-dev/pawl/events/sensor"
)

// A manifest as users write it, through the decoder, to a workflow that the
// decoder reads again.
func TestFromManifestToWorkflow(t *testing.T) {
	objs, ps := api.Decode("sensor.yaml", []byte(`apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: new-data, namespace: ml}
spec:
  dependencies:
  - {name: csv, eventSourceName: files, eventName: dropped}
  triggers:
  - template:
      name: retrain
      argoWorkflow:
        operation: submit
        source:
          resource:
            apiVersion: argoproj.io/v1alpha1
            kind: Workflow
            metadata: {generateName: retrain-}
            spec:
              workflowTemplateRef: {name: train-fraud}
              arguments:
                parameters:
                - {name: data, value: "{{inputs.parameters.file-path}}"}
                - {name: source, value: "?"}
        parameters:
        - src: {dependencyName: csv, dataKey: metadata.team}
          dest: spec.arguments.parameters.1.value
`))
	if err := ps.Err(); err != nil {
		t.Fatal(err)
	}
	e := events.Event{ID: "1", Source: "files", Type: "file", Subject: "dropped", Time: time.Unix(0, 0),
		Data: json.RawMessage(`{"name":"/data/in/may.csv","op":1,"metadata":{"team":"fraud"}}`)}
	out := sensor.Evaluate(context.Background(), objs[0].Typed.(*eventsv1.Sensor), sensor.State{}, e, time.Unix(1, 0))
	if len(out.Triggers) != 1 {
		t.Fatalf("notes %+v", out.Notes)
	}
	back, ps := api.Decode("trigger", out.Triggers[0].Workflow)
	if err := ps.Err(); err != nil {
		t.Fatal(err)
	}
	w := back[0].Typed.(*wfv1.Workflow)
	if p := w.Spec.Arguments.Parameters; w.Namespace != "ml" || p[0].Value.String() != "/data/in/may.csv" || p[1].Value.String() != "fraud" {
		t.Errorf("got %s", out.Triggers[0].Workflow)
	}
}
