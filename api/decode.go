package api

import (
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/api/validate/content"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/pawl-dev/pawl/api/v1alpha1"
)

// Decode reads the manifests of one file: YAML documents or JSON values, one
// after another, a List of them unrolled; file names it in positions. Objects
// with an error among the problems are left out. Problems come in the order of
// the file.
func Decode(file string, data []byte) ([]*Object, Problems) {
	documents, problems := Parse(file, data)
	var objects []*Object
	for _, doc := range documents {
		o, ps := doc.Decode()
		if o != nil {
			objects = append(objects, o)
		}
		problems = append(problems, ps...)
	}
	sortProblems(problems)
	return objects, problems
}

// Decode makes a manifest of a parsed document; nil when it has errors.
func (o *Object) Decode() (*Object, Problems) {
	if o.Raw == nil {
		return nil, Problems{{Severity: SeverityError, Position: o.Origin,
			Message: "a manifest must be a map with apiVersion and kind, got " + o.root}}
	}
	return FromRaw(o.Raw, o)
}

// Parse reads the documents of one file, manifests or not, a List unrolled:
// Raw, what identifies the object where it is given, and positions. Raw is nil
// for a document that is no map. Nothing but the form of the file is checked.
func Parse(file string, data []byte) ([]*Object, Problems) {
	nodes, problems := parse(file, data)
	var documents []*Object
	for _, node := range nodes {
		doc := &Object{Origin: Position{File: file, Line: node.Line}, node: node}
		d := &decoder{origin: doc}
		value := d.convert(node)
		if value != nil && !d.failed() {
			documents = append(documents, d.unroll(value)...)
		}
		problems = append(problems, d.problems...)
	}
	sortProblems(problems)
	return documents, problems
}

// FromRaw makes an object of values that were made from a manifest, such as a
// rendered one: raw holds JSON's types only, source is the object as it is
// written, for positions.
func FromRaw(raw map[string]any, source *Object) (*Object, Problems) {
	d := &decoder{origin: source}
	o := d.decode(raw)
	sortProblems(d.problems)
	return o, d.problems
}

// Into decodes a document that is no manifest into a Go value. Fields that the
// value does not have are errors.
func (o *Object) Into(value any) Problems {
	d := &decoder{origin: o}
	t := reflect.TypeOf(value).Elem()
	known := d.checker(SeverityError).check("", o.Raw, t)
	if !d.failed() {
		if err := fill(known, value); err != nil {
			d.report(SeverityError, "", fmt.Sprintf("does not fit %s: %v", t.Name(), err), "")
		}
	}
	sortProblems(d.problems)
	return d.problems
}

// Embedded decodes a manifest that stands inside an object, such as the
// Workflow in a Sensor's trigger.
func (o *Object) Embedded(path string) (*Object, Problems) {
	at := &Object{Origin: o.Position(path)}
	var raw any = o.Raw
	at.node = o.node
	for _, s := range splitPath(path) {
		_, at.node = child(at.node, s)
		switch v := raw.(type) {
		case map[string]any:
			raw = v[s.key]
		case []any:
			raw = nil
			if s.index >= 0 && s.index < len(v) {
				raw = v[s.index]
			}
		}
	}
	at.node = follow(at.node)
	m, ok := raw.(map[string]any)
	if !ok {
		return nil, Problems{{Severity: SeverityError, Position: at.Origin, Path: path,
			Message: "must be a manifest, got " + wordFor(raw)}}
	}
	return FromRaw(m, at)
}

// decoder decodes one document and collects what is wrong with it.
type decoder struct {
	origin   *Object // where positions come from
	problems Problems
}

func (d *decoder) report(severity Severity, path, message, hint string) {
	d.problems = append(d.problems, Problem{Severity: severity, Position: d.origin.Position(path),
		Path: path, Message: message, Hint: hint})
}

func (d *decoder) failed() bool {
	return d.problems.Err() != nil
}

// convert gives the JSON values of a document, nil for an empty one.
func (d *decoder) convert(doc *yaml.Node) any {
	c := newConverter(func(line int, path, message, hint string) {
		d.problems = append(d.problems, Problem{Severity: SeverityError,
			Position: Position{File: d.origin.Origin.File, Line: line}, Path: path, Message: message, Hint: hint})
	})
	return c.value(doc, "", 0)
}

// unroll gives a document as it is, or each item of a List.
func (d *decoder) unroll(value any) []*Object {
	o := &Object{Origin: d.origin.Origin, node: d.origin.node, root: wordFor(value)}
	o.Raw, _ = value.(map[string]any)
	if o.Raw["kind"] != "List" || o.Raw["apiVersion"] != "v1" {
		o.identify()
		return []*Object{o}
	}
	items, ok := o.Raw["items"].([]any)
	if !ok && o.Raw["items"] != nil {
		d.report(SeverityError, "items", "must be a list of manifests, got "+wordFor(o.Raw["items"]), "")
	}
	_, node := child(o.node, step{key: "items", index: -1})
	var objects []*Object
	for i, item := range items {
		_, itemNode := child(node, step{index: i})
		of := &decoder{origin: &Object{Origin: d.origin.Position(IndexPath("items", i)), node: follow(itemNode)}}
		objects = append(objects, of.unroll(item)...)
		d.problems = append(d.problems, of.problems...)
	}
	return objects
}

func (d *decoder) decode(raw map[string]any) *Object {
	o := &Object{Raw: raw, Origin: d.origin.Origin, node: d.origin.node}
	o.identify()
	d.need(raw, "apiVersion")
	d.need(raw, "kind")
	if d.failed() {
		return nil
	}
	k, message, hint := lookUp(o.APIVersion, o.Kind)
	if message != "" {
		d.report(SeverityError, "kind", message, hint)
		return nil
	}
	d.metadata(o, k)
	d.typed(o, k)
	if d.failed() {
		return nil
	}
	return o
}

// need reports a field that is not there or is no text.
func (d *decoder) need(raw map[string]any, field string) {
	v := raw[field]
	if text, ok := v.(string); ok && text != "" {
		return
	} else if v != nil && !ok {
		d.report(SeverityError, field, "must be a string, got "+wordFor(v), "")
		return
	}
	hint := "every manifest needs apiVersion, kind and metadata.name"
	for _, key := range sortedKeys(raw) {
		if Nearest(key, []string{field}) != "" && key != field {
			hint = "is `" + key + "` meant to be it?"
		}
	}
	d.report(SeverityError, field, "missing", hint)
}

func (d *decoder) metadata(o *Object, k kind) {
	meta, ok := o.Raw["metadata"].(map[string]any)
	if !ok && o.Raw["metadata"] != nil {
		if k.typ == nil { // else the type's own check says it
			d.report(SeverityError, "metadata", "must be a map, got "+wordFor(o.Raw["metadata"]), "")
		}
		return
	}
	if k.typ == nil {
		d.checker(SeverityWarning).check("metadata", meta, reflect.TypeFor[metav1.ObjectMeta]())
	}
	d.names(o, k)
}

// identify fills what the object says of itself.
func (o *Object) identify() {
	o.APIVersion, _ = o.Raw["apiVersion"].(string)
	o.Kind, _ = o.Raw["kind"].(string)
	meta, _ := o.Raw["metadata"].(map[string]any)
	o.Name, _ = meta["name"].(string)
	if o.Name == "" {
		o.GenerateName, _ = meta["generateName"].(string)
	}
	o.Namespace, _ = meta["namespace"].(string)
	o.Labels, o.Annotations = stringMap(meta["labels"]), stringMap(meta["annotations"])
}

func stringMap(v any) map[string]string {
	m, ok := v.(map[string]any)
	if !ok {
		return nil
	}
	out := make(map[string]string, len(m))
	for k, v := range m {
		out[k], _ = v.(string)
	}
	return out
}

// names checks what must name the object. What Kubernetes alone would refuse is
// a warning; what could mislead a path or a command line is an error. For kinds
// of others, whose rules differ, a name must merely be fit for a path.
func (d *decoder) names(o *Object, k kind) {
	switch {
	case o.Name == "" && o.GenerateName == "":
		if o.Group() != "kustomize.config.k8s.io" {
			d.report(SeverityError, "metadata.name", "missing", "every manifest needs apiVersion, kind and metadata.name")
		}
	case k.typ == nil && o.Name != "":
		for _, fault := range content.IsPathSegmentName(o.Name) {
			d.report(SeverityError, "metadata.name", fmt.Sprintf("%q %s", o.Name, fault), "")
		}
	case o.Name != "":
		d.name("metadata.name", o.Name, o.Name)
	default:
		d.name("metadata.generateName", o.GenerateName, o.GenerateName+"x")
	}
	if o.Namespace != "" && len(validation.IsDNS1123Label(o.Namespace)) > 0 {
		d.report(SeverityError, "metadata.namespace", fmt.Sprintf("%q is no valid namespace", o.Namespace), "use lower-case letters, digits and '-'")
	}
}

var safeName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// name checks a name; completed is what a generated name could become.
func (d *decoder) name(at, name, completed string) {
	const rule = "use lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit"
	switch {
	case !safeName.MatchString(completed) || len(completed) > validation.DNS1123SubdomainMaxLength:
		d.report(SeverityError, at, fmt.Sprintf("%q is no valid name", name), rule)
	case len(validation.IsDNS1123Subdomain(completed)) > 0:
		d.report(SeverityWarning, at, fmt.Sprintf("Kubernetes would refuse the name %q", name), rule)
	}
}

func (d *decoder) checker(unknown Severity) *checker {
	return &checker{report: d.report, unknown: unknown, fields: map[reflect.Type]map[string]reflect.Type{}}
}

// typed fills Typed for the kinds that have a Go type.
func (d *decoder) typed(o *Object, k kind) {
	if k.typ == nil {
		return
	}
	unknown := SeverityWarning
	if k.own {
		unknown = SeverityError
	}
	known := d.checker(unknown).check("", o.Raw, k.typ)
	if d.failed() {
		return
	}
	typed := reflect.New(k.typ).Interface()
	if err := fill(known, typed); err != nil {
		d.report(SeverityError, "", fmt.Sprintf("does not fit %s: %v", o.Kind, err), "")
		return
	}
	if deploy, ok := typed.(*v1alpha1.ModelDeploy); ok {
		for _, f := range deploy.Validate() {
			d.report(SeverityError, f.Path, f.Message, f.Hint)
		}
	}
	o.Typed = typed
}

func fill(known, into any) error {
	data, err := json.Marshal(known)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, into)
}

// sortProblems orders by line, keeping the order of what is said of one line.
func sortProblems(ps Problems) {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Compare(a.Line, b.Line)
	})
}
