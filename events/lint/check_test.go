package lint_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	eventsv1 "github.com/argoproj/argo-events/pkg/apis/events/v1alpha1"

	"github.com/pawl-dev/pawl/api"
	"github.com/pawl-dev/pawl/events/lint"
)

func check(t testing.TB, file, text string) (objs []*api.Object, said []string) {
	t.Helper()
	objs, ps := api.Decode(file, []byte(text))
	if err := ps.Err(); err != nil {
		t.Fatal(err)
	}
	for _, obj := range objs {
		for _, p := range lint.Check(obj) {
			said = append(said, p.String())
		}
	}
	return objs, said
}

const sensorHead = `apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: s}
spec:
`

const sensorTail = `  dependencies:
  - name: d
    eventSourceName: e
    eventName: new
  triggers:
  - template: {name: t, log: {}}
`

const cronHead = `apiVersion: argoproj.io/v1alpha1
kind: CronWorkflow
metadata: {name: c}
spec:
  schedules: ["0 3 * * *"]
  workflowSpec: {entrypoint: main}
`

const sourceHead = `apiVersion: argoproj.io/v1alpha1
kind: EventSource
metadata: {name: e}
spec:
`

func TestEveryFieldIsHonouredOrSaid(t *testing.T) {
	for _, test := range []struct {
		name, manifest string
		want           []string
	}{
		{"a sensor of pods' fields", sensorHead + `  template: {serviceAccountName: x}
  replicas: 2
  eventBusName: b
` + sensorTail, []string{
			"f.yaml:7: note: spec.eventBusName: has no meaning here",
			"f.yaml:6: note: spec.replicas: has no meaning here",
			"f.yaml:5: note: spec.template: has no meaning here",
		}},
		{"fields that say what is so without them", sensorHead + `  replicas: 0
  errorOnFailedRound: false
  template: {}
` + sensorTail, nil},
		{"a script", sensorHead + strings.Replace(sensorTail, "eventName: new", "eventName: new\n    filters: {script: x}\n    transform: {script: z}", 1), []string{
			"f.yaml:9: error: spec.dependencies[0].filters.script: is not run by pawl yet (say it by data or exprs)",
			"f.yaml:10: error: spec.dependencies[0].transform.script: is not run by pawl yet (say it by jq)",
		}},
		{"context members that are not compared", sensorHead + strings.Replace(sensorTail, "eventName: new", "eventName: new\n    filters: {context: {type: x, id: z}}", 1), []string{
			"f.yaml:9: note: spec.dependencies[0].filters.context.id: has no meaning here",
		}},
		{"another trigger", sensorHead + strings.Replace(sensorTail, "log: {}", "http: {url: x}", 1), []string{
			"f.yaml:10: error: spec.triggers[0].template.http: is not run by pawl yet (run are: argoWorkflow, conditions, conditionsReset, k8s, log, name)",
		}},
		{"another trigger beside one", sensorHead + strings.Replace(sensorTail, "log: {}", "log: {intervalSeconds: 3}, slack: {channel: x}", 1), []string{
			"f.yaml:10: error: spec.triggers[0].template.slack: is not run by pawl yet",
		}},
		{"what surrounds a trigger", sensorHead + sensorTail + `    atLeastOnce: true
    retryStrategy: {steps: 3}
    policy: {k8s: {labels: {a: b}}}
    rateLimit: {unit: Second}
`, []string{
			"f.yaml:11: note: spec.triggers[0].atLeastOnce: has no meaning here: pawl records",
			"f.yaml:13: error: spec.triggers[0].policy: is not run by pawl yet",
			"f.yaml:14: error: spec.triggers[0].rateLimit: is not run by pawl yet",
			"f.yaml:12: note: spec.triggers[0].retryStrategy: has no meaning here",
		}},
		{"a resource that is no workflow", sensorHead + strings.Replace(sensorTail, "log: {}", "k8s: {source: {resource: {apiVersion: v1, kind: Pod, metadata: {name: p}}}, parameters: [{src: {dependencyName: d}, dest: spec.x}]}", 1), []string{
			"f.yaml:10: error: spec.triggers[0].template.k8s.source.resource: a resource of kind Pod (v1) is not run by pawl yet",
		}},
		{"a sensor of nothing", sensorHead + "  {}\n", []string{
			"f.yaml:4: error: spec.dependencies: is empty", "f.yaml:4: error: spec.triggers: is empty",
		}},
		{"a cron workflow", cronHead, nil},
		{"a cron workflow with all that is honoured", cronHead + `  timezone: Europe/Berlin
  suspend: true
  concurrencyPolicy: Replace
  startingDeadlineSeconds: 60
  workflowMetadata: {labels: {a: b}, annotations: {c: d}}
`, nil},
		{"a cron workflow with what is not", cronHead + `  when: "true"
  stopStrategy: {expression: "true"}
  successfulJobsHistoryLimit: 3
  workflowMetadata: {name: x}
`, []string{
			"f.yaml:8: error: spec.stopStrategy: is not run by pawl yet",
			"f.yaml:9: note: spec.successfulJobsHistoryLimit: has no meaning here",
			"f.yaml:7: error: spec.when: is not run by pawl yet",
			"f.yaml:10: note: spec.workflowMetadata.name: has no meaning here: runs are named",
		}},
		{"a cron workflow without a workflow", strings.Replace(cronHead, "workflowSpec: {entrypoint: main}", "suspend: true", 1), []string{
			"f.yaml:4: error: spec.workflowSpec: is missing",
		}},
		{"a cron workflow with a wrong schedule", strings.Replace(cronHead, "0 3", "60 3", 1), []string{
			"f.yaml:5: error: spec.schedules[0]: schedule \"60 3 * * *\": end of range (60)",
		}},
		{"a file event", sourceHead + `  file:
    new:
      eventType: CREATE
      watchPathConfig: {directory: /data, pathRegexp: '.*'}
      polling: true
      metadata: {a: b}
`, nil},
		{"a file event with a filter", sourceHead + `  file:
    new.data:
      eventType: CREATE
      watchPathConfig: {directory: /data, path: x}
      filter: {expression: "true"}
`, []string{`f.yaml:9: error: spec.file["new.data"].filter: is not run by pawl yet (filter in the Sensor`}},
		{"a file event with a wrong operation", sourceHead + `  file:
    new:
      eventType: create
      watchPathConfig: {directory: /data, path: x}
`, []string{`f.yaml:7: error: spec.file.new.eventType: "create" is not one (one of CREATE,`}},
		{"another kind of event source", sourceHead + `  service: {ports: [{port: 1}]}
  kafka:
    new: {url: x}
`, []string{
			"f.yaml:6: error: spec.kafka: is not run by pawl yet (run are: file)", "f.yaml:5: note: spec.service: has no meaning here",
		}},
		{"an event source of nothing", sourceHead + "  eventBusName: b\n", []string{
			"note: spec.eventBusName", "f.yaml:4: error: spec: names no event",
		}},
		{"another kind of object", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: b}\n", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, said := check(t, "f.yaml", test.manifest)
			if len(said) != len(test.want) {
				t.Fatalf("got %d:\n%s\nwant %q", len(said), strings.Join(said, "\n"), test.want)
			}
			for i, want := range test.want {
				if !strings.Contains(said[i], want) {
					t.Errorf("got  %s\nwant %s", said[i], want)
				}
			}
		})
	}
}

func TestSensorsAndSourcesFitEachOther(t *testing.T) {
	const two = sourceHead + `  file: {new: {eventType: CREATE, watchPathConfig: {directory: /d, path: x}}}
---
`
	submit := func(source, event, tag string) string {
		return two + sensorHead + fmt.Sprintf(`  dependencies: [{name: d, eventSourceName: %s, eventName: %s}]
  triggers:
  - template:
      name: t
      argoWorkflow:
        operation: submit
        source:
          resource:
            apiVersion: argoproj.io/v1alpha1
            kind: Workflow
            metadata: {name: w}
            spec:
              arguments:
                parameters: [{name: p, value: %q}]
`, source, event, tag)
	}
	for _, test := range []struct {
		name, manifests string
		want            []string
	}{
		{"a file's path of a file", submit("e", "new", "{{inputs.parameters.file-path}}"), nil},
		{"an object's key of a file", submit("e", "new", "{{inputs.parameters.s3-key}}"), []string{
			"f.yaml:24: error: spec.triggers[0].template.argoWorkflow.source.resource.spec.arguments.parameters[0].value: {{inputs.parameters.s3-key}}: an event of kind file has no s3-key (map the value by parameters)",
		}},
		{"an event that the source does not have", submit("e", "mew", "x"), []string{"f.yaml:11: error: spec.dependencies[0].eventName: EventSource e has no event mew (did you mean new?)"}},
		{"a source that is not there", submit("f", "new", "{{inputs.parameters.s3-key}}"), []string{"f.yaml:11: warning: spec.dependencies[0].eventSourceName: there is no EventSource f beside the sensor"}},
		{"a source in another namespace", strings.Replace(submit("e", "new", "x"), "{name: e}", "{name: e, namespace: other}", 1), []string{"there is no EventSource e beside the sensor"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			objs, _ := check(t, "f.yaml", test.manifests)
			ps := lint.CheckSources(objs)
			if len(ps) != len(test.want) {
				t.Fatalf("got %v, want %q", ps, test.want)
			}
			for i, want := range test.want {
				if !strings.Contains(ps[i].String(), want) {
					t.Errorf("got  %s\nwant %s", ps[i], want)
				}
			}
		})
	}
}

// corpus is the folder of manifests that others wrote, or the test is skipped.
func corpus(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("PAWL_CORPUS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "corpus")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("the corpus of manifests is not there (PAWL_CORPUS says where): %v", err)
	}
	return dir
}

// Every manifest of the corpus is judged; an error names a field that pawl does
// not run, or one that Argo Events could not run either.
func TestCorpus(t *testing.T) {
	documents, clean := 0, 0
	reasons := map[string]int{}
	err := filepath.WalkDir(filepath.Join(corpus(t), "argo-events"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".yaml") && !strings.HasSuffix(path, ".yml") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		objs, _ := api.Decode(path, text)
		for _, obj := range objs {
			documents++
			ps := lint.Check(obj)
			if ps.Err() == nil {
				clean++
			}
			if supported(obj) && ps.Err() != nil {
				t.Errorf("%s uses only what pawl runs, but:\n%v", path, ps.Err())
			}
			for _, p := range ps {
				if p.Severity == api.SeverityError {
					reasons[fmt.Sprintf("%s %s: %s", obj.Kind, p.Path, p.Message)]++
				}
				if p.Line == 0 {
					t.Errorf("%s has no line", p)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if documents < 90 {
		t.Errorf("only %d documents", documents)
	}
	t.Logf("%d documents, %d without error", documents, clean)
	for r, n := range reasons {
		t.Logf("%3d %s", n, r)
	}
}

// supported reports by the typed object whether it uses only what pawl runs: it
// is another way to the same judgement than the tables.
func supported(obj *api.Object) bool {
	switch o := obj.Typed.(type) {
	case *eventsv1.EventSource:
		return len(o.Spec.File) > 0
	case *eventsv1.Sensor:
		for _, d := range o.Spec.Dependencies {
			if f := d.Filters; f != nil && f.Script != "" || d.Transform != nil && d.Transform.Script != "" {
				return false
			}
		}
		for _, t := range o.Spec.Triggers {
			if !supportedTrigger(t) {
				return false
			}
		}
		return true
	}
	return false
}

func supportedTrigger(t eventsv1.Trigger) bool {
	if t.Policy != nil || t.RateLimit != nil || t.DlqTrigger != nil {
		return false
	}
	var source *eventsv1.ArtifactLocation
	switch {
	case t.Template.Log != nil:
		return true
	case t.Template.K8s != nil:
		if op := t.Template.K8s.Operation; op != "" && op != eventsv1.Create {
			return false
		}
		source = t.Template.K8s.Source
	case t.Template.ArgoWorkflow != nil:
		if t.Template.ArgoWorkflow.Operation != eventsv1.Submit || len(t.Template.ArgoWorkflow.Args) > 0 {
			return false
		}
		source = t.Template.ArgoWorkflow.Source
	default:
		return false
	}
	return source != nil && source.Resource != nil && strings.Contains(string(source.Resource.Value), `"kind":"Workflow"`)
}

func TestTheSourceDocumentsSensorIsBound(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(corpus(t), "source", "retrain-trigger.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	_, said := check(t, "retrain-trigger.yaml", string(text))
	if len(said) != 1 || !strings.Contains(said[0], "note: spec.triggers[0].template.argoWorkflow.source.resource.spec.arguments.parameters[0].value: {{inputs.parameters.s3-key}} is bound from the event") || !strings.HasPrefix(said[0], "retrain-trigger.yaml:27: ") {
		t.Errorf("got %q", said)
	}
}
