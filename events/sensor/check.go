package sensor

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	eventsv1 "github.com/argoproj/argo-events/pkg/apis/events/v1alpha1"

	"github.com/pawl-dev/pawl/api"
	"github.com/pawl-dev/pawl/events"
	"github.com/pawl-dev/pawl/events/cron"
)

// Check says what is wrong with the values in a Sensor, before any event comes.
// Which fields are run at all is the lint's to say; positions are the caller's
// to fill in.
func Check(s *eventsv1.Sensor) api.Problems {
	c := checker{sensor: s}
	if s.Name == "" {
		c.refuse("metadata.name", "is missing", "")
	}
	if len(s.Spec.Dependencies) == 0 {
		c.refuse("spec.dependencies", "is empty", "name the events that the sensor waits for")
	}
	for i := range s.Spec.Dependencies {
		c.dependency(api.IndexPath("spec.dependencies", i), s.Spec.Dependencies[:i+1])
	}
	if len(s.Spec.Triggers) == 0 {
		c.refuse("spec.triggers", "is empty", "say what the events start")
	}
	named := map[string]bool{}
	for i, t := range s.Spec.Triggers {
		c.trigger(api.IndexPath("spec.triggers", i), t, named)
	}
	return c.problems
}

type checker struct {
	sensor   *eventsv1.Sensor
	problems api.Problems
}

func (c *checker) say(severity api.Severity, path, message, hint string) {
	c.problems = append(c.problems, api.Problem{Severity: severity, Path: path, Message: message, Hint: hint})
}

func (c *checker) refuse(path, message, hint string) { c.say(api.SeverityError, path, message, hint) }

// must refuses the field if there is an error about it.
func (c *checker) must(path string, err error) {
	if err != nil {
		c.refuse(path, err.Error(), "")
	}
}

func (c *checker) required(path, field, value string) {
	if value == "" {
		c.refuse(path+"."+field, "is missing", "")
	}
}

func (c *checker) operator(path string, op eventsv1.LogicalOperator) {
	if op != "" && op != eventsv1.AndLogicalOperator && op != eventsv1.OrLogicalOperator {
		c.refuse(path, fmt.Sprintf("%q is not one", op), "and, or")
	}
}

// dependency checks the last of the given dependencies.
func (c *checker) dependency(path string, upTo []eventsv1.EventDependency) {
	last := len(upTo) - 1
	d := upTo[last]
	c.required(path, "name", d.Name)
	c.required(path, "eventSourceName", d.EventSourceName)
	c.required(path, "eventName", d.EventName)
	if slices.ContainsFunc(upTo[:last], func(o eventsv1.EventDependency) bool { return o.Name == d.Name }) {
		c.refuse(path+".name", fmt.Sprintf("%q is the name of another dependency", d.Name), "")
	}
	if d.Transform != nil && d.Transform.JQ != "" {
		_, err := parseJQ(d.Transform.JQ)
		c.must(path+".transform.jq", err)
	}
	c.operator(path+".filtersLogicalOperator", d.FiltersLogicalOperator)
	if f := d.Filters; f != nil {
		c.filters(path+".filters", *f)
	}
}

func (c *checker) filters(path string, f eventsv1.EventDependencyFilter) {
	c.operator(path+".dataLogicalOperator", f.DataLogicalOperator)
	c.operator(path+".exprLogicalOperator", f.ExprLogicalOperator)
	for i, d := range f.Data {
		c.dataFilter(api.IndexPath(path+".data", i), d)
	}
	for i, e := range f.Exprs {
		at := api.IndexPath(path+".exprs", i)
		if len(e.Fields) == 0 {
			c.say(api.SeverityWarning, at+".fields", "is empty: the filter passes everything", "name the members of the event that the expression uses")
		}
		for j, field := range e.Fields {
			c.required(api.IndexPath(at+".fields", j), "name", field.Name)
			c.required(api.IndexPath(at+".fields", j), "path", field.Path)
		}
		_, err := parseExpr(e.Expr)
		c.must(at+".expr", err)
	}
	if f.Time != nil {
		_, _, _, err := timeWindow(*f.Time)
		c.must(path+".time", err)
	}
}

func (c *checker) dataFilter(path string, f eventsv1.DataFilter) {
	c.required(path, "path", f.Path)
	if len(f.Value) == 0 {
		c.refuse(path+".value", "is missing", "a list of values, of which one has to fit")
	}
	if !slices.Contains(comparators(), f.Comparator) {
		c.refuse(path+".comparator", fmt.Sprintf("%q is not one", f.Comparator), ">=, >, =, !=, < or <=")
		return
	}
	for i, v := range f.Value {
		if _, err := compare(f, noResult(), v); err != nil {
			c.refuse(api.IndexPath(path+".value", i), err.Error(), "")
		}
	}
	if f.Template != "" {
		_, err := parseTemplate(f.Template, time.Time{})
		c.must(path+".template", err)
	}
	if f.Type == eventsv1.JSONTypeBool && f.Comparator != "" && f.Comparator != eventsv1.EqualTo {
		c.refuse(path+".comparator", fmt.Sprintf("%q does not count for type bool, Argo Events ignores it", f.Comparator), "give the other value")
	}
	if f.Comparator == eventsv1.NotEqualTo && len(f.Value) > 1 {
		c.say(api.SeverityWarning, path+".value", "one value that differs is enough, so that with several values nearly everything passes", `one filter a value, or one regular expression "^(a|b)$"`)
	}
}

func (c *checker) trigger(path string, t eventsv1.Trigger, named map[string]bool) {
	if t.Template == nil {
		c.refuse(path+".template", "is missing", "")
		return
	}
	at := path + ".template"
	c.required(at, "name", t.Template.Name)
	if named[t.Template.Name] {
		c.refuse(at+".name", fmt.Sprintf("%q is the name of another trigger", t.Template.Name), "")
	}
	named[t.Template.Name] = true

	waitsFor := dependencyNames(c.sensor)
	if strings.TrimSpace(t.Template.Conditions) != "" {
		cond, err := parseCondition(t.Template.Conditions, waitsFor)
		c.must(at+".conditions", err)
		if err == nil {
			waitsFor = cond.names()
		}
	}
	for i, r := range t.Template.ConditionsReset {
		if r.ByTime != nil {
			_, err := cron.Next(r.ByTime.Cron, r.ByTime.Timezone, time.Unix(0, 0))
			c.must(api.IndexPath(at+".conditionsReset", i)+".byTime.cron", err)
		}
	}
	c.parameters(path+".parameters", t.Parameters, waitsFor)
	inTemplate := checker{sensor: c.sensor}
	inTemplate.action(at, t, waitsFor)
	for _, p := range inTemplate.problems {
		if !overwritten(t.Parameters, "", dotted(strings.TrimPrefix(p.Path, at+"."))) {
			c.problems = append(c.problems, p)
		}
	}
}

// action checks what a trigger template does.
func (c *checker) action(path string, t eventsv1.Trigger, waitsFor []string) {
	a, err := actionOf(t.Template)
	switch {
	case errors.Is(err, errNoAction) && hasOtherAction(t.Template):
		// Which one is not run, the table of fields says.
	case err != nil:
		c.problems = append(c.problems, problem(path, err))
	case a.log == nil:
		c.submission(path, t, a, waitsFor)
	}
}

// hasOtherAction reports whether a template has an action that pawl does not run.
func hasOtherAction(t *eventsv1.TriggerTemplate) bool {
	rest := *t
	rest.Name, rest.Conditions, rest.ConditionsReset = "", "", nil
	return !reflect.ValueOf(rest).IsZero()
}

// submission checks an action that submits a workflow.
func (c *checker) submission(path string, t eventsv1.Trigger, a action, waitsFor []string) {
	at := path + "." + a.path
	c.parameters(at+".parameters", a.parameters, waitsFor)
	if a.path == "argoWorkflow" && t.Template.ArgoWorkflow.Operation == "" {
		c.say(api.SeverityNote, at+".operation", "is missing and taken for submit; Argo Events refuses that", "operation: submit")
	}
	manifest, _, err := a.resource()
	if r := (refusal{}); errors.As(err, &r) && r.byTable {
		return
	}
	if err != nil {
		c.problems = append(c.problems, problem(path, err))
		return
	}
	source, tags := a.tags(path, t)
	workflow, err := decodeObject(manifest)
	if err != nil {
		c.refuse(source, err.Error(), "")
		return
	}
	if err := checkWorkflow(workflow); err != nil && !c.madeByEvent(workflow, a.parameters) {
		c.refuse(source, err.Error(), "")
	}
	for _, tag := range tags {
		c.tag(source, tag)
	}
}

// madeByEvent reports whether what the resource lacks may come by a parameter:
// its name, or its kind.
func (c *checker) madeByEvent(resource map[string]any, parameters []eventsv1.TriggerParameter) bool {
	if isWorkflow(resource) {
		return overwritten(parameters, "", "metadata.name") || overwritten(parameters, "", "metadata.generateName")
	}
	return overwritten(parameters, "", "kind")
}

// tag says what becomes of a tag in the arguments of a workflow.
func (c *checker) tag(source string, t tag) {
	path := t.in(source)
	kinds, known := events.AliasKinds(t.alias)
	switch {
	case !known:
		c.refuse(path, fmt.Sprintf("%s is not known to a trigger, and Argo Events would submit it as it is", t.text),
			"map the value by parameters, or use one of "+strings.Join(events.AliasNames(), ", "))
	case kinds == nil:
		c.say(api.SeverityNote, path, fmt.Sprintf("%s is bound from the event; Argo Events would submit it as it is", t.text), "")
	default:
		c.say(api.SeverityNote, path, fmt.Sprintf("%s is bound from the event, which must be of an event source of kind %s; Argo Events would submit it as it is", t.text, kinds[0]), "")
	}
}

// dotted writes the indexes of a path as a dest does.
func dotted(path string) string {
	return strings.NewReplacer("[", ".", "]", "").Replace(path)
}

// overwritten reports whether a parameter writes the text at a path below the
// place that its dest starts from.
func overwritten(parameters []eventsv1.TriggerParameter, from, path string) bool {
	if from != "" {
		path = from + "." + path
	}
	return slices.ContainsFunc(parameters, func(p eventsv1.TriggerParameter) bool {
		whole := p.Operation == eventsv1.TriggerParameterOpNone || p.Operation == eventsv1.TriggerParameterOpOverwrite
		return whole && (p.Dest == path || strings.HasPrefix(path, p.Dest+"."))
	})
}

func (c *checker) parameters(path string, parameters []eventsv1.TriggerParameter, waitsFor []string) {
	for i, p := range parameters {
		at := api.IndexPath(path, i)
		c.must(at+".dest", checkDest(p.Dest))
		switch p.Operation {
		case eventsv1.TriggerParameterOpNone, eventsv1.TriggerParameterOpOverwrite, eventsv1.TriggerParameterOpAppend, eventsv1.TriggerParameterOpPrepend:
		default:
			c.refuse(at+".operation", fmt.Sprintf("%q is not one", p.Operation), "overwrite, append or prepend")
		}
		if p.Src == nil {
			c.refuse(at+".src", "is missing", "")
			continue
		}
		c.source(at+".src", *p.Src, waitsFor)
	}
}

func (c *checker) source(path string, src eventsv1.TriggerParameterSource, waitsFor []string) {
	if !slices.Contains(waitsFor, src.DependencyName) {
		c.refuse(path+".dependencyName", fmt.Sprintf("%q is no dependency that the trigger waits for", src.DependencyName), "one of "+strings.Join(waitsFor, ", "))
	}
	for _, t := range []struct{ field, text string }{
		{"dataTemplate", src.DataTemplate}, {"contextTemplate", src.ContextTemplate},
	} {
		if t.text != "" {
			_, err := parseTemplate(t.text, time.Time{})
			c.must(path+"."+t.field, err)
		}
	}
	data, context := src.DataKey+src.DataTemplate, src.ContextKey+src.ContextTemplate
	if data != "" && context != "" {
		c.say(api.SeverityWarning, path, "it selects from the data and from the context: only the data counts", "keep one")
	}
}
