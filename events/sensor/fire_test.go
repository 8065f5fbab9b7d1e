package sensor

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	eventsv1 "github.com/argoproj/argo-events/pkg/apis/events/v1alpha1"
	"github.com/tidwall/gjson"

	"github.com/pawl-dev/pawl/events"
)

// submitting is a sensor of files and of objects in a bucket that submits a
// workflow; %s is the rest of the trigger template.
func submitting(t testing.TB, rest string) *eventsv1.Sensor {
	t.Helper()
	indented := strings.ReplaceAll(strings.TrimSpace(rest), "\n", "\n    ")
	indented = strings.ReplaceAll(indented, "\n    - template", "\n  - template")
	return parseSensor(t, fmt.Sprintf(`
metadata: {name: s, namespace: ml}
spec:
  dependencies:
  - {name: file, eventSourceName: files, eventName: new}
  - {name: object, eventSourceName: bucket, eventName: new}
  triggers:
  - %s
`, indented))
}

const train = `
template:
  name: train
  conditions: file || object
  argoWorkflow:
    operation: submit
    source:
      resource:
        apiVersion: argoproj.io/v1alpha1
        kind: Workflow
        metadata: {generateName: train-}
        spec:
          entrypoint: main
          priority: 9007199254740993
          arguments:
            parameters: [{name: data, value: "VALUE"}, {name: other, value: "x"}]
`

func fileEvent(id string) events.Event {
	return events.Event{ID: id, Source: "files", Type: "file", Subject: "new", Time: noon,
		Data: json.RawMessage(`{"name":"/data/in/a b.csv","op":1,"metadata":{"k":"v"}}`)}
}

func objectEvent(id string) events.Event {
	return events.Event{ID: id, Source: "bucket", Type: "minio", Subject: "new", Time: noon,
		Data: json.RawMessage(`{"notification":[{"eventName":"s3:ObjectCreated:Put","s3":{"bucket":{"name":"raw"},"object":{"key":"in%2F2024+%C3%A4.csv","size":3}}}]}`)}
}

func TestTagsInArgumentsAreBoundFromTheEvent(t *testing.T) {
	for _, test := range []struct {
		name, value string
		event       events.Event
		want        string
		refused     string
	}{
		{name: "the whole path of a file", value: "{{inputs.parameters.file-path}}", event: fileEvent("1"), want: "/data/in/a b.csv"},
		{name: "its name, with blanks in the tag and text around it", value: "in={{ inputs.parameters.file-name }};", event: fileEvent("1"), want: "in=a b.csv;"},
		{name: "its operation", value: "{{inputs.parameters.file-op}}", event: fileEvent("1"), want: "CREATE"},
		{name: "the key of an object, decoded", value: "{{inputs.parameters.s3-key}}", event: objectEvent("1"), want: "in/2024 ä.csv"},
		{name: "bucket and kind of event", value: "{{inputs.parameters.s3-bucket}} {{inputs.parameters.s3-event}}", event: objectEvent("1"), want: "raw s3:ObjectCreated:Put"},
		{name: "what every event has", value: "{{inputs.parameters.event-id}} {{inputs.parameters.event-type}} {{inputs.parameters.event-source}} {{inputs.parameters.event-name}} {{inputs.parameters.event-time}}", event: fileEvent("e1"), want: "e1 file files new 2024-05-06T12:00:00Z"},
		{name: "an alias that the event does not have", value: "{{inputs.parameters.s3-key}}", event: fileEvent("1"), refused: "spec.arguments.parameters.0.value: {{inputs.parameters.s3-key}}: the event of file (file) has no s3-key"},
		{name: "a tag of another kind", value: "{{workflow.name}}", event: fileEvent("1"), refused: "{{workflow.name}} is not known to a trigger"},
		{name: "an expression with braces in it", value: `{{=toJson({"a":{"b":1}})}}`, event: fileEvent("1"), refused: "is not known to a trigger"},
		{name: "a tag that is not closed", value: "{{inputs.parameters.s3-key", event: fileEvent("1"), refused: "is not known to a trigger"},
		{name: "no tag", value: "plain } { text", event: fileEvent("1"), want: "plain } { text"},
	} {
		t.Run(test.name, func(t *testing.T) {
			value, _ := json.Marshal(test.value)
			s, st := submitting(t, strings.Replace(train, `"VALUE"`, "'"+strings.ReplaceAll(string(value[1:len(value)-1]), `\"`, `"`)+"'", 1)), State{}
			out := replay(t, s, &st, test.event, noon)
			if test.refused != "" {
				if len(out.Triggers) > 0 || len(out.Notes) != 1 || !out.Notes[0].Failed || !strings.Contains(out.Notes[0].Message, test.refused) {
					t.Fatalf("got %+v, want it refused with %q", out, test.refused)
				}
				return
			}
			if len(out.Triggers) != 1 {
				t.Fatalf("notes %+v", out.Notes)
			}
			if got := gjson.GetBytes(out.Triggers[0].Workflow, "spec.arguments.parameters.0.value").String(); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestATagThatSeveralEventsKnowIsRefused(t *testing.T) {
	s, st := submitting(t, strings.Replace(strings.Replace(train, "VALUE", "{{inputs.parameters.event-id}}", 1), "file || object", "file && object", 1)), State{}
	replay(t, s, &st, fileEvent("1"), noon)
	out := replay(t, s, &st, objectEvent("2"), noon)
	if len(out.Triggers) > 0 || len(out.Notes) != 1 || !strings.Contains(out.Notes[0].Message, "the events of file, object all have event-id") {
		t.Errorf("got %+v", out)
	}
}

func TestTheTriggerOfASubmission(t *testing.T) {
	s, st := submitting(t, train), State{}
	tr := replay(t, s, &st, fileEvent("e1"), noon).Triggers[0]
	want := events.Trigger{
		ID: tr.ID, Operation: events.Submit, Namespace: "ml", Sensor: "s", Name: "train",
		RunName: "train-" + tr.ID[:8], EventIDs: []string{"e1"}, At: noon,
	}
	manifest := `{"apiVersion":"argoproj.io/v1alpha1","kind":"Workflow","metadata":{"generateName":"train-","labels":{"events.argoproj.io/action-timestamp":"1714996800000","events.argoproj.io/sensor":"s","events.argoproj.io/trigger":"train"},"namespace":"ml"},"spec":{"arguments":{"parameters":[{"name":"data","value":"VALUE"},{"name":"other","value":"x"}]},"entrypoint":"main","priority":9007199254740993}}`
	if string(tr.Workflow) != manifest {
		t.Errorf("workflow\n%s\nwant\n%s", tr.Workflow, manifest)
	}
	tr.Workflow = nil
	if fmt.Sprint(tr) != fmt.Sprint(want) {
		t.Errorf("got %+v, want %+v", tr, want)
	}
	// The same events make the same ID, on another server and at another time.
	if again := replay(t, s, &State{}, fileEvent("e1"), noon.AddDate(0, 0, 1)).Triggers[0]; again.ID != tr.ID {
		t.Errorf("again %s, first %s", again.ID, tr.ID)
	}
	if other := replay(t, s, &st, fileEvent("e2"), noon).Triggers[0]; other.ID == tr.ID {
		t.Error("another event has the same ID")
	}
}

func TestParameters(t *testing.T) {
	// Each is the list of argoWorkflow.parameters; want is the workflow at a path.
	for _, test := range []struct {
		name, parameters string
		event            events.Event
		at, want         string // a gjson path and its raw JSON
		refused, note    string
	}{
		{name: "a key of the data", parameters: `[{src: {dependencyName: object, dataKey: notification.0.s3.bucket.name}, dest: spec.arguments.parameters.0.value}]`,
			event: objectEvent("1"), at: "spec.arguments.parameters.0.value", want: `"raw"`},
		{name: "a number is written as text", parameters: `[{src: {dependencyName: object, dataKey: notification.0.s3.object.size}, dest: spec.arguments.parameters.0.value}]`,
			event: objectEvent("1"), at: "spec.arguments.parameters.0.value", want: `"3"`},
		{name: "unless raw data is asked for", parameters: `[{src: {dependencyName: object, dataKey: notification.0.s3.object.size, useRawData: true}, dest: spec.priority}]`,
			event: objectEvent("1"), at: "spec.priority", want: `3`},
		{name: "a block is written as text", parameters: `[{src: {dependencyName: object, dataKey: notification.0.s3.bucket}, dest: spec.arguments.parameters.0.value}]`,
			event: objectEvent("1"), at: "spec.arguments.parameters.0.value", want: `"{\"name\":\"raw\"}"`},
		{name: "and as a block when raw", parameters: `[{src: {dependencyName: object, dataKey: notification.0.s3.bucket, useRawData: true}, dest: metadata.labels}]`,
			event: objectEvent("1"), at: "metadata.labels.name", want: `"raw"`},
		{name: "a text stays a text when raw", parameters: `[{src: {dependencyName: object, dataKey: notification.0.s3.bucket.name, useRawData: true}, dest: metadata.name}]`,
			event: objectEvent("1"), at: "metadata.name", want: `"raw"`},
		{name: "a template over the data", parameters: `[{src: {dependencyName: file, dataTemplate: '{{ .Input.name | base | upper }}'}, dest: spec.arguments.parameters.0.value}]`,
			event: fileEvent("1"), at: "spec.arguments.parameters.0.value", want: `"A B.CSV"`},
		{name: "a key of the context", parameters: `[{src: {dependencyName: file, contextKey: subject}, dest: spec.arguments.parameters.0.value}]`,
			event: fileEvent("1"), at: "spec.arguments.parameters.0.value", want: `"new"`},
		{name: "a template over the context", parameters: `[{src: {dependencyName: file, contextTemplate: '{{ .Input.source }}/{{ .Input.specversion }}'}, dest: spec.arguments.parameters.0.value}]`,
			event: fileEvent("1"), at: "spec.arguments.parameters.0.value", want: `"files/1.0"`},
		{name: "data goes before context", parameters: `[{src: {dependencyName: file, contextKey: id, dataKey: metadata.k}, dest: spec.arguments.parameters.0.value}]`,
			event: fileEvent("1"), at: "spec.arguments.parameters.0.value", want: `"v"`},
		{name: "append", parameters: `[{src: {dependencyName: file, dataKey: metadata.k}, dest: spec.arguments.parameters.1.value, operation: append}]`,
			event: fileEvent("1"), at: "spec.arguments.parameters.1.value", want: `"xv"`},
		{name: "prepend", parameters: `[{src: {dependencyName: file, dataKey: metadata.k}, dest: spec.arguments.parameters.1.value, operation: prepend}]`,
			event: fileEvent("1"), at: "spec.arguments.parameters.1.value", want: `"vx"`},
		{name: "append to what is not there", parameters: `[{src: {dependencyName: file, dataKey: metadata.k}, dest: metadata.labels.new, operation: append}]`,
			event: fileEvent("1"), at: "metadata.labels.new", want: `"v"`},
		{name: "parameters follow one another", parameters: `[{src: {dependencyName: file, dataKey: metadata.k}, dest: metadata.name}, {src: {dependencyName: file, value: "-1"}, dest: metadata.name, operation: append}]`,
			event: fileEvent("1"), at: "metadata.name", want: `"v-1"`},
		{name: "-1 is the end of a list", parameters: `[{src: {dependencyName: file, value: '{"name":"new","value":"1"}', useRawData: true}, dest: spec.arguments.parameters.-1}]`,
			event: fileEvent("1"), at: "spec.arguments.parameters.#", want: `3`},
		{name: "a value alone", parameters: `[{src: {dependencyName: file, value: fixed}, dest: spec.arguments.parameters.0.value}]`,
			event: fileEvent("1"), at: "spec.arguments.parameters.0.value", want: `"fixed"`},
		{name: "an empty value", parameters: `[{src: {dependencyName: file, value: ""}, dest: spec.arguments.parameters.0.value}]`,
			event: fileEvent("1"), at: "spec.arguments.parameters.0.value", want: `""`},
		{name: "no selection is the whole event", parameters: `[{src: {dependencyName: file}, dest: spec.arguments.parameters.0.value}]`,
			event: fileEvent("7"), at: `spec.arguments.parameters.0.value|@fromstr|context.id`, want: `"7"`},
		{name: "a missing key takes the default, and that is said", parameters: `[{src: {dependencyName: file, dataKey: gone, value: instead}, dest: spec.arguments.parameters.0.value}]`,
			event: fileEvent("1"), at: "spec.arguments.parameters.0.value", want: `"instead"`, note: "there is no gone in it; its default is used"},
		{name: "a failing template takes the key", parameters: `[{src: {dependencyName: file, dataTemplate: '{{ .Input.gone.further }}', dataKey: metadata.k}, dest: spec.arguments.parameters.0.value}]`,
			event: fileEvent("1"), at: "spec.arguments.parameters.0.value", want: `"v"`},
		{name: "a missing key without default is refused by the parameter's name", parameters: `[{src: {dependencyName: file, dataKey: gone}, dest: spec.arguments.parameters.0.value}]`,
			event: fileEvent("1"), refused: "parameter 0 (dest spec.arguments.parameters.0.value): event 1 of dependency file: there is no gone in it"},
		{name: "a dependency without event leaves all as it is", parameters: `[{src: {dependencyName: object, dataKey: gone}, dest: spec.arguments.parameters.1.value}]`,
			event: fileEvent("1"), at: "spec.arguments.parameters.1.value", want: `"x"`},
		{name: "or takes the default", parameters: `[{src: {dependencyName: object, dataKey: gone, value: d}, dest: spec.arguments.parameters.1.value}]`,
			event: fileEvent("1"), at: "spec.arguments.parameters.1.value", want: `"d"`},
		{name: "an event's tag in the arguments stays text", parameters: `[{src: {dependencyName: file, dataTemplate: '{{ "{{x}}" }}'}, dest: spec.arguments.parameters.0.value}]`,
			event: fileEvent("1"), at: "spec.arguments.parameters.0.value", want: `"{{x}}"`},
		{name: "an event's tag where a workflow would evaluate it is refused", parameters: `[{src: {dependencyName: file, dataTemplate: '{{ "{{x}}" }}'}, dest: spec.templates.0.container.args.0}]`,
			event: fileEvent("1"), refused: "which the workflow would evaluate there"},
		{name: "a kind that the event made another is refused", parameters: `[{src: {dependencyName: file, value: Pod}, dest: kind}]`,
			event: fileEvent("1"), refused: "a resource of kind Pod (argoproj.io/v1alpha1) is not run by pawl yet"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, st := submitting(t, train+"    parameters: "+test.parameters), State{}
			out := replay(t, s, &st, test.event, noon)
			if test.refused != "" {
				if len(out.Triggers) > 0 || len(out.Notes) != 1 || !out.Notes[0].Failed || !strings.Contains(out.Notes[0].Message, test.refused) {
					t.Fatalf("got %+v, want it refused with %q", out, test.refused)
				}
				return
			}
			if len(out.Triggers) != 1 {
				t.Fatalf("notes %+v", out.Notes)
			}
			if got := gjson.GetBytes(out.Triggers[0].Workflow, test.at).Raw; got != test.want {
				t.Errorf("at %s %s, want %s\nin %s", test.at, got, test.want, out.Triggers[0].Workflow)
			}
			if said := fmt.Sprint(out.Notes); test.note != "" && !strings.Contains(said, test.note) || test.note == "" && len(out.Notes) > 0 {
				t.Errorf("notes %s, want %q", said, test.note)
			}
		})
	}
}

func TestParametersOfTheTriggerPatchItsTemplate(t *testing.T) {
	s, st := submitting(t, strings.Replace(train, "VALUE", "{{inputs.parameters.gone}}", 1)+`
parameters:
- {src: {dependencyName: file, dataKey: metadata.k}, dest: argoWorkflow.source.resource.metadata.name}
- {src: {dependencyName: file, contextKey: id}, dest: argoWorkflow.source.resource.spec.arguments.parameters.0.value}
`), State{}
	if err := Check(s).Err(); err != nil {
		t.Fatal(err) // the tag is overwritten
	}
	out := replay(t, s, &st, fileEvent("e9"), noon)
	if len(out.Triggers) != 1 {
		t.Fatal(out.Notes)
	}
	if tr := out.Triggers[0]; tr.RunName != "v" || gjson.GetBytes(tr.Workflow, "spec.arguments.parameters.0.value").String() != "e9" {
		t.Errorf("got %s", tr.Workflow)
	}
}

func TestAnInlineWorkflowIsBoundAsWell(t *testing.T) {
	s, st := submitting(t, `
template:
  name: t
  conditions: file
  k8s:
    source:
      inline: |
        apiVersion: argoproj.io/v1alpha1
        kind: Workflow
        metadata: {name: fixed, namespace: other}
        spec: {arguments: {parameters: [{name: p, value: "{{inputs.parameters.file-name}}"}]}}
`), State{}
	if err := Check(s).Err(); err != nil {
		t.Fatal(err)
	}
	out := replay(t, s, &st, fileEvent("1"), noon)
	if len(out.Triggers) != 1 {
		t.Fatal(out.Notes)
	}
	tr := out.Triggers[0]
	if tr.RunName != "fixed" || tr.Namespace != "other" || gjson.GetBytes(tr.Workflow, "spec.arguments.parameters.0.value").String() != "a b.csv" {
		t.Errorf("got %+v %s", tr, tr.Workflow)
	}
}

func TestCheckOfTriggers(t *testing.T) {
	const params = train + "    parameters: "
	for _, test := range []struct {
		name, trigger string
		want          []string
	}{
		{"a good one", train, nil},
		{"two of one name", train + "- template: {name: train, conditions: file, log: {}}", []string{`error: spec.triggers[1].template.name: "train" is the name of another trigger`}},
		{"nothing to do", "template: {name: t}", []string{"error: spec.triggers[0].template: it does nothing that pawl runs"}},
		{"two things to do", "template: {name: t, log: {}, k8s: {}}", []string{"error: spec.triggers[0].template.log: stands beside k8s"}},
		{"no name", "template: {log: {}}", []string{"error: spec.triggers[0].template.name: is missing"}},
		{"a condition on nobody", "template: {name: t, conditions: nobody, log: {}}", []string{`error: spec.triggers[0].template.conditions: condition "nobody", column 1`}},
		{"a reset that is no schedule", "template: {name: t, log: {}, conditionsReset: [{byTime: {cron: often}}]}", []string{"error: spec.triggers[0].template.conditionsReset[0].byTime.cron"}},
		{"another operation", strings.Replace(train, "operation: submit", "operation: resubmit", 1), []string{"error: spec.triggers[0].template.argoWorkflow.operation: resubmit is not run by pawl yet"}},
		{"no operation", strings.Replace(train, "operation: submit", "args: []", 1), []string{"note: spec.triggers[0].template.argoWorkflow.operation"}},
		{"arguments of the command line", strings.Replace(train, "operation: submit", "args: [-p]", 1), []string{"error: spec.triggers[0].template.argoWorkflow.args"}},
		{"another source (said by the table of fields)", "template: {name: t, k8s: {source: {file: {path: /x}}}}", nil},
		{"no source", "template: {name: t, k8s: {}}", []string{"error: spec.triggers[0].template.k8s.source: is missing"}},
		{"another kind", strings.Replace(train, "kind: Workflow", "kind: Pod", 1), []string{"error: spec.triggers[0].template.argoWorkflow.source.resource: a resource of kind Pod"}},
		{"a workflow without a name", strings.Replace(train, "generateName: train-", "labels: {}", 1), []string{"source.resource: the workflow has no metadata.name"}},
		{"a tag that is bound", strings.Replace(train, "VALUE", "{{inputs.parameters.s3-key}}", 1), []string{"note: spec.triggers[0].template.argoWorkflow.source.resource.spec.arguments.parameters[0].value: {{inputs.parameters.s3-key}} is bound from the event, which must be of an event source of kind minio"}},
		{"a tag that nobody knows", strings.Replace(train, "VALUE", "{{inputs.parameters.gone}}", 1), []string{"error: spec.triggers[0].template.argoWorkflow.source.resource.spec.arguments.parameters[0].value: {{inputs.parameters.gone}} is not known"}},
		{"a tag that a parameter overwrites", strings.Replace(params, "VALUE", "{{x}}", 1) + "[{src: {dependencyName: file}, dest: spec.arguments.parameters.0.value}]", nil},
		{"a tag that a parameter appends to", strings.Replace(params, "VALUE", "{{x}}", 1) + "[{src: {dependencyName: file}, dest: spec.arguments.parameters.0.value, operation: append}]", []string{"{{x}} is not known"}},
		{"a parameter without dest and src", params + "[{}]", []string{"parameters[0].dest: is missing", "parameters[0].src: is missing"}},
		{"a parameter of nobody", params + "[{src: {dependencyName: x}, dest: a}]", []string{`parameters[0].src.dependencyName: "x" is no dependency`}},
		{"a dest with a query", params + "[{src: {dependencyName: file}, dest: 'a.#(b==1).c'}]", []string{"selects by a query"}},
		{"a dest far behind the end", params + "[{src: {dependencyName: file}, dest: a.1000000}]", []string{"parameters[0].dest: index 1000000 is larger"}},
		{"an operation that is none", params + "[{src: {dependencyName: file}, dest: a, operation: add}]", []string{`parameters[0].operation: "add" is not one`}},
		{"a broken template", params + "[{src: {dependencyName: file, dataTemplate: '{{'}, dest: a}]", []string{"parameters[0].src.dataTemplate"}},
		{"data and context", params + "[{src: {dependencyName: file, dataKey: a, contextKey: b}, dest: a}]", []string{"warning: spec.triggers[0].template.argoWorkflow.parameters[0].src"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			ps := Check(submitting(t, test.trigger))
			if len(ps) != len(test.want) {
				t.Fatalf("got %d: %v, want %q", len(ps), ps, test.want)
			}
			for i, p := range ps {
				if !strings.Contains(p.String(), test.want[i]) {
					t.Errorf("got %s, want %s", p, test.want[i])
				}
			}
		})
	}
}

func TestCheckOfDependencies(t *testing.T) {
	s := parseSensor(t, `{metadata: {name: s}, spec: {dependencies: [{name: a, eventSourceName: x, eventName: y}, {name: a, eventName: y}], triggers: []}}`)
	var got []string
	for _, p := range Check(s) {
		got = append(got, p.Path)
	}
	if want := []string{"spec.dependencies[1].eventSourceName", "spec.dependencies[1].name", "spec.triggers"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func FuzzParameters(f *testing.F) {
	f.Add("notification.0.s3.object.key", "", "spec.arguments.parameters.0.value", "append", `{"a":1}`, false)
	f.Add("a", "{{ .Input.a }}", "spec.x.-1", "", `{"a":{"b":[1]}}`, true)
	f.Add("@this", "", "metadata", "prepend", `[]`, true)
	f.Fuzz(func(t *testing.T, key, tmpl, dest, op, data string, raw bool) {
		if checkDest(dest) != nil || !json.Valid([]byte(data)) || len(tmpl) > 200 || strings.Contains(tmpl, "gen") || strings.Contains(tmpl, "until") || strings.Contains(tmpl, "repeat") || strings.Contains(tmpl, "seq") {
			return
		}
		p := patcher{events: map[string]events.Event{"d": {ID: "1", Data: json.RawMessage(data)}}, now: noon,
			isData: isData, note: func(string) {}}
		doc, err := p.apply([]byte(`{"metadata":{"name":"n"},"spec":{"arguments":{"parameters":[{"name":"p"}]}}}`), []eventsv1.TriggerParameter{{
			Src:  &eventsv1.TriggerParameterSource{DependencyName: "d", DataKey: key, DataTemplate: tmpl, UseRawData: raw},
			Dest: dest, Operation: eventsv1.TriggerParameterOperation(op),
		}})
		if err == nil && !json.Valid(doc) {
			t.Errorf("the document is no JSON any more: %s", doc)
		}
	})
}
