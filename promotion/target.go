package promotion

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/pawl-dev/pawl/api"
	"github.com/pawl-dev/pawl/api/v1alpha1"
)

// Renderer renders a folder of a repository's files to its objects.
type Renderer func(ctx context.Context, files fs.FS, path string) ([]*api.Object, error)

// inferenceService is the one kind whose model's address can be found and edited.
const inferenceService = "InferenceService"

// frameworks are the keys of KServe's older schema, which names the framework in
// place of "model".
var frameworks = [...]string{"sklearn", "xgboost", "tensorflow", "pytorch", "triton", "onnx", "huggingface", "lightgbm", "pmml", "mlflow", "paddle"}

// Deployed is what a stage's files say is to be served.
type Deployed struct {
	Target string `json:"target,omitempty"` // such as "InferenceService/iris"
	Field  string `json:"field,omitempty"`  // such as "spec.predictor.model.storageUri"
	URI    string `json:"uri,omitempty"`    // "" when no model is deployed yet
	Digest string `json:"digest,omitempty"` // the digest that URI names, "" for none
}

// ReadDeployed renders a stage and reads the address of its model.
func ReadDeployed(ctx context.Context, files fs.FS, stage v1alpha1.Stage, render Renderer) (Deployed, error) {
	objects, err := render(ctx, files, stage.Path)
	if err != nil {
		return Deployed{}, fmt.Errorf("rendering %s: %w", stage.Path, err)
	}
	at, err := locate(objects, stage)
	if err != nil {
		return Deployed{}, err
	}
	return at.deployed(), nil
}

// location is where a rendered Set has the address of the model.
type location struct {
	object *api.Object
	index  int // of object in the Set
	field  []string
	uri    string
}

func (l location) deployed() Deployed {
	return Deployed{Target: l.name(), Field: strings.Join(l.field, "."), URI: l.uri, Digest: URIDigest(l.uri)}
}

func (l location) name() string { return l.object.Kind + "/" + l.object.Name }

// locate finds the target of a stage among its rendered objects.
func locate(objects []*api.Object, stage v1alpha1.Stage) (location, error) {
	want := "an InferenceService"
	if t := stage.Target; t != nil {
		if t.Kind != inferenceService {
			return location{}, fmt.Errorf("target %s/%s of stage %s: pawl can edit the model of an InferenceService, not of a %s yet", t.Kind, t.Name, stage.Name, t.Kind)
		}
		want = t.Kind + "/" + t.Name
	}
	var found []location
	var others []string
	for i, o := range objects {
		if matches(o, stage.Target) {
			found = append(found, location{object: o, index: i})
		} else {
			others = append(others, o.Kind+"/"+o.Name)
		}
	}
	switch len(found) {
	case 1:
	case 0:
		return location{}, fmt.Errorf("%s renders no %s, only %s; name what it renders in target of stage %s", stage.Path, strings.TrimPrefix(want, "an "), listed(others), stage.Name)
	default:
		return location{}, fmt.Errorf("%s renders %s %d times; name the one that is meant in target of stage %s (kind, name, apiVersion)", stage.Path, want, len(found), stage.Name)
	}
	at := found[0]
	var err error
	at.field, at.uri, err = modelField(at.object)
	return at, err
}

func matches(o *api.Object, t *v1alpha1.Target) bool {
	if t == nil {
		return o.Kind == inferenceService && strings.HasPrefix(o.APIVersion, "serving.kserve.io/")
	}
	return o.Kind == t.Kind && o.Name == t.Name && (t.APIVersion == "" || o.APIVersion == t.APIVersion)
}

func listed(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	return strings.Join(names, ", ")
}

// modelField says where an InferenceService has the address of its model, in
// the present schema (predictor.model) or the older one (predictor.sklearn …).
func modelField(o *api.Object) ([]string, string, error) {
	name := o.Kind + "/" + o.Name
	predictor := child(child(o.Raw, "spec"), "predictor")
	if predictor == nil {
		return nil, "", fmt.Errorf("%s has no spec.predictor", name)
	}
	var keys []string
	for _, key := range append([]string{"model"}, frameworks[:]...) {
		if child(predictor, key) != nil {
			keys = append(keys, key)
		}
	}
	if len(keys) != 1 {
		return nil, "", fmt.Errorf("%s has %s under spec.predictor; pawl needs exactly one of model and a framework's name (%s, …) to know which model is meant", name, listed(keys), frameworks[0])
	}
	field := []string{"spec", "predictor", keys[0], "storageUri"}
	model := child(predictor, keys[0])
	if _, ok := model["storage"]; ok {
		return nil, "", fmt.Errorf("%s says where its model is by spec.predictor.%s.storage; write storageUri instead, which pawl can edit", name, keys[0])
	}
	switch uri := model["storageUri"].(type) {
	case nil:
		return field, "", nil
	case string:
		return field, uri, nil
	default:
		return nil, "", fmt.Errorf("%s: %s is %v, want a string", name, strings.Join(field, "."), uri)
	}
}

func child(m map[string]any, key string) map[string]any {
	c, _ := m[key].(map[string]any)
	return c
}

// at returns the value at a path of keys.
func at(m map[string]any, path []string) any {
	for _, key := range path[:len(path)-1] {
		m = child(m, key)
	}
	return m[path[len(path)-1]]
}

// with returns m with another value at a path of keys, sharing the rest.
func with(m map[string]any, path []string, value any) map[string]any {
	copied := make(map[string]any, len(m)+1)
	for k, v := range m {
		copied[k] = v
	}
	if len(path) == 1 {
		copied[path[0]] = value
	} else {
		copied[path[0]] = with(child(m, path[0]), path[1:], value)
	}
	return copied
}

// sorted returns the keys of m in order.
func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
