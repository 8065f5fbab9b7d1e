package plan

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pawl-dev/pawl/api"
	"github.com/pawl-dev/pawl/engine/attempt"
)

var created = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// input makes an Input of manifests: the Workflow, and the others as library.
func input(t *testing.T, file, manifests string) Input {
	t.Helper()
	objects, problems := api.Decode(file, []byte(manifests))
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	in := Input{Name: "wf", Namespace: "ns", UID: "u", Created: created}
	for _, o := range objects {
		if o.Kind == "Workflow" {
			in.Workflow = o
		} else {
			in.Library = append(in.Library, o)
		}
	}
	return in
}

func must(t *testing.T, in Input) *Plan {
	t.Helper()
	p, problems := Compile(in)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	return p
}

const head = "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {generateName: wf-}\nspec:\n"

func spec(text string) string {
	return head + "  " + strings.ReplaceAll(strings.Trim(text, "\n"), "\n", "\n  ") + "\n"
}

// one is a workflow whose only template has the given fields.
func one(fields string) string {
	return spec("entrypoint: main\ntemplates:\n- name: main\n  " + strings.ReplaceAll(strings.Trim(fields, "\n"), "\n", "\n  "))
}

func TestWhatIsRefused(t *testing.T) {
	pod := "\n- name: pod\n  inputs: {parameters: [{name: p}], artifacts: [{name: a, path: /a}]}\n  outputs: {parameters: [{name: o, valueFrom: {path: /o}}]}\n  container: {image: x}\n"
	dag := func(tasks string) string {
		return spec("entrypoint: main\ntemplates:\n- name: main\n  dag:\n    tasks:\n    " + strings.ReplaceAll(strings.Trim(tasks, "\n"), "\n", "\n    ") + pod + "- name: ok\n  outputs: {parameters: [{name: o, valueFrom: {path: /o}}]}\n  container: {image: x}")
	}
	for _, c := range []struct {
		name, manifest string
		line           int
		want           string
	}{
		{"no entrypoint", spec("templates: []"), 4, "spec.entrypoint is required"},
		{"an entrypoint that is not defined", spec("entrypoint: mian\ntemplates:\n- name: main\n  container: {image: x}"), 5, "names template mian which is not defined (did you mean main?)"},
		{"a template that is not defined", dag("- {name: a, template: okk}"), 10, "names template okk which is not defined (did you mean ok?)"},
		{"a template twice", spec("entrypoint: main\ntemplates:\n- name: main\n  container: {image: x}\n- name: main\n  container: {image: x}"), 9, "template name 'main' is not unique"},
		{"a template of no type", one("inputs: {}"), 7, "template type unspecified (choose one of: container, script, steps, dag)"},
		{"a template of two types", one("container: {image: x}\nscript: {image: x, source: s}"), 7, "multiple template types specified: container, script"},
		{"a cycle", dag("- {name: a, template: ok, dependencies: [b]}\n- {name: b, template: ok, dependencies: [c]}\n- {name: c, template: ok, dependencies: [a]}"), 10, "dependency cycle detected: a->b->c->a"},
		{"a task that needs itself", dag("- {name: a, template: ok, dependencies: [a]}"), 10, "dependency cycle detected: a->a"},
		{"an unknown dependency", dag("- {name: ab, template: ok}\n- {name: b, template: ok, dependencies: [aa]}"), 11, "names task aa which is not defined"},
		{"a task twice", dag("- {name: a, template: ok}\n- {name: a, template: ok}"), 11, "task name 'a' is not unique"},
		{"depends and dependencies", dag("- {name: a, template: ok}\n- {name: b, template: ok, depends: a}\n- {name: c, template: ok, dependencies: [a]}"), 12, "dependencies cannot be used in a dag in which a task has depends"},
		{"a depends of no known result", dag("- {name: a, template: ok}\n- {name: b, template: ok, depends: a.Done}"), 11, "task result 'Done' for task 'a' is invalid"},
		{"an items-based condition without items", dag("- {name: a, template: ok}\n- {name: b, template: ok, depends: a.AnySucceeded}"), 11, "a uses an items-based condition such as .AnySucceeded or .AllFailed but does not contain any items"},
		{"an unknown target", spec("entrypoint: main\ntemplates:\n- name: main\n  dag:\n    target: zz\n    tasks: [{name: a, template: main}]"), 9, "target 'zz' is not defined"},
		{"an argument that is missing", dag("- {name: a, template: pod, arguments: {artifacts: [{name: a, raw: {data: x}}]}}"), 10, "inputs.parameters.p was not supplied"},
		{"an artifact that is missing", dag("- {name: a, template: pod, arguments: {parameters: [{name: p, value: x}]}}"), 10, "inputs.artifacts.a was not supplied"},
		{"an output that does not exist", dag("- {name: a, template: ok}\n- {name: b, template: ok, dependencies: [a], when: \"{{tasks.a.outputs.parameters.oo}} == 1\"}"), 11, "failed to resolve {{tasks.a.outputs.parameters.oo}}"},
		{"an output of a task that need not be over", dag("- {name: a, template: ok}\n- {name: b, template: ok, when: \"{{tasks.a.outputs.parameters.o}} == 1\"}"), 11, "missing dependency 'a' for {{tasks.a.outputs.parameters.o}}"},
		{"an artifact that nobody makes", dag("- {name: a, template: ok}\n- {name: b, template: pod, dependencies: [a], arguments: {parameters: [{name: p, value: x}], artifacts: [{name: a, from: \"{{tasks.a.outputs.artifacts.m}}\"}]}}"), 11, "failed to resolve {{tasks.a.outputs.artifacts.m}}"},
		{"a step that looks at its own group", spec("entrypoint: main\ntemplates:\n- name: main\n  steps:\n  - - {name: a, template: pod}\n    - {name: b, template: pod, when: \"{{steps.a.status}} == x\"}\n- name: pod\n  container: {image: x}"), 10, "failed to resolve {{steps.a.status}}"},
		{"an unknown input", one("container: {image: x, args: [\"{{inputs.parameters.q}}\"]}"), 8, "failed to resolve {{inputs.parameters.q}}"},
		{"an unknown workflow parameter", spec("entrypoint: main\narguments: {parameters: [{name: epochs, value: 1}]}\ntemplates:\n- name: main\n  container: {image: x, args: [\"{{workflow.parameters.epoch}}\"]}"), 9, "failed to resolve {{workflow.parameters.epoch}} (did you mean epochs?)"},
		{"an item outside a loop", dag("- {name: a, template: ok, when: \"{{item}} == 1\"}"), 10, "failed to resolve {{item}}"},
		{"a tag without an end", one("container: {image: x, args: [\"{{inputs\"]}"), 8, "no }} ends the tag"},
		{"a path made of a path", one("outputs: {artifacts: [{name: a, path: \"{{outputs.artifacts.a.path}}\"}]}\ncontainer: {image: x}"), 8, "{{outputs.artifacts.a.path}} cannot be part of a path"},
		{"two loops", dag("- {name: a, template: ok, withItems: [1], withParam: \"[]\"}"), 10, "only one of withItems, withParam and withSequence may be given"},
		{"a withParam that is no list", dag("- {name: a, template: ok, withParam: \"{}\"}"), 10, "withParam value could not be parsed as a JSON list"},
		{"a workflow parameter without a value", spec("entrypoint: main\narguments: {parameters: [{name: p}]}\ntemplates:\n- name: main\n  container: {image: x}"), 6, "spec.arguments.p.value or spec.arguments.p.valueFrom is required"},
		{"a volume that is not defined", one("container: {image: x, volumeMounts: [{name: work, mountPath: /w}]}"), 8, "volume 'work' not found in workflow spec"},
		{"a mount path twice", spec("entrypoint: main\nvolumes: [{name: v, emptyDir: {}}]\ntemplates:\n- name: main\n  container: {image: x, volumeMounts: [{name: v, mountPath: /w}, {name: v, mountPath: /w}]}"), 9, "mountPath '/w' is already mounted"},
		{"a retry policy of no known name", one("retryStrategy: {retryPolicy: Sometimes}\ncontainer: {image: x}"), 8, "Sometimes is not a valid RetryPolicy"},
		{"a back-off without a duration", one("retryStrategy: {backoff: {factor: 2}}\ncontainer: {image: x}"), 8, "no base duration specified for retryStrategy"},
		{"a timeout that is no duration", one("timeout: 4 hours\ncontainer: {image: x}"), 8, "\"4 hours\" is not a duration"},
		{"a timeout of steps", spec("entrypoint: main\ntemplates:\n- name: main\n  timeout: 1s\n  steps: [[{name: a, template: b}]]\n- name: b\n  container: {image: x}"), 8, "Steps template doesn't support timeout field"},
		{"a config map that is not there", spec("entrypoint: main\narguments: {parameters: [{name: p, valueFrom: {configMapKeyRef: {name: cm, key: k}}}]}\ntemplates:\n- name: main\n  container: {image: x}"), 6, "names ConfigMap cm which is not defined"},
		{"a library template that is not there", dag("- {name: a, templateRef: {name: lib, template: x}}"), 10, "names WorkflowTemplate lib which is not defined"},
		{"a suspend template", one("suspend: {}"), 8, "spec.templates[0].suspend: is not run by pawl yet"},
		{"a container set", one("containerSet: {containers: [{name: main, image: x}]}"), 8, "spec.templates[0].containerSet: is not run by pawl yet (give each container a template of its own)"},
		{"a hook", dag("- {name: a, template: ok, hooks: {running: {template: ok, expression: \"true\"}}}"), 10, "spec.templates[0].dag.tasks[0].hooks: is not run by pawl yet"},
		{"a secret", one("container: {image: x, env: [{name: E, valueFrom: {secretKeyRef: {name: s, key: k}}}]}"), 8, "spec.templates[0].container.env[0].valueFrom.secretKeyRef: is not run by pawl yet"},
		{"an artifact in s3", one("inputs: {artifacts: [{name: a, path: /a, s3: {key: k}}]}\ncontainer: {image: x}"), 8, "spec.templates[0].inputs.artifacts[0].s3: is not run by pawl yet"},
		{"a default that reads an input below it", one("inputs: {parameters: [{name: a, value: \"{{inputs.parameters.b}}\"}, {name: b, value: x}]}\ncontainer: {image: x}"), 8, "failed to resolve {{inputs.parameters.b}} (a default sees the inputs.parameters declared above it)"},
		{"an output of two origins", one("outputs: {parameters: [{name: o, value: x, valueFrom: {path: /o}}]}\ncontainer: {image: x}"), 8, "outputs.parameters.o has both value and valueFrom (keep one of them)"},
		{"the path of an output that is no file", one("outputs: {parameters: [{name: o, value: x}]}\ncontainer: {image: x, args: [\"{{outputs.parameters.o.path}}\"]}"), 9, "failed to resolve {{outputs.parameters.o.path}}"},
		{"a tag in the name of an output", one("inputs: {parameters: [{name: p, value: x}]}\noutputs: {artifacts: [{name: \"a-{{inputs.parameters.p}}\", path: /a}]}\ncontainer: {image: x}"), 9, "a tag in a name is not run by pawl yet: a-{{inputs.parameters.p}} (write the name out)"},
		{"a mutex", spec("entrypoint: main\nsynchronization: {mutexes: [{name: m}]}\ntemplates:\n- name: main\n  container: {image: x}"), 6, "spec.synchronization: is not run by pawl yet"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, problems := Compile(input(t, "wf.yaml", c.manifest))
			if p != nil {
				t.Fatal("it was compiled")
			}
			for _, problem := range problems {
				if problem.Severity == api.SeverityError && strings.Contains(problem.String(), c.want) {
					if problem.Line != c.line || problem.File != "wf.yaml" {
						t.Errorf("said of %s:%d, want line %d", problem.File, problem.Line, c.line)
					}
					return
				}
			}
			t.Errorf("the problems are\n%v\nwant %s", problems.Error(), c.want)
		})
	}
}

func TestEmptyFieldsAreNotRefused(t *testing.T) {
	must(t, input(t, "wf.yaml", one("daemon: false\nsidecars: []\npodSpecPatch: \"\"\ncontainer: {image: x}")))
}

func TestFieldsWithoutMeaningAreSaidOnce(t *testing.T) {
	p := must(t, input(t, "wf.yaml", spec(`
entrypoint: main
serviceAccountName: argo
templates:
- name: main
  nodeSelector: {a: b}
  tolerations: [{operator: Exists}]
  container: {image: x}
- name: other
  nodeSelector: {a: c}
  container: {image: z, livenessProbe: {httpGet: {port: 1}}}
`)))
	var got []string
	for _, n := range p.Unused {
		got = append(got, n.Path)
	}
	want := "spec.serviceAccountName spec.templates[0].nodeSelector spec.templates[0].tolerations spec.templates[1].container.livenessProbe"
	if strings.Join(got, " ") != want {
		t.Errorf("said are %v", got)
	}
}

func TestMLPipelineNamesItsMissingTemplate(t *testing.T) {
	data, err := os.ReadFile("testdata/ml-pipeline.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, problems := Compile(input(t, "ml-pipeline.yaml", string(data)))
	if len(problems) != 1 || !strings.HasPrefix(problems[0].String(), "ml-pipeline.yaml:47: error: spec.templates[0].dag.tasks[2].template: names template evaluate-model which is not defined") {
		t.Fatalf("the problems are %v", problems)
	}
	p := must(t, input(t, "ml-pipeline.yaml", string(data)+`  - name: evaluate-model
    inputs: {artifacts: [{name: model, path: /model}]}
    container: {image: python, command: [python, evaluate.py]}
`))
	train := p.Entry.Template.Task("train").Template
	var s attempt.Spec
	if err := train.Fill(&s, globals{}); err != nil {
		t.Fatal(err)
	}
	if s.Resources.GPUs != 2 {
		t.Errorf("train asks for %+v", s.Resources)
	}
	if m := s.Mounts[0]; m.Volume != "workdir" || m.Path != "/data" || !m.Shared {
		t.Errorf("the claim is mounted as %+v", m)
	}
	if got := p.Globals["workflow.parameters.epochs"]; got != "100" {
		t.Errorf("epochs is %q", got)
	}
}

// TestFragmentsCompile puts the fragments into workflows of their own.
func TestFragmentsCompile(t *testing.T) {
	for file, more := range map[string]string{
		"conditional-deploy": "- {name: evaluate-model, outputs: {parameters: [{name: accuracy, valueFrom: {path: /acc}}]}, container: {image: x}}\n- {name: deploy-to-production, container: {image: x}}\n- {name: send-notification, container: {image: x}}\n",
		"gpu-training":       "",
		"train-with-retry":   "",
		"parallel-training":  "- {name: train-single, inputs: {parameters: [{name: model-type}]}, outputs: {artifacts: [{name: model, path: /m}]}, container: {image: x}}\n- {name: create-ensemble, inputs: {artifacts: [{name: models, path: /ms}]}, container: {image: x}}\n",
	} {
		t.Run(file, func(t *testing.T) {
			data, err := os.ReadFile("testdata/" + file + ".fragment.yaml")
			if err != nil {
				t.Fatal(err)
			}
			must(t, input(t, file, spec("entrypoint: "+file+"\n"+string(data)+more)))
		})
	}
}

const library = `---
apiVersion: argoproj.io/v1alpha1
kind: WorkflowTemplate
metadata: {name: train, namespace: ns}
spec:
  entrypoint: main
  parallelism: 2
  arguments: {parameters: [{name: epochs, value: "10"}, {name: rate, value: "0.1"}]}
  templates:
  - name: main
    steps: [[{name: a, template: inner}]]
  - name: inner
    inputs: {parameters: [{name: p, value: "{{workflow.parameters.epochs}}"}]}
    container: {image: x, args: ["{{inputs.parameters.p}}"]}
---
apiVersion: argoproj.io/v1alpha1
kind: ClusterWorkflowTemplate
metadata: {name: shared}
spec:
  templates:
  - name: hello
    container: {image: x}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: cm, namespace: ns}
data: {k: from the map, other: "2"}
`

func TestWorkflowTemplateRefIsLaidUnderTheWorkflow(t *testing.T) {
	in := input(t, "wf.yaml", spec("workflowTemplateRef: {name: train}\nparallelism: 5\narguments: {parameters: [{name: epochs, value: \"20\"}]}")+library)
	p := must(t, in)
	if p.Parallelism != 5 || p.Globals["workflow.parameters.epochs"] != "20" || p.Globals["workflow.parameters.rate"] != "0.1" {
		t.Errorf("the plan has parallelism %d and %v", p.Parallelism, p.Parameters)
	}
	if p.Entry.Template.Name != "main" || p.Entry.Template.Scope != "local/wf" {
		t.Errorf("it begins with %s of %s", p.Entry.Template.Name, p.Entry.Template.Scope)
	}
	in.Parameters = []Parameter{{"epochs", "30"}}
	if got := must(t, in).Globals["workflow.parameters.epochs"]; got != "30" {
		t.Errorf("overridden epochs is %q", got)
	}
	in.Entrypoint = "inner"
	if got := must(t, in).Entry.Template.Name; got != "inner" {
		t.Errorf("the overridden entrypoint is %s", got)
	}
}

func TestAWorkflowWithoutTemplatesRunsTheTemplateItsEntrypointNames(t *testing.T) {
	p, problems := Compile(input(t, "wf.yaml", spec("entrypoint: train")+library))
	if p == nil || p.Entry.Template.Name != "main" {
		t.Fatalf("%v", problems)
	}
	if len(problems) != 1 || problems[0].Severity != api.SeverityNote {
		t.Errorf("it is not said: %v", problems)
	}
}

// TestRetrainTrigger compiles the workflow that the sensor submits: it has no
// templates, and its entrypoint is the name of a WorkflowTemplate.
func TestRetrainTrigger(t *testing.T) {
	data, err := os.ReadFile("testdata/retrain-trigger.yaml")
	if err != nil {
		t.Fatal(err)
	}
	sensors, problems := api.Decode("retrain-trigger.yaml", data)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	var sensor struct {
		Spec struct {
			Triggers []struct {
				Template struct {
					ArgoWorkflow struct {
						Source struct{ Resource json.RawMessage }
					}
				}
			}
		}
	}
	raw, err := json.Marshal(sensors[0].Raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &sensor); err != nil {
		t.Fatal(err)
	}
	workflow := strings.Replace(string(sensor.Spec.Triggers[0].Template.ArgoWorkflow.Source.Resource), "{{inputs.parameters.s3-key}}", "data/new.csv", 1)
	in := input(t, "wf.yaml", workflow+"\n---\n"+strings.NewReplacer("kind: Workflow", "kind: WorkflowTemplate", "generateName: wf-", "name: ml-pipeline").Replace(spec(`
entrypoint: train
arguments: {parameters: [{name: data-url, value: none}, {name: epochs, value: 5}]}
templates:
- name: train
  container: {image: x, args: ["{{workflow.parameters.data-url}}", "{{workflow.parameters.epochs}}"]}
`)))
	p, problems := Compile(in)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	var s attempt.Spec
	if err := p.Entry.Template.Fill(&s, globals(p.Globals)); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(s.Args, " "); got != "data/new.csv 5" {
		t.Errorf("it trains with %s", got)
	}
	if len(problems) != 1 || problems[0].Severity != api.SeverityNote || !strings.Contains(problems[0].Message, "WorkflowTemplate ml-pipeline") {
		t.Errorf("it is not said: %v", problems)
	}
	in.Library = nil
	if _, problems := Compile(in); problems.Err() == nil || !strings.Contains(problems.Error(), "ml-pipeline") {
		t.Errorf("without the template the problems are %v", problems)
	}
}

func TestTemplateRefsResolveInTheirLibrary(t *testing.T) {
	p := must(t, input(t, "wf.yaml", one(`
steps:
- - {name: a, templateRef: {name: train, template: main}}
  - {name: b, templateRef: {name: shared, template: hello, clusterScope: true}}
  - name: c
    inline: {container: {image: x}}
`)[:]+"  arguments: {parameters: [{name: epochs, value: \"1\"}]}\n"+library))
	main := p.Entry.Template
	if a := main.Task("a").Template; a.Scope != "namespaced/train" || a.Task("a").Template.Name != "inner" {
		t.Errorf("a runs %+v", a)
	}
	if b := main.Task("b").Template; b.Scope != "cluster/shared" || b.Name != "hello" {
		t.Errorf("b runs %+v", b)
	}
	if c := main.Task("c").Template; c.Type != Container {
		t.Errorf("c runs %+v", c)
	}
}

func TestConfigMapsGiveParametersVariablesAndFiles(t *testing.T) {
	p := must(t, input(t, "wf.yaml", spec(`
entrypoint: main
arguments: {parameters: [{name: p, valueFrom: {configMapKeyRef: {name: cm, key: k}}}]}
volumes: [{name: v, configMap: {name: cm, items: [{key: other, path: sub/two}]}}]
templates:
- name: main
  container:
    image: x
    envFrom: [{configMapRef: {name: cm}, prefix: P_}]
    env: [{name: E, valueFrom: {configMapKeyRef: {name: cm, key: k}}}]
    volumeMounts: [{name: v, mountPath: /v}]
    resources: {requests: {cpu: 500m, memory: 1Gi}, limits: {cpu: "2", memory: 2Gi, nvidia.com/gpu: 1}}
`)+library))
	var s attempt.Spec
	if err := p.Entry.Template.Fill(&s, globals(p.Globals)); err != nil {
		t.Fatal(err)
	}
	if p.Globals["workflow.parameters.p"] != "from the map" {
		t.Errorf("p is %q", p.Globals["workflow.parameters.p"])
	}
	var env []string
	for _, e := range s.Env {
		env = append(env, e.Name+"="+e.Value)
	}
	if got := strings.Join(env, ","); got != "P_k=from the map,P_other=2,E=from the map" {
		t.Errorf("the environment is %s", got)
	}
	if got := s.Mounts[0].Files["sub/two"]; got != "2" {
		t.Errorf("the volume has %v", s.Mounts[0].Files)
	}
	if s.Resources != (attempt.Resources{MilliCPU: 500, Memory: 1 << 30, MemoryLimit: 2 << 30, GPUs: 1}) {
		t.Errorf("the resources are %+v", s.Resources)
	}
}

func TestTemplateDefaults(t *testing.T) {
	p := must(t, input(t, "wf.yaml", spec(`
entrypoint: main
templateDefaults: {timeout: 30s, retryStrategy: {limit: 2}, container: {image: base}}
templates:
- name: main
  steps: [[{name: a, template: pod}]]
- name: pod
  container: {command: [run]}
`)))
	pod := p.Entry.Template.Task("a").Template
	if pod.Timeout.Source() != "30s" || pod.Retry.Limit.Source() != "2" || pod.Pod.Image.Source() != "base" {
		t.Errorf("the pod is %+v", pod)
	}
	if p.Entry.Template.Timeout != nil {
		t.Error("steps have a timeout")
	}
}

func TestDigestFollowsWhatTheRunFollows(t *testing.T) {
	base := spec("workflowTemplateRef: {name: train}") + library
	same := must(t, input(t, "wf.yaml", base)).Digest
	if again := must(t, input(t, "elsewhere.yaml", "# a comment\n"+base)).Digest; again != same {
		t.Error("a comment changed the digest")
	}
	for name, change := range map[string]func(Input) Input{
		"a template of the library": func(Input) Input {
			return input(t, "wf.yaml", strings.Replace(base, "image: x, args", "image: z, args", 1))
		},
		"a parameter": func(in Input) Input { in.Parameters = []Parameter{{"epochs", "3"}}; return in },
		"the UID":     func(in Input) Input { in.UID = "v"; return in },
	} {
		if must(t, change(input(t, "wf.yaml", base))).Digest == same {
			t.Errorf("%s did not change the digest", name)
		}
	}
	if other := must(t, input(t, "wf.yaml", strings.Replace(base, "from the map", "changed", 1))).Digest; other != same {
		t.Error("a config map that is not referred to changed the digest")
	}
	if !strings.HasPrefix(same, "sha256:") || len(same) != 71 {
		t.Errorf("the digest is %s", same)
	}
}

func TestItemsNameTheirNodes(t *testing.T) {
	for _, c := range []struct{ json, text, suffix string }{
		{`"a (b)"`, "a (b)", "(4:a b)"},
		{`1.50`, "1.50", "(4:1.50)"},
		{`true`, "true", "(4:true)"},
		{`{"b":1,"a":"x<y"}`, `{"a":"x<y","b":1}`, "(4:a:x<y,b:1)"},
		{`["a",2]`, `["a",2]`, "(4:[a 2])"},
		{`"line\nbreak"`, "line\nbreak", "(4:line\nbreak)"},
	} {
		v, err := decode(c.json)
		if err != nil {
			t.Fatal(err)
		}
		if i := (Item{v}); i.String() != c.text || i.Suffix(4) != c.suffix {
			t.Errorf("%s is %q with suffix %q", c.json, i.String(), i.Suffix(4))
		}
	}
}

func TestSequences(t *testing.T) {
	for _, c := range []struct{ fields, want string }{
		{"count: 3", "0 1 2"},
		{"count: 0", ""},
		{"start: 5, count: 2", "5 6"},
		{"start: 5, end: 3", "5 4 3"},
		{"end: \"{{workflow.parameters.k}}\", format: \"i%02d\"", "i00 i01"},
		{"start: 3, end: 3", "3"},
	} {
		p := must(t, input(t, "wf.yaml", spec("entrypoint: main\narguments: {parameters: [{name: k, value: 1}]}\ntemplates:\n- name: main\n  steps: [[{name: a, template: b, withSequence: {"+c.fields+"}}]]\n- name: b\n  container: {image: x}")))
		items, err := p.Entry.Template.Task("a").Loop.Expand(globals(p.Globals))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, i := range items {
			got = append(got, i.String())
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s gives %v, want %s", c.fields, got, c.want)
		}
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{"90": 90 * time.Second, "1m": time.Minute, "1h30m": 90 * time.Minute, "0": 0, "2s": 2 * time.Second} {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("%q is %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "1d", "x"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("%q is %s", text, got)
		}
	}
}

func FuzzCompile(f *testing.F) {
	f.Add(one("container: {image: x}"))
	f.Add(spec("workflowTemplateRef: {name: train}") + library)
	f.Fuzz(func(t *testing.T, manifests string) {
		objects, _ := api.Decode("wf.yaml", []byte(manifests))
		for _, o := range objects {
			if o.Kind == "Workflow" {
				Compile(Input{Workflow: o, Library: objects, Name: "wf"})
			}
		}
	})
}

func TestAWrongArgumentIsSaidOnce(t *testing.T) {
	_, problems := Compile(input(t, "wf.yaml", spec(`
entrypoint: main
templates:
- name: main
  steps:
  - - name: a
      template: pod
      arguments: {artifacts: [{name: in, from: "{{workflow.outputs.artifacts.x}}"}]}
- name: pod
  inputs: {artifacts: [{name: in, path: /in}]}
  container: {image: x}
`)))
	want := "wf.yaml:11: error: spec.templates[0].steps[0][0].arguments.artifacts[0].from: {{workflow.outputs.artifacts.x}} is not run by pawl yet " +
		"(pass the output on as an argument, up through the outputs of steps or dag templates)"
	if got := problems.Error(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestTemplatesAreCheckedByThemselves(t *testing.T) {
	template := strings.NewReplacer("kind: Workflow", "kind: WorkflowTemplate", "generateName: wf-", "name: train")
	check := func(text string) string {
		t.Helper()
		objects, problems := api.Decode("t.yaml", []byte(template.Replace(spec(text))))
		if err := problems.Err(); err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, p := range Check(objects[0], objects) {
			lines = append(lines, p.String())
		}
		return strings.Join(lines, "\n")
	}
	if got := check(`
arguments: {parameters: [{name: rate}, {name: size, enum: [small, large]}]}
templates:
- name: main
  inputs: {parameters: [{name: p}]}
  container: {image: x, args: ["{{workflow.parameters.rate}} {{workflow.parameters.of-the-workflow}} {{inputs.parameters.p}}"]}
`); got != "" {
		t.Errorf("a template without entrypoint, and parameters without values: %s", got)
	}
	got := check(`
entrypoint: mian
templates:
- name: main
  steps: [[{name: a, template: trian}]]
- name: train
  nodeSelector: {a: b}
  container: {image: x, args: ["{{inputs.parameters.p}}"]}
  synchronization: {mutexes: [{name: m}]}
`)
	want := `t.yaml:5: error: spec.entrypoint: names template mian which is not defined (did you mean main?)
t.yaml:8: error: spec.templates[0].steps[0][0].template: names template trian which is not defined (did you mean train?)
t.yaml:11: error: spec.templates[1].container.args[0]: failed to resolve {{inputs.parameters.p}} (add it to the template's inputs.parameters)
t.yaml:12: error: spec.templates[1].synchronization: is not run by pawl yet (remove it; parallelism limits what a run does at once)
t.yaml:10: note: spec.templates[1].nodeSelector: nodeSelector has no meaning for local processes`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
