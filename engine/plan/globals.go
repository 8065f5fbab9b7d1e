package plan

import (
	"encoding/json"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"

	"github.com/pawl-dev/pawl/engine/expr"
)

// setGlobals fills the values of workflow.* that a run knows from its start.
func (c *compiler) setGlobals() {
	g, w := c.plan.Globals, c.in.Workflow
	g["workflow.name"] = c.plan.Name
	g["workflow.namespace"] = c.plan.Namespace
	g["workflow.uid"] = c.plan.UID
	g["workflow.mainEntrypoint"] = c.spec.Entrypoint
	g["workflow.serviceAccountName"] = c.spec.ServiceAccountName
	if c.spec.Priority != nil {
		g["workflow.priority"] = strconv.Itoa(int(*c.spec.Priority))
	}
	labels, annotations := map[string]string{}, map[string]string{}
	if m := c.spec.WorkflowMetadata; m != nil {
		copyInto(labels, m.Labels)
		copyInto(annotations, m.Annotations)
	}
	copyInto(labels, w.Labels)
	copyInto(annotations, w.Annotations)
	setAll(g, "workflow.labels", labels)
	setAll(g, "workflow.annotations", annotations)
	setCreation(g, c.plan.Created)
	c.setParameters()
}

func copyInto(to, from map[string]string) {
	for k, v := range from {
		to[k] = v
	}
}

func setAll(g map[string]string, name string, values map[string]string) {
	for k, v := range values {
		g[name+"."+k] = v
	}
	text, _ := json.Marshal(values)
	g[name] = string(text)
	g[name+".json"] = string(text)
}

// setParameters gives every workflow parameter its value: an override, its
// value, its config map or its default.
func (c *compiler) setParameters() {
	overrides := map[string]string{}
	for _, p := range c.in.Parameters {
		overrides[p.Name] = p.Value
	}
	known := map[string]bool{}
	for i, p := range c.spec.Arguments.Parameters {
		at := c.parameterPlace(p.Name, i)
		if known[p.Name] {
			c.errorf(at, "spec.arguments.parameters[%d].name '%s' is not unique", i, p.Name)
			continue
		}
		known[p.Name] = true
		value, given := overrides[p.Name]
		if !given {
			value, given = c.parameterValue(p, at)
		}
		if !given {
			c.problem(at, fmt.Sprintf("spec.arguments.%s.value or spec.arguments.%s.valueFrom is required", p.Name, p.Name),
				"give it a value, or pass one: -p "+p.Name+"=VALUE")
			continue
		}
		if len(p.Enum) > 0 && !inEnum(p.Enum, value) {
			c.errorf(at, "value %q of parameter %s is not in its enum", value, p.Name)
		}
		c.setParameter(p.Name, value)
	}
	// A parameter that the workflow does not declare is added, as by argo submit.
	for _, p := range c.in.Parameters {
		if !known[p.Name] {
			known[p.Name] = true
			c.setParameter(p.Name, p.Value)
		}
	}
	c.renderParameters()
}

func (c *compiler) setParameter(name, value string) {
	c.plan.Parameters = append(c.plan.Parameters, Parameter{name, value})
	c.plan.Globals["workflow.parameters."+name] = value
}

// renderParameters replaces the workflow's own tags in parameter values, such as
// {{workflow.name}}, and makes the list of all.
func (c *compiler) renderParameters() {
	type named struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	list := []named{}
	for i, p := range c.plan.Parameters {
		if strings.Contains(p.Value, "{{") {
			if t, err := parseText(p.Value); err == nil {
				if value, err := t.Render(globals(c.plan.Globals)); err == nil {
					c.plan.Parameters[i].Value = value
					c.plan.Globals["workflow.parameters."+p.Name] = value
				}
			}
		}
		list = append(list, named(c.plan.Parameters[i]))
	}
	text, _ := json.Marshal(list)
	c.plan.Globals["workflow.parameters"] = string(text)
	c.plan.Globals["workflow.parameters.json"] = string(text)
}

// parameterPlace is where a parameter is written: in the workflow, or in the
// template it refers to.
func (c *compiler) parameterPlace(name string, i int) place {
	for k, p := range c.workflow.Spec.Arguments.Parameters {
		if p.Name == name {
			return c.root.below("arguments.parameters").index(k)
		}
	}
	if len(c.workflow.Spec.Arguments.Parameters) == 0 && c.spec.WorkflowTemplateRef != nil {
		return c.root.field("workflowTemplateRef")
	}
	return c.root.below("arguments.parameters").index(i)
}

// parameterValue is the value that a parameter has by itself.
func (c *compiler) parameterValue(p wfv1.Parameter, at place) (string, bool) {
	switch {
	case p.Value != nil:
		return p.Value.String(), true
	case p.ValueFrom != nil:
		return c.valueFromConfigMap(p, at)
	case p.Default != nil:
		return p.Default.String(), true
	}
	return "", false
}

// valueFromConfigMap resolves valueFrom.configMapKeyRef; a missing map or key is
// an error unless there is a default or it is optional.
func (c *compiler) valueFromConfigMap(p wfv1.Parameter, at place) (string, bool) {
	ref := p.ValueFrom.ConfigMapKeyRef
	fallback := p.ValueFrom.Default
	if fallback == nil {
		fallback = p.Default
	}
	if ref != nil {
		at = at.below("valueFrom.configMapKeyRef")
		if strings.Contains(ref.Name+ref.Key, "{{") {
			name, key := c.globalText(ref.Name, at.field("name")), c.globalText(ref.Key, at.field("key"))
			ref = ref.DeepCopy()
			ref.Name, ref.Key = name, key
		}
		if value, ok := c.configMapKey(ref.Name, ref.Key, at, fallback != nil || ref.Optional != nil && *ref.Optional); ok {
			return value, true
		}
	}
	if fallback != nil {
		return fallback.String(), true
	}
	return "", ref != nil // what is missing has been said
}

func (c *compiler) configMapKey(name, key string, at place, optional bool) (string, bool) {
	cm := c.configMap(name)
	if cm == nil {
		if !optional {
			c.problem(at, fmt.Sprintf("names ConfigMap %s which is not defined", name), meant(name, c.known("ConfigMap"), "give its manifest too"))
		}
		return "", false
	}
	value, ok := cm.Data[key]
	if !ok && !optional {
		keys := make([]string, 0, len(cm.Data))
		for k := range cm.Data {
			keys = append(keys, k)
		}
		sort.Strings(keys)
		c.problem(at, fmt.Sprintf("ConfigMap %s has no key %s", name, key), meant(key, keys, ""))
	}
	return value, ok
}

// globalText renders a field that is needed before the run: only the workflow's
// own values are known.
func (c *compiler) globalText(source string, at place) string {
	t, err := parseText(source)
	if err != nil {
		c.errorf(at, "%v", err)
		return source
	}
	for _, name := range t.Names() {
		if _, ok := c.plan.Globals[name]; !ok {
			c.problem(at, fmt.Sprintf("{{%s}} in this field is not run by pawl yet", name), "only workflow parameters are known before the run")
			return source
		}
	}
	value, err := t.Render(globals(c.plan.Globals))
	if err != nil {
		c.errorf(at, "%v", err)
	}
	return value
}

func inEnum(enum []wfv1.AnyString, value string) bool {
	for _, e := range enum {
		if e.String() == value {
			return true
		}
	}
	return false
}

// globals is the Env of the values known before the run.
type globals map[string]string

func (g globals) Lookup(name string) (string, bool) { v, ok := g[name]; return v, ok }

func (g globals) Expand([]string, bool) map[string]any {
	return expr.Env(func(yield func(string, string) bool) {
		for k, v := range g {
			if !yield(k, v) {
				return
			}
		}
	})
}

// setCreation gives the creation time in Argo's formats: by default RFC 3339,
// .s in seconds, and one letter of strftime each.
func setCreation(g map[string]string, t time.Time) {
	const name = "workflow.creationTimestamp"
	g[name] = t.Format(time.RFC3339)
	g[name+".RFC3339"] = t.Format(time.RFC3339)
	g[name+".s"] = strconv.FormatInt(t.Unix(), 10)
	for letter, layout := range map[string]string{
		"B": "January", "b": "Jan", "m": "01", "A": "Monday", "a": "Mon", "d": "02", "H": "15", "I": "03",
		"M": "04", "S": "05", "Y": "2006", "y": "06", "p": "PM", "Z": "MST", "z": "-0700", "L": ".000",
	} {
		g[name+"."+letter] = strings.TrimPrefix(t.Format(layout), ".")
	}
}
