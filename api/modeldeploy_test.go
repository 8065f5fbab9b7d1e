package api

import (
	"slices"
	"strings"
	"testing"

	"github.com/pawl-dev/pawl/api/v1alpha1"
)

const modelDeploy = `apiVersion: pawl.dev/v1alpha1
kind: ModelDeploy
metadata: {name: fraud}
spec:
  candidate:
    workflowTemplateRef: {name: train-fraud}
    artifact: model
    metrics: [accuracy, auc]
    publish: file:///var/models/fraud
  stages:
  - name: staging
    path: models/fraud/overlays/staging
    target: {kind: InferenceService, name: fraud}
    destination: modelRepository
    gates:
    - {name: accurate, expr: "accuracy > 0.95"}
  - name: production
    path: models/fraud/overlays/production
    after: [staging]
    gates:
    - {name: better, expr: "accuracy > current.accuracy", onNoCurrent: pass}
    pullRequest: {reviewers: [ml-leads], autoMerge: false, labels: [ml]}
`

func TestAModelDeployDecodes(t *testing.T) {
	objects, problems := Decode("m.yaml", []byte(modelDeploy))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	spec := objects[0].Typed.(*v1alpha1.ModelDeploy).Spec
	if spec.Candidate.WorkflowTemplateRef.Name != "train-fraud" || spec.Stages[1].After[0] != "staging" ||
		spec.Stages[1].Gates[0].OnNoCurrent != v1alpha1.OnNoCurrentPass || spec.Stages[1].PullRequest.Reviewers[0] != "ml-leads" {
		t.Errorf("got %+v", spec)
	}
}

func TestAFaultyModelDeployIsRefusedByField(t *testing.T) {
	for name, tc := range map[string]struct{ old, new, want string }{
		"an unknown field":             {"    artifact: model", "    artefact: model\n    artifact: model", "7: error: spec.candidate.artefact: unknown field (did you mean `artifact`?)"},
		"a name with a dot":            {"name: fraud}\nspec", "name: fraud.v2}\nspec", "3: error: metadata.name: \"fraud.v2\" cannot be part of a branch name (use at most 63 lower-case letters, digits and '-')"},
		"no workflow":                  {"    workflowTemplateRef: {name: train-fraud}\n", "", "5: error: spec.candidate: no workflow brings forth candidates (give workflowTemplateRef or workflowRef)"},
		"two workflows":                {"    artifact", "    workflowRef: {name: x}\n    artifact", "7: error: spec.candidate.workflowRef: given together with workflowTemplateRef (give one of them)"},
		"a reference without a name":   {"{name: train-fraud}", "{clusterScope: true}", "6: error: spec.candidate.workflowTemplateRef.name: missing (name the WorkflowTemplate)"},
		"no artifact":                  {"    artifact: model\n", "", "5: error: spec.candidate.artifact: missing (name the output artifact that is the model)"},
		"a metric twice":               {"[accuracy, auc]", "[auc, auc]", "8: error: spec.candidate.metrics[1]: \"auc\" is given twice (remove one)"},
		"an object store":              {"file:///var/models/fraud", "s3://models/fraud", "9: error: spec.candidate.publish: publishing to s3:// is not possible yet (write file:///absolute/folder)"},
		"a relative folder":            {"file:///var/models/fraud", "file://models", "9: error: spec.candidate.publish: \"file://models\" names no absolute folder (write file:///absolute/folder, with three slashes)"},
		"a bare path":                  {"file:///var/models/fraud", "/var/models", "9: error: spec.candidate.publish: \"/var/models\" is no URI (write file:///absolute/folder)"},
		"the same stage twice":         {"name: production", "name: staging", "17: error: spec.stages[1].name: \"staging\" is already the name of stages[0] (rename one)"},
		"a stage that is no branch":    {"name: production", "name: Prod/uction", "17: error: spec.stages[1].name: \"Prod/uction\" is no valid name (use at most 63 lower-case letters, digits and '-')"},
		"an unknown stage":             {"[staging]", "[stagin]", "19: error: spec.stages[1].after[0]: \"stagin\" is no stage (stages are staging, production)"},
		"a stage after itself":         {"[staging]", "[production]", "19: error: spec.stages[1].after: the stages wait for one another: production after production (remove one of these)"},
		"a circle of stages":           {"    path: models/fraud/overlays/staging\n", "    path: a\n    after: [production]\n", "20: error: spec.stages[1].after: the stages wait for one another: staging after production after staging (remove one of these)"},
		"a path outside":               {"models/fraud/overlays/staging", "a/../../b", "12: error: spec.stages[0].path: \"a/../../b\" leads out of the repository (write the folder as seen from the repository's root, such as models/fraud/overlays/staging)"},
		"an absolute path":             {"models/fraud/overlays/staging", "/a", "12: error: spec.stages[0].path: \"/a\" is not relative to the repository's root (write the folder as seen from the repository's root, such as models/fraud/overlays/staging)"},
		"the whole repository":         {"models/fraud/overlays/staging", "./", "12: error: spec.stages[0].path: the whole repository cannot be one stage (write the folder as seen from the repository's root, such as models/fraud/overlays/staging)"},
		"two stages in one folder":     {"overlays/production", "overlays/staging/eu", "18: error: spec.stages[1].path: lies in or over the path of stages[0] (give each stage a folder of its own)"},
		"an unknown destination":       {"modelRepository", "moon", "14: error: spec.stages[0].destination: \"moon\" is no destination (write cluster or modelRepository)"},
		"a target without a name":      {"{kind: InferenceService, name: fraud}", "{kind: InferenceService}", "13: error: spec.stages[0].target.name: missing (name the rendered object)"},
		"no gate":                      {"    gates:\n    - {name: accurate, expr: \"accuracy > 0.95\"}\n", "", "11: error: spec.stages[0].gates: a stage needs at least one gate (say what makes a candidate good enough: {name: accurate, expr: \"accuracy > 0.95\"})"},
		"a gate without an expression": {"expr: \"accuracy > 0.95\"", "expr: ' '", "16: error: spec.stages[0].gates[0].expr: missing (write a CEL expression such as \"accuracy > 0.95\")"},
		"a gate that cannot decide":    {"onNoCurrent: pass", "onNoCurrent: maybe", "21: error: spec.stages[1].gates[0].onNoCurrent: \"maybe\" is neither pass nor fail (write pass or fail)"},
		"a label that is two":          {"labels: [ml]", "labels: ['a,b']", "22: error: spec.stages[1].pullRequest.labels[0]: \"a,b\" is no name"},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(modelDeploy, tc.old) {
				t.Fatalf("the manifest does not hold %q", tc.old)
			}
			_, problems := Decode("m.yaml", []byte(strings.Replace(modelDeploy, tc.old, tc.new, 1)))
			var got []string
			for _, p := range problems {
				got = append(got, strings.TrimPrefix(p.String(), "m.yaml:"))
			}
			if !slices.Equal(got, []string{tc.want}) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), tc.want)
			}
		})
	}
}
