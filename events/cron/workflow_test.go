package cron_test

import (
	"testing"
	"time"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"

	"github.com/pawl-dev/pawl/api"
	"github.com/pawl-dev/pawl/events/cron"
)

func TestTriggerIsTheWorkflowOfTheScheduledTime(t *testing.T) {
	objs, ps := api.Decode("cron.yaml", []byte(`apiVersion: argoproj.io/v1alpha1
kind: CronWorkflow
metadata: {name: nightly, namespace: ml}
spec:
  schedules: ["0 3 * * *"]
  workflowMetadata: {labels: {team: fraud}, annotations: {note: x}}
  workflowSpec:
    workflowTemplateRef: {name: train}
    arguments: {parameters: [{name: p, value: "1"}]}
`))
	if err := ps.Err(); err != nil {
		t.Fatal(err)
	}
	due := time.Date(2024, 1, 2, 3, 0, 0, 0, time.FixedZone("", 3600))
	tr, err := cron.Trigger(objs[0], due)
	if err != nil {
		t.Fatal(err)
	}
	const manifest = `{"apiVersion":"argoproj.io/v1alpha1","kind":"Workflow","metadata":{"annotations":{"note":"x","workflows.argoproj.io/scheduled-time":"2024-01-02T02:00:00Z"},"labels":{"team":"fraud","workflows.argoproj.io/cron-workflow":"nightly"},"name":"nightly-1704160800","namespace":"ml"},"spec":{"arguments":{"parameters":[{"name":"p","value":"1"}]},"workflowTemplateRef":{"name":"train"}}}`
	if string(tr.Workflow) != manifest {
		t.Errorf("got\n%s\nwant\n%s", tr.Workflow, manifest)
	}
	if tr.RunName != "nightly-1704160800" || tr.Cron != "nightly" || tr.Namespace != "ml" || !tr.At.Equal(due) {
		t.Errorf("trigger %+v", tr)
	}
	again, err := cron.Trigger(objs[0], due.UTC())
	if err != nil || again.ID != tr.ID {
		t.Errorf("the same time in another zone is %s, not %s; %v", again.ID, tr.ID, err)
	}
	back, ps := api.Decode("trigger", tr.Workflow)
	if _, ok := back[0].Typed.(*wfv1.Workflow); ps.Err() != nil || !ok {
		t.Errorf("decoded again: %+v, %v", back, ps)
	}
}
