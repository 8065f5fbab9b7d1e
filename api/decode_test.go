package api

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
	corev1 "k8s.io/api/core/v1"
)

const workflowHead = "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {name: w}\n"

func TestProblemsNameFileLinePathAndWhatToDo(t *testing.T) {
	for name, tc := range map[string]struct {
		in   string
		want []string // each problem, without "f.yaml:"
	}{
		"a tab where YAML wants spaces":       {"a: 1\n\tb: 2\n", []string{"2: error: this is no YAML: found a tab character that violates indentation"}},
		"a manifest that is a list":           {"- a\n", []string{"1: error: a manifest must be a map with apiVersion and kind, got list"}},
		"a manifest that is a word":           {"hello\n", []string{"1: error: a manifest must be a map with apiVersion and kind, got string"}},
		"neither apiVersion nor kind":         {"metadata: {name: x}\n", []string{"1: error: apiVersion: missing (every manifest needs apiVersion, kind and metadata.name)", "1: error: kind: missing (every manifest needs apiVersion, kind and metadata.name)"}},
		"a slip in apiVersion":                {"apiVersoin: v1\nkind: Secret\nmetadata: {name: x}\n", []string{"1: error: apiVersion: missing (is `apiVersoin` meant to be it?)"}},
		"a kind that is a number":             {"apiVersion: v1\nkind: 3\n", []string{"2: error: kind: must be a string, got number"}},
		"no name":                             {"apiVersion: v1\nkind: Pod\nmetadata:\n  labels: {a: b}\n", []string{"3: error: metadata.name: missing (every manifest needs apiVersion, kind and metadata.name)"}},
		"metadata that is a list":             {"apiVersion: v1\nkind: Pod\nmetadata: []\n", []string{"3: error: metadata: must be a map, got list"}},
		"a name that leads elsewhere":         {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ../x}\n", []string{"3: error: metadata.name: \"../x\" is no valid name (use lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit)"}},
		"another's name that leads elsewhere": {"apiVersion: v1\nkind: Pod\nmetadata: {name: a/b}\n", []string{"3: error: metadata.name: \"a/b\" may not contain '/'"}},
		"a name only Kubernetes refuses":      {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: Ab}\n", []string{"3: warning: metadata.name: Kubernetes would refuse the name \"Ab\" (use lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit)"}},
		"a namespace with a dot":              {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: a.b}\n", []string{"3: error: metadata.namespace: \"a.b\" is no valid namespace (use lower-case letters, digits and '-')"}},
		"an unknown kind of Argo":             {"apiVersion: argoproj.io/v1alpha1\nkind: Workflo\nmetadata: {name: x}\n", []string{"2: error: kind: Workflo is not a kind of argoproj.io (did you mean `Workflow`?)"}},
		"an unknown kind of pawl":             {"apiVersion: pawl.dev/v1alpha1\nkind: Banana\nmetadata: {name: x}\n", []string{"2: error: kind: Banana is not a kind of pawl.dev (it has ModelDeploy)"}},
		"another version of Argo":             {"apiVersion: argoproj.io/v1\nkind: Workflow\nmetadata: {name: x}\n", []string{"2: error: kind: argoproj.io/v1 is not a version that pawl reads (write apiVersion: argoproj.io/v1alpha1)"}},
		"a slip in the group":                 {"apiVersion: argoprj.io/v1alpha1\nkind: Workflow\nmetadata: {name: x}\n", []string{"2: error: kind: Workflow is not a kind of argoprj.io/v1alpha1 (write apiVersion: argoproj.io/v1alpha1 and kind: Workflow)"}},
		"a core kind in the wrong case":       {"apiVersion: v1\nkind: Configmap\nmetadata: {name: x}\n", []string{"2: error: kind: Configmap is not a kind of v1 (write apiVersion: v1 and kind: ConfigMap)"}},
		"a duplicate key":                     {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata:\n  a: x\n  b: x\n  a: z\n", []string{"7: error: data.a: given twice, first in line 5 (remove one)"}},
		"a duplicate key in JSON":             {"{\"kind\":\"ConfigMap\",\n\"kind\":\"Secret\"}", []string{"2: error: kind: given twice, first in line 1 (remove one)"}},
		"a key that is a map":                 {"{a: b}: c\n", []string{"1: error: a key must be a word, not a list or map"}},
		"no number":                           {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {a: .nan}\n", []string{"4: error: data.a: .nan is not a number that a manifest can hold; quote it if text is meant"}},
		"a command that is text":              {workflowHead + "spec:\n  templates:\n  - name: a\n    container:\n      command: echo\n", []string{"8: error: spec.templates[0].container.command: must be a list of strings, got string"}},
		"an argument that is a number":        {workflowHead + "spec:\n  templates:\n  - container:\n      args:\n      - a\n      - 3\n", []string{"9: error: spec.templates[0].container.args[1]: must be a string, got number (quote it)"}},
		"a step that is text":                 {workflowHead + "spec:\n  templates:\n  - steps:\n    - - name: a\n        when: {}\n", []string{"8: error: spec.templates[0].steps[0][0].when: must be a string, got map"}},
		"a map for text":                      {workflowHead + "spec:\n  arguments:\n    parameters:\n    - name: a\n      value: [1]\n", []string{"8: error: spec.arguments.parameters[0].value: must be a string, number or bool, got list"}},
		"half a number":                       {workflowHead + "spec: {parallelism: 1.5}\n", []string{"4: error: spec.parallelism: must be a whole number, got number"}},
		"a number that is too large":          {workflowHead + "spec: {priority: 99999999999}\n", []string{"4: error: spec.priority: 99999999999 is out of range"}},
		"a quantity that is none":             {"apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: x}\nspec:\n  resources: {requests: {storage: 5 gigs}}\n", []string{"5: error: spec.resources.requests.storage: must be a quantity such as 500m or 2Gi, got \"5 gigs\""}},
		"a secret that is not base64":         {"apiVersion: v1\nkind: Secret\nmetadata: {name: x}\ndata: {a: s3cret!}\n", []string{"4: error: data.a: must be base64 text (plain text belongs in stringData (Secret) or data (ConfigMap))"}},
		"an unknown field":                    {workflowHead + "spec:\n  tempaltes: []\n", []string{"5: warning: spec.tempaltes: unknown field (did you mean `templates`?)"}},
		"an unknown field of a step":          {workflowHead + "spec:\n  templates:\n  - steps:\n    - - name: a\n        wen: x\n", []string{"8: warning: spec.templates[0].steps[0][0].wen: unknown field (did you mean `when`?)"}},
		"a field in the wrong case":           {workflowHead + "spec: {Entrypoint: a}\n", []string{"4: warning: spec.Entrypoint: unknown field (did you mean `entrypoint`?)"}},
		"a merge with text":                   {"a: &a x\nb:\n  <<: *a\n", []string{"3: error: b: << must name a map or a list of maps"}},
		"an alias of itself":                  {"a: &a\n- *a\n", []string{"2: error: a[0][0]: the alias *a stands for something that holds the alias itself (write it out, or in smaller files)"}},
		"a List whose items are no list":      {"apiVersion: v1\nkind: List\nitems: {}\n", []string{"3: error: items: must be a list of manifests, got map"}},
		"a broken item of a List":             {"apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Secret\n  metadata: {name: 5}\n- 3\n", []string{"6: error: metadata.name: missing (every manifest needs apiVersion, kind and metadata.name)", "6: error: metadata.name: must be a string, got number (quote it)", "7: error: a manifest must be a map with apiVersion and kind, got number"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, problems := Decode("f.yaml", []byte(tc.in))
			var got []string
			for _, p := range problems {
				got = append(got, strings.TrimPrefix(p.String(), "f.yaml:"))
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tc.want, "\n"))
			}
		})
	}
}

func TestDocumentsListsAndEmptyOnesAreUnrolledInOrder(t *testing.T) {
	in := `# nothing
---
apiVersion: v1
kind: ConfigMap
metadata: {name: a, namespace: ns, labels: {l: x}, annotations: {pawl.dev/code: src}}
---
---
apiVersion: v1
kind: List
items:
- apiVersion: serving.kserve.io/v1beta1
  kind: InferenceService
  metadata: {name: b}
- {apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Secret, metadata: {generateName: c-}}]}
`
	objects, problems := Decode("f.yaml", []byte(in))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	var got []string
	for _, o := range objects {
		got = append(got, fmt.Sprintf("%s %s typed=%v", o.Origin, o.Title(), o.Typed != nil))
	}
	want := []string{"f.yaml:3 ConfigMap a typed=true", "f.yaml:11 InferenceService b typed=false", "f.yaml:14 Secret c- typed=true"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if o := objects[0]; o.Namespace != "ns" || o.Labels["l"] != "x" || o.Annotations["pawl.dev/code"] != "src" {
		t.Errorf("metadata is not read: %+v", o)
	}
}

func TestObjectsBeforeAFaultInTheFileAreStillThere(t *testing.T) {
	objects, problems := Decode("f.yaml", []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\na: b\nc: \"\n"))
	if len(objects) != 1 || problems.Err() == nil {
		t.Errorf("got %d objects and %v", len(objects), problems)
	}
}

func TestScalarsAreReadAsKubectlReadsThem(t *testing.T) {
	in := `apiVersion: x/v1
kind: X
metadata: {name: x}
v: [yes, "yes", !!str yes, off, y, 010, 0x10, 1_000, 1.50, 1e3, 12345678901234567890, 2001-01-01, ~, null, "", !!binary aGk=, <<, true]
`
	objects, problems := Decode("f.yaml", []byte(in))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	want := []any{true, "yes", "yes", false, true, int64(8), int64(16), int64(1000), 1.5, 1000.0, 12345678901234567890.0, "2001-01-01", nil, nil, "", "hi", "<<", true}
	if got := objects[0].Raw["v"]; !reflect.DeepEqual(got, want) {
		t.Errorf("got  %#v\nwant %#v", got, want)
	}
}

func TestJSONIsReadAsYAMLIs(t *testing.T) {
	in := "{\n\t\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\",\n\t\"metadata\": {\"name\": \"a\"},\n\t\"data\": {\"a\": \"\\ud83d\\ude00 \\/\", \"<<\": \"x\", \"on\": \"yes\"}}\n{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"b\"}}"
	objects, problems := Decode("f.json", []byte(in))
	if len(problems) > 0 || len(objects) != 2 {
		t.Fatal(len(objects), problems)
	}
	data := objects[0].Typed.(*corev1.ConfigMap).Data
	if data["a"] != "😀 /" || data["<<"] != "x" || data["on"] != "yes" {
		t.Errorf("got %q", data)
	}
	if got := objects[0].Position("data.a").Line; got != 4 {
		t.Errorf("data.a is in line %d, want 4", got)
	}
	if got := objects[1].Origin.Line; got != 5 {
		t.Errorf("the second object begins in line %d, want 5", got)
	}
}

func TestMergesFillWhatIsMissingAndKeepTheirLines(t *testing.T) {
	in := `apiVersion: x/v1
kind: X
metadata: {name: x}
base: &base
  a: 1
  b: 2
more: &more {c: 3, a: 9}
spec:
  <<: [*base, *more]
  b: 5
copy: *base
`
	objects, problems := Decode("f.yaml", []byte(in))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	o := objects[0]
	if want := map[string]any{"a": int64(1), "b": int64(5), "c": int64(3)}; !reflect.DeepEqual(o.Raw["spec"], want) {
		t.Errorf("got %v, want %v", o.Raw["spec"], want)
	}
	for path, line := range map[string]int{"spec.a": 5, "spec.b": 10, "spec.c": 7, "copy.b": 6} {
		if got := o.Position(path).Line; got != line {
			t.Errorf("%s is in line %d, want %d", path, got, line)
		}
	}
}

func TestArgoTypesDecodeAsArgoDecodesThem(t *testing.T) {
	in := workflowHead + `spec:
  activeDeadlineSeconds: 10
  arguments:
    parameters:
    - {name: a, value: 1.10}
    - {name: b, value: true}
    - {name: c, value: 100000000}
  templates:
  - name: m
    retryStrategy: {limit: 3, backoff: {factor: "2"}}
    steps:
    - - name: s
        template: x
        withItems: [1, a, {k: v}, [1, 2]]
  - name: x
    plugin: {hello: {}}
    container:
      image: busybox
      resources: {limits: {nvidia.com/gpu: 2, memory: 1Gi}}
`
	objects, problems := Decode("f.yaml", []byte(in))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	wf := objects[0].Typed.(*wfv1.Workflow)
	var values []string
	for _, p := range wf.Spec.Arguments.Parameters {
		values = append(values, p.Value.String())
	}
	if want := []string{"1.1", "true", "100000000"}; !slices.Equal(values, want) {
		t.Errorf("got values %q, want %q", values, want)
	}
	var items []string
	for _, i := range wf.Spec.Templates[0].Steps[0].Steps[0].WithItems {
		items = append(items, i.String())
	}
	if want := []string{"1", "a", `{"k":"v"}`, "[1,2]"}; !slices.Equal(items, want) {
		t.Errorf("got items %q, want %q", items, want)
	}
	if got := wf.Spec.Templates[0].RetryStrategy.Limit.IntValue(); got != 3 {
		t.Errorf("got limit %d, want 3", got)
	}
	gpus := wf.Spec.Templates[1].Container.Resources.Limits["nvidia.com/gpu"]
	if gpus.Value() != 2 {
		t.Errorf("got %v gpus, want 2", gpus)
	}
}

func TestPositionsFallBackToTheDeepestAncestor(t *testing.T) {
	in := workflowHead + `spec:
  templates:
  - name: a
  - name: b
    container:
      image: x
      command:
      - run
`
	objects, _ := Decode("f.yaml", []byte(in))
	for path, line := range map[string]int{
		"": 1, "spec": 4, "spec.templates": 5, "spec.templates[1]": 7, "spec.templates[1].container.image": 9,
		"spec.templates[1].container.command[0]": 11, "spec.templates[1].container.command[5]": 10,
		"spec.templates[9].container": 5, "spec.nothing.here": 4, "nothing": 1, `metadata["name"]`: 3,
		"spec.templates[x": 5, "...": 1, `["`: 1,
	} {
		if got := objects[0].Position(path); got.Line != line || got.File != "f.yaml" {
			t.Errorf("%q is at %v, want line %d", path, got, line)
		}
	}
}

func TestAManifestInsideAManifestKeepsItsLines(t *testing.T) {
	in := `apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: s}
spec:
  dependencies: []
  triggers:
  - template:
      name: t
      argoWorkflow:
        source:
          resource:
            apiVersion: argoproj.io/v1alpha1
            kind: Workflow
            metadata: {generateName: r-}
            spec:
              entrypont: x
`
	objects, problems := Decode("f.yaml", []byte(in))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	inner, problems := objects[0].Embedded("spec.triggers[0].template.argoWorkflow.source.resource")
	if inner == nil || inner.Title() != "Workflow r-" {
		t.Fatalf("got %+v, %v", inner, problems)
	}
	if want := "f.yaml:16: warning: spec.entrypont: unknown field (did you mean `entrypoint`?)"; len(problems) != 1 || problems[0].String() != want {
		t.Errorf("got %v, want %v", problems, want)
	}
	if _, problems := objects[0].Embedded("spec.triggers[4].template"); problems.Err() == nil {
		t.Error("a path to nothing gives no error")
	}
}

func TestABombOfAliasesIsRefusedQuickly(t *testing.T) {
	var b strings.Builder
	b.WriteString("apiVersion: x/v1\nkind: X\nmetadata: {name: x}\na0: &a0 [x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i <= 9; i++ {
		fmt.Fprintf(&b, "a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 9), ", "))
	}
	start := time.Now()
	objects, problems := Decode("f.yaml", []byte(b.String()))
	if len(objects) != 0 || len(problems) != 1 || !strings.Contains(problems[0].Message, "aliases") {
		t.Errorf("got %d objects, %v", len(objects), problems)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestDeepNestingIsRefused(t *testing.T) {
	for _, in := range []string{strings.Repeat("[", 5000) + strings.Repeat("]", 5000), strings.Repeat("[", 1_000_000)} {
		if _, problems := Decode("f.yaml", []byte(in)); problems.Err() == nil {
			t.Error("deep nesting decodes")
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"templates", "templateDefaults", "entrypoint", "name", "when"}
	for name, want := range map[string]string{
		"tempaltes": "templates", "ENTRYPOINT": "entrypoint", "nmae": "name", "whn": "when",
		"banana": "", "": "", "template": "templates", strings.Repeat("x", 1<<20): "",
	} {
		if got := Nearest(name, known); got != want {
			t.Errorf("nearest of %.20q is %q, want %q", name, got, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(workflowHead + "spec: {templates: [{name: a, steps: [[{name: x, withItems: [1]}]]}]}\n"))
	f.Add([]byte("a: &a [*a]\n<<: {b: 1}\n---\n? {x: y}\n: !!binary x\n"))
	f.Add([]byte(`{"apiVersion":"v1","kind":"List","items":[{}]}`))
	f.Add([]byte(modelDeploy))
	f.Fuzz(func(t *testing.T, data []byte) {
		objects, problems := Decode("f", data)
		again, same := Decode("f", data)
		if len(objects) != len(again) || !slices.Equal(problems, same) {
			t.Error("decoding twice differs")
		}
		for _, o := range objects {
			o.Position("spec.templates[0].steps[0][0].name")
			if o.Kind == "" || o.APIVersion == "" {
				t.Error("an object without kind")
			}
		}
	})
}
