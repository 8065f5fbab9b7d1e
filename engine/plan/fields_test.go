package plan

import (
	"reflect"
	"strings"
	"testing"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
	corev1 "k8s.io/api/core/v1"
)

// jsonFields lists the field names of a struct as manifests have them.
func jsonFields(t reflect.Type) []string {
	var names []string
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" {
			names = append(names, jsonFields(f.Type)...)
		} else if name != "" && name != "-" {
			names = append(names, name)
		}
	}
	return names
}

func TestEveryFieldOfArgoHasAClass(t *testing.T) {
	for _, c := range []struct {
		of    any
		table fields
	}{
		{wfv1.WorkflowSpec{}, workflowFields},
		{wfv1.Template{}, templateFields},
		{wfv1.Inputs{}, templateFields["inputs"].below},
		{wfv1.Outputs{}, templateFields["outputs"].below},
		{wfv1.DAGTemplate{}, templateFields["dag"].below},
		{wfv1.DAGTask{}, templateFields["dag"].below["tasks"].below},
		{wfv1.WorkflowStep{}, stepFields},
		{wfv1.ScriptTemplate{}, templateFields["script"].below},
		{corev1.Container{}, containerFields},
		{corev1.EnvVar{}, containerFields["env"].below},
		{corev1.EnvVarSource{}, containerFields["env"].below["valueFrom"].below},
		{corev1.EnvFromSource{}, containerFields["envFrom"].below},
		{corev1.VolumeMount{}, containerFields["volumeMounts"].below},
		{corev1.Volume{}, volumeFields},
		{wfv1.RetryStrategy{}, retryFields},
		{wfv1.Backoff{}, retryFields["backoff"].below},
		{wfv1.Arguments{}, argumentsFields},
		{wfv1.Parameter{}, argumentsFields["parameters"].below},
		{wfv1.Parameter{}, inputParameterFields},
		{wfv1.Parameter{}, outputParameterFields},
		{wfv1.ValueFrom{}, valueFromFields},
		{wfv1.Artifact{}, artifactFields},
		{wfv1.Artifact{}, inputArtifactFields},
		{wfv1.Artifact{}, outputArtifactFields},
		{wfv1.LifecycleHook{}, hookFields},
		{wfv1.WorkflowMetadata{}, workflowFields["workflowMetadata"].below},
	} {
		typ := reflect.TypeOf(c.of)
		known := map[string]bool{}
		for _, name := range jsonFields(typ) {
			known[name] = true
			if _, ok := c.table[name]; !ok {
				t.Errorf("%s.%s has no class", typ.Name(), name)
			}
		}
		for name := range c.table {
			if !known[name] {
				t.Errorf("%s has a class for %s, which Argo does not know", typ.Name(), name)
			}
		}
	}
}
