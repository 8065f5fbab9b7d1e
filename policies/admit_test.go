package policies

import (
	"strings"
	"testing"

	"github.com/pawl-dev/pawl/api"
	"github.com/pawl-dev/pawl/api/v1alpha1"
)

const deploys = `apiVersion: pawl.dev/v1alpha1
kind: ModelDeploy
metadata: {name: iris}
spec:
  candidate:
    workflowTemplateRef: {name: train}
    artifact: model
    metrics: [accuracy, slices]
    publish: file:///srv/models
  stages:
  - name: staging
    path: models/iris/staging
    gates:
    - {name: accurate, expr: "accuracy > 0.95"}
    - {name: fair, expr: "slices.young.auc > 0.8 && accuracy > current.accuracy", onNoCurrent: pass}
`

func decode(t *testing.T, text string) []*api.Object {
	t.Helper()
	objects, problems := api.Decode("set.yaml", []byte(text))
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	return objects
}

func TestAdmit(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"a sound set", deploys, nil},
		{"an object twice", deploys + "---\n" + strings.Replace(deploys, "models/iris/", "other/", 1), []string{
			"set.yaml:19: error: metadata.name: ModelDeploy iris is declared twice, the first time at set.yaml:1 (rename or remove one)"}},
		{"the same name in another namespace", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: b}\n", nil},
		{"the same name of another group", "apiVersion: a/v1\nkind: X\nmetadata: {name: a}\n---\napiVersion: b/v1\nkind: X\nmetadata: {name: a}\n", nil},
		{"the same object in two versions", "apiVersion: a/v1\nkind: X\nmetadata: {name: a}\n---\napiVersion: a/v2\nkind: X\nmetadata: {name: a}\n", []string{"X a is declared twice"}},
		{"two ModelDeploys in one folder", deploys + "---\n" + strings.NewReplacer("name: iris", "name: rose", "iris/staging", "iris").Replace(deploys), []string{
			"set.yaml:28: error: spec.stages[0].path: folder models/iris lies in or over models/iris/staging, the folder of stage 0 of ModelDeploy iris (set.yaml:1)"}},
		{"a gate that does not compile", strings.Replace(deploys, "accuracy > 0.95", "accuracy >", 1), []string{`set.yaml:14: error: spec.stages[0].gates[0].expr: gate "accurate": expr "accuracy >", column 11`}},
		{"G1: a gate that is a constant", strings.Replace(deploys, "accuracy > 0.95", "true", 1), []string{"true alone says nothing about the candidate"}},
		{"G5: a gate on a metric that is not collected", strings.Replace(deploys, "accuracy > 0.95", "acuracy > 0.95", 1), []string{
			`gate "accurate" names the metric "acuracy", which is not among spec.candidate.metrics (did you mean accuracy?`}},
		{"an admission policy", "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicy\nmetadata: {name: p}\n", []string{
			"set.yaml:2: error: kind: ValidatingAdmissionPolicy p is not evaluated by pawl yet"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			problems := Admit(decode(t, c.text))
			if len(problems) != len(c.want) {
				t.Fatalf("problems:\n%v\nwant %d", problems, len(c.want))
			}
			for i, want := range c.want {
				if !strings.Contains(problems[i].String(), want) {
					t.Errorf("problem %s\nwant %s", problems[i], want)
				}
			}
		})
	}
}

func TestG1AStageWithoutGatesIsRefused(t *testing.T) {
	deploy := &v1alpha1.ModelDeploy{Spec: v1alpha1.ModelDeploySpec{Stages: []v1alpha1.Stage{{Name: "staging", Path: "a"}}}}
	problems := Admit([]*api.Object{{Kind: "ModelDeploy", Name: "m", Typed: deploy}})
	if len(problems) != 1 || !strings.Contains(problems[0].String(), `spec.stages[0].gates: stage "staging" has no gates`) {
		t.Errorf("problems: %v", problems)
	}
}
