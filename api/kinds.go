package api

import (
	"reflect"
	"slices"
	"strings"

	eventsv1 "github.com/argoproj/argo-events/pkg/apis/events/v1alpha1"
	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
	corev1 "k8s.io/api/core/v1"

	"github.com/pawl-dev/pawl/api/argocd"
	"github.com/pawl-dev/pawl/api/v1alpha1"
)

// A kind is one that pawl knows by name.
type kind struct {
	apiVersion string
	name       string
	typ        reflect.Type // nil: passed to its destination as it is
	own        bool         // pawl's: an unknown field is an error
}

func kinds() []kind {
	const argo, core, pawl = "argoproj.io/v1alpha1", "v1", "pawl.dev/v1alpha1"
	return []kind{
		{apiVersion: argo, name: "Workflow", typ: reflect.TypeFor[wfv1.Workflow]()},
		{apiVersion: argo, name: "WorkflowTemplate", typ: reflect.TypeFor[wfv1.WorkflowTemplate]()},
		{apiVersion: argo, name: "ClusterWorkflowTemplate", typ: reflect.TypeFor[wfv1.ClusterWorkflowTemplate]()},
		{apiVersion: argo, name: "CronWorkflow", typ: reflect.TypeFor[wfv1.CronWorkflow]()},
		{apiVersion: argo, name: "WorkflowEventBinding", typ: reflect.TypeFor[wfv1.WorkflowEventBinding]()},
		{apiVersion: argo, name: "EventSource", typ: reflect.TypeFor[eventsv1.EventSource]()},
		{apiVersion: argo, name: "Sensor", typ: reflect.TypeFor[eventsv1.Sensor]()},
		{apiVersion: argo, name: "EventBus", typ: reflect.TypeFor[eventsv1.EventBus]()},
		{apiVersion: argo, name: "Application", typ: reflect.TypeFor[argocd.Application]()},
		{apiVersion: core, name: "ConfigMap", typ: reflect.TypeFor[corev1.ConfigMap]()},
		{apiVersion: core, name: "Secret", typ: reflect.TypeFor[corev1.Secret]()},
		{apiVersion: core, name: "PersistentVolumeClaim", typ: reflect.TypeFor[corev1.PersistentVolumeClaim]()},
		{apiVersion: pawl, name: "ModelDeploy", typ: reflect.TypeFor[v1alpha1.ModelDeploy](), own: true},

		// The rest of the Argo family lives in the same group and is the cluster's.
		{apiVersion: argo, name: "AppProject"},
		{apiVersion: argo, name: "ApplicationSet"},
		{apiVersion: argo, name: "Rollout"},
		{apiVersion: argo, name: "AnalysisTemplate"},
		{apiVersion: argo, name: "ClusterAnalysisTemplate"},
		{apiVersion: argo, name: "AnalysisRun"},
		{apiVersion: argo, name: "Experiment"},
	}
}

// lookUp finds the kind of a manifest. When it is none that pawl knows, but
// looks meant to be one, message and hint say so; other kinds are the
// destination's and give the zero kind.
func lookUp(apiVersion, name string) (k kind, message, hint string) {
	var inGroup, everywhere []string
	group, _ := splitAPIVersion(apiVersion)
	var groupVersion string
	for _, k := range kinds() {
		if k.apiVersion == apiVersion && k.name == name {
			return k, "", ""
		}
		if g, _ := splitAPIVersion(k.apiVersion); g == group {
			inGroup = append(inGroup, k.name)
			groupVersion = k.apiVersion
		}
		everywhere = append(everywhere, k.name)
	}
	switch {
	case group != "" && groupVersion != "" && groupVersion != apiVersion:
		return kind{}, apiVersion + " is not a version that pawl reads", "write apiVersion: " + groupVersion
	case group != "" && groupVersion != "":
		hint := didYouMean(name, inGroup)
		if hint == "" {
			hint = "it has " + strings.Join(inGroup, ", ")
		}
		return kind{}, name + " is not a kind of " + group, hint
	}
	if i := slices.IndexFunc(everywhere, func(n string) bool { return strings.EqualFold(n, name) }); i >= 0 {
		meant := kinds()[i]
		meantGroup, _ := splitAPIVersion(meant.apiVersion)
		near := group == meantGroup || group == "" || Nearest(group, []string{meantGroup}) != ""
		if near {
			return kind{}, name + " is not a kind of " + apiVersion,
				"write apiVersion: " + meant.apiVersion + " and kind: " + meant.name
		}
	}
	return kind{}, "", ""
}

func splitAPIVersion(apiVersion string) (group, version string) {
	if group, version, ok := strings.Cut(apiVersion, "/"); ok {
		return group, version
	}
	return "", apiVersion
}
