package api

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"

	eventsv1 "github.com/argoproj/argo-events/pkg/apis/events/v1alpha1"
	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// checker compares a decoded value with the Go type it is meant for. The
// decoder of the standard library would do it, but it stops at the first
// mismatch, knows no index and ignores the case of names.
type checker struct {
	report  func(severity Severity, path, message, hint string)
	unknown Severity // what an unknown field is
	fields  map[reflect.Type]map[string]reflect.Type
}

// check reports what of v does not fit t and returns v without the fields that
// t does not have.
func (c *checker) check(path string, v any, t reflect.Type) any {
	if v == nil {
		return nil
	}
	if t == reflect.TypeFor[wfv1.ParallelSteps]() {
		return c.check(path, v, reflect.TypeFor[[]wfv1.WorkflowStep]())
	}
	if t.Kind() == reflect.Pointer {
		return c.check(path, v, t.Elem())
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		c.checkUnmarshaler(path, v, t)
		return v
	}
	switch t.Kind() {
	case reflect.Struct:
		return c.checkStruct(path, v, t)
	case reflect.Map:
		return c.checkMap(path, v, t)
	case reflect.Slice, reflect.Array:
		return c.checkList(path, v, t)
	case reflect.Interface:
		return v
	}
	c.checkScalar(path, v, t)
	return v
}

func (c *checker) mismatch(path string, v any, want string) {
	hint := ""
	if _, isText := v.(string); !isText && strings.HasSuffix(want, "string") && isScalar(v) {
		hint = "quote it"
	}
	c.report(SeverityError, path, "must be "+want+", got "+wordFor(v), hint)
}

func (c *checker) checkStruct(path string, v any, t reflect.Type) any {
	m, ok := v.(map[string]any)
	if !ok {
		c.mismatch(path, v, "a map")
		return v
	}
	fields := c.fieldsOf(t)
	known := make(map[string]any, len(m))
	for _, name := range sortedKeys(m) {
		below := JoinPath(path, name)
		if ft, ok := fields[name]; ok {
			known[name] = c.check(below, m[name], ft)
			continue
		}
		c.report(c.unknown, below, "unknown field", unknownHint(name, sortedKeys(fields)))
	}
	return known
}

func unknownHint(name string, known []string) string {
	switch name {
	case "podResources", "plugin", "githubApp": // newer than the types that are read
		return "newer versions of Argo have it; pawl does not read it"
	}
	return didYouMean(name, known)
}

func (c *checker) checkMap(path string, v any, t reflect.Type) any {
	m, ok := v.(map[string]any)
	if !ok {
		c.mismatch(path, v, typeWords(t))
		return v
	}
	known := make(map[string]any, len(m))
	for _, name := range sortedKeys(m) {
		known[name] = c.check(JoinPath(path, name), m[name], t.Elem())
	}
	return known
}

func (c *checker) checkList(path string, v any, t reflect.Type) any {
	if t.Elem().Kind() == reflect.Uint8 {
		text, ok := v.(string)
		if !ok {
			c.mismatch(path, v, "base64 text")
		} else if _, err := base64.StdEncoding.DecodeString(text); err != nil {
			c.report(SeverityError, path, "must be base64 text", "plain text belongs in stringData (Secret) or data (ConfigMap)")
		}
		return v
	}
	list, ok := v.([]any)
	if !ok {
		c.mismatch(path, v, typeWords(t))
		return v
	}
	known := make([]any, len(list))
	for i, item := range list {
		known[i] = c.check(IndexPath(path, i), item, t.Elem())
	}
	return known
}

func (c *checker) checkScalar(path string, v any, t reflect.Type) {
	fits := false
	switch t.Kind() {
	case reflect.String:
		_, fits = v.(string)
	case reflect.Bool:
		_, fits = v.(bool)
	case reflect.Float32, reflect.Float64:
		fits = isNumber(v)
	default:
		n, whole := wholeNumber(v)
		if fits = whole; whole && !inRange(n, t) {
			c.report(SeverityError, path, fmt.Sprintf("%d is out of range", n), "")
			return
		}
	}
	if !fits {
		c.mismatch(path, v, typeWords(t))
	}
}

func inRange(n int64, t reflect.Type) bool {
	zero := reflect.New(t).Elem()
	if zero.CanInt() {
		return !zero.OverflowInt(n)
	}
	return zero.CanUint() && n >= 0 && !zero.OverflowUint(uint64(n))
}

// checkUnmarshaler tries the type's own decoder, after the types whose decoders
// take what their users would not want.
func (c *checker) checkUnmarshaler(path string, v any, t reflect.Type) {
	fits := true
	_, isMap := v.(map[string]any)
	switch t {
	case reflect.TypeFor[wfv1.AnyString]():
		fits = isScalar(v)
	case reflect.TypeFor[wfv1.Object](), reflect.TypeFor[eventsv1.K8SResource]():
		fits = isMap
	case reflect.TypeFor[wfv1.Plugin]():
		fits = isMap && len(v.(map[string]any)) == 1
	case reflect.TypeFor[wfv1.Amount](), reflect.TypeFor[eventsv1.Amount]():
		fits = isNumber(v)
	case reflect.TypeFor[intstr.IntOrString](), reflect.TypeFor[resource.Quantity](), reflect.TypeFor[eventsv1.Int64OrString]():
		fits = isScalar(v)
	}
	if fits {
		data, err := json.Marshal(v)
		fits = err == nil && json.Unmarshal(data, reflect.New(t).Interface()) == nil
	}
	if !fits {
		c.report(SeverityError, path, "must be "+typeWords(t)+", got "+shown(v), "")
	}
}

// fieldsOf lists the JSON names of a struct with their types, embedded structs
// included.
func (c *checker) fieldsOf(t reflect.Type) map[string]reflect.Type {
	if fields, ok := c.fields[t]; ok {
		return fields
	}
	fields := map[string]reflect.Type{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		inner := f.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		switch {
		case name == "-":
		case f.Anonymous && name == "" && inner.Kind() == reflect.Struct:
			for n, ft := range c.fieldsOf(inner) {
				if _, has := fields[n]; !has {
					fields[n] = ft
				}
			}
		case !f.IsExported():
		case name == "":
			fields[f.Name] = f.Type
		default:
			fields[name] = f.Type
		}
	}
	c.fields[t] = fields
	return fields
}

// typeWords says what a value of a type is, in the words of the manifest.
func typeWords(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[wfv1.AnyString]():
		return "a string, number or bool"
	case reflect.TypeFor[wfv1.Plugin]():
		return "a map with exactly one key"
	case reflect.TypeFor[wfv1.Object](), reflect.TypeFor[eventsv1.K8SResource]():
		return "a map"
	case reflect.TypeFor[wfv1.Amount](), reflect.TypeFor[eventsv1.Amount]():
		return "a number"
	case reflect.TypeFor[intstr.IntOrString](), reflect.TypeFor[eventsv1.Int64OrString]():
		return "a whole number or a string"
	case reflect.TypeFor[resource.Quantity]():
		return "a quantity such as 500m or 2Gi"
	case reflect.TypeFor[metav1.Duration]():
		return `a duration such as "5m"`
	case reflect.TypeFor[metav1.Time](), reflect.TypeFor[metav1.MicroTime]():
		return "a time such as 2006-01-02T15:04:05Z"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return typeWords(t.Elem())
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Slice, reflect.Array:
		return "a list" + ofWords(t.Elem())
	case reflect.Map:
		return "a map" + ofWords(t.Elem())
	case reflect.Struct:
		return "a map"
	case reflect.Interface:
		return "any value"
	}
	return "a whole number"
}

func ofWords(t reflect.Type) string {
	switch {
	case t.Kind() == reflect.String:
		return " of strings"
	case t.Kind() == reflect.Struct && !reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()):
		return " of maps"
	}
	return ""
}

// wordFor is what a value is, "list" rather than the list itself, which may be
// long or secret.
func wordFor(v any) string {
	switch v.(type) {
	case nil:
		return "nothing"
	case map[string]any:
		return "map"
	case []any:
		return "list"
	case string:
		return "string"
	case bool:
		return "bool"
	}
	return "number"
}

// shown is a value where its form is at fault: short text as it is.
func shown(v any) string {
	const most = 40
	if text, ok := v.(string); ok && len(text) <= most {
		return fmt.Sprintf("%q", text)
	}
	return wordFor(v)
}

func isScalar(v any) bool {
	switch v.(type) {
	case map[string]any, []any:
		return false
	}
	return true
}

func isNumber(v any) bool {
	switch v.(type) {
	case int64, float64:
		return true
	}
	return false
}

func wholeNumber(v any) (int64, bool) {
	switch n := v.(type) {
	case int64:
		return n, true
	case float64:
		return int64(n), n == math.Trunc(n) && math.Abs(n) < 1<<63
	}
	return 0, false
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
