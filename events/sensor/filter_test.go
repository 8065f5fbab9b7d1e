package sensor

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	eventsv1 "github.com/argoproj/argo-events/pkg/apis/events/v1alpha1"
	"sigs.k8s.io/yaml"

	"github.com/pawl-dev/pawl/events"
)

const push = `{"body":{"ref":"refs/heads/main","n":7,"ok":true,"s":"7","tags":["a","b"],"none":null},"x-y":"v"}`

func TestFilters(t *testing.T) {
	for _, test := range []struct {
		name, dependency string
		data             string // push when empty
		pass             bool
		why              string
	}{
		// data, strings
		{name: "a string value is a regular expression without anchors", dependency: `filters: {data: [{path: body.ref, type: string, value: ["heads/m..n"]}]}`, pass: true},
		{name: "one of several values is enough", dependency: `filters: {data: [{path: body.ref, type: string, value: [dev, main]}]}`, pass: true},
		{name: "none of the values", dependency: `filters: {data: [{path: body.ref, type: string, value: [dev, test]}]}`, why: `body.ref is "refs/heads/main", wanted = dev or test`},
		{name: "!= wants no match", dependency: `filters: {data: [{path: body.ref, type: string, comparator: "!=", value: [main]}]}`, why: "wanted != main"},
		{name: "!= with several values wants one that does not match", dependency: `filters: {data: [{path: body.ref, type: string, comparator: "!=", value: [main, dev]}]}`, pass: true},
		{name: "a number is compared as its text", dependency: `filters: {data: [{path: body.n, type: string, value: ["^7$"]}]}`, pass: true},
		{name: "a path with a dash", dependency: `filters: {data: [{path: x-y, type: string, value: [v]}]}`, pass: true},
		{name: "an entry of a list", dependency: `filters: {data: [{path: body.tags.1, type: string, value: [b]}]}`, pass: true},
		{name: "a list query", dependency: `filters: {data: [{path: "body.tags.#(==b)", type: string, value: [b]}]}`, pass: true},
		{name: "null is there and is an empty text", dependency: `filters: {data: [{path: body.none, type: string, value: ["^$"]}]}`, pass: true},
		{name: "a path that is not there", dependency: `filters: {data: [{path: body.gone, type: string, value: [x]}]}`, why: "has no body.gone"},
		{name: "no data passes", dependency: `filters: {data: [{path: body.gone, type: string, value: [x]}]}`, data: "none", pass: true},
		// data, numbers and bools
		{name: "a number is equal without comparator", dependency: `filters: {data: [{path: body.n, type: number, value: ["7.0"]}]}`, pass: true},
		{name: "a number is larger", dependency: `filters: {data: [{path: body.n, type: number, comparator: ">", value: ["6.9"]}]}`, pass: true},
		{name: "a number is not larger than itself", dependency: `filters: {data: [{path: body.n, type: number, comparator: ">", value: ["7"]}]}`, why: "wanted > 7"},
		{name: "a number is at least itself", dependency: `filters: {data: [{path: body.n, type: number, comparator: ">=", value: ["7"]}]}`, pass: true},
		{name: "a number is less", dependency: `filters: {data: [{path: body.n, type: number, comparator: "<", value: ["8"]}]}`, pass: true},
		{name: "a number is at most itself", dependency: `filters: {data: [{path: body.n, type: number, comparator: "<=", value: ["7"]}]}`, pass: true},
		{name: "a number differs", dependency: `filters: {data: [{path: body.n, type: number, comparator: "!=", value: ["7"]}]}`, why: "wanted != 7"},
		{name: "a text that is a number counts as one", dependency: `filters: {data: [{path: body.s, type: number, comparator: ">", value: ["6"]}]}`, pass: true},
		{name: "a bool is equal", dependency: `filters: {data: [{path: body.ok, type: bool, value: ["true"]}]}`, pass: true},
		{name: "a bool is not", dependency: `filters: {data: [{path: body.ok, type: bool, value: ["false"]}]}`, why: "wanted = false"},
		// data, templates
		{name: "a template sees the text in .Input", dependency: `filters: {data: [{path: body.ref, type: string, template: '{{ .Input | base }}', value: ["^main$"]}]}`, pass: true},
		{name: "a template may make a number", dependency: `filters: {data: [{path: body.ref, type: number, template: '{{ len .Input }}', comparator: ">", value: ["14"]}]}`, pass: true},
		{name: "a template with quotes in its output", dependency: `filters: {data: [{path: body.ref, type: string, template: '"{{ .Input | base }}"', value: ['^"main"$']}]}`, pass: true},
		{name: "a template that writes nothing", dependency: `filters: {data: [{path: body.ref, type: string, template: '{{ "" }}', value: ["."]}]}`, why: "it writes nothing"},
		// combinations
		{name: "filters of data are and", dependency: `filters: {data: [{path: body.n, type: number, value: ["7"]}, {path: body.n, type: number, value: ["8"]}]}`, why: "wanted = 8"},
		{name: "unless or is said", dependency: `filters: {dataLogicalOperator: or, data: [{path: body.n, type: number, value: ["8"]}, {path: body.n, type: number, value: ["7"]}]}`, pass: true},
		{name: "under or a missing path does not veto", dependency: `filters: {dataLogicalOperator: or, data: [{path: gone, type: number, value: ["8"]}, {path: body.n, type: number, value: ["7"]}]}`, pass: true},
		{name: "under or the reasons of all are said", dependency: `filters: {dataLogicalOperator: or, data: [{path: gone, type: number, value: ["8"]}, {path: body.n, type: number, value: ["6"]}]}`, why: "has no gone; data filter: body.n"},
		{name: "kinds of filter are and", dependency: `filters: {context: {type: kafka}, data: [{path: body.n, type: number, value: ["7"]}]}`, why: `type is "webhook", not "kafka"`},
		{name: "unless or is said of them", dependency: "filtersLogicalOperator: or\nfilters: {context: {type: kafka}, data: [{path: body.n, type: number, value: ['7']}]}", pass: true},
		{name: "under or a filter that cannot be judged does not veto", dependency: "filtersLogicalOperator: or\nfilters: {context: {type: webhook}, data: [{path: gone, type: number, value: ['7']}]}", pass: true},
		// exprs
		{name: "an expression over named members", dependency: `filters: {exprs: [{expr: 'num > 6 && ref == "refs/heads/main"', fields: [{name: num, path: body.n}, {name: ref, path: body.ref}]}]}`, pass: true},
		{name: "an expression that is false", dependency: `filters: {exprs: [{expr: 'num > 7', fields: [{name: num, path: body.n}]}]}`, why: `"num > 7" is false`},
		{name: "an expression that is no bool", dependency: `filters: {exprs: [{expr: 'num + 1', fields: [{name: num, path: body.n}]}]}`, why: `"num + 1" is 8`},
		{name: "an expression with a regular expression", dependency: `filters: {exprs: [{expr: 'ref =~ "main$"', fields: [{name: ref, path: body.ref}]}]}`, pass: true},
		{name: "a member that is not there", dependency: `filters: {exprs: [{expr: 'num > 7', fields: [{name: num, path: gone}]}]}`, why: "has no gone"},
		{name: "types that do not fit", dependency: `filters: {exprs: [{expr: 'num > 7', fields: [{name: num, path: body.ref}]}]}`, why: `expr filter "num > 7"`},
		{name: "under or one expression is enough", dependency: `filters: {exprLogicalOperator: or, exprs: [{expr: 'num > 7', fields: [{name: num, path: gone}]}, {expr: 'num > 6', fields: [{name: num, path: body.n}]}]}`, pass: true},
		// context
		{name: "context members are equal", dependency: `filters: {context: {type: webhook, source: src, subject: a, datacontenttype: application/json}}`, pass: true},
		{name: "a context member is not", dependency: `filters: {context: {source: other}}`, why: `source is "src", not "other"`},
		// time: the event is of 12:00 UTC
		{name: "the start is in", dependency: `filters: {time: {start: "12:00:00", stop: "13:00:00"}}`, pass: true},
		{name: "the stop is not", dependency: `filters: {time: {start: "11:00:00", stop: "12:00:00"}}`, why: "12:00:00 is not between"},
		{name: "a stop before the start is of the next day: after the start", dependency: `filters: {time: {start: "11:00:00", stop: "02:00:00"}}`, pass: true},
		{name: "a stop before the start is of the next day: before the stop", dependency: `filters: {time: {start: "23:00:00", stop: "13:00:00"}}`, pass: true},
		{name: "a stop before the start is of the next day: between", dependency: `filters: {time: {start: "23:00:00", stop: "05:00:00"}}`, why: "not between"},
		{name: "in a time zone", dependency: `filters: {time: {start: "21:00:00", stop: "21:00:01", timezone: Asia/Tokyo}}`, pass: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			var d eventsv1.EventDependency
			if err := yaml.UnmarshalStrict([]byte(test.dependency), &d); err != nil {
				t.Fatal(err)
			}
			d.Name, d.EventSourceName, d.EventName = "a", "src", "a"
			c := checker{}
			c.dependency("d", []eventsv1.EventDependency{d})
			if err := c.problems.Err(); err != nil {
				t.Fatalf("Check: %v", err)
			}
			e := events.Event{ID: "1", Source: "src", Subject: "a", Type: "webhook", Time: noon, Data: json.RawMessage(push)}
			if test.data == "none" {
				e.Data = nil
			}
			v := filter(d, e, noon)
			if v.pass != test.pass || v.pass == (v.why != "") || !strings.Contains(v.why, test.why) {
				t.Errorf("got %+v, want pass %v, why %q", v, test.pass, test.why)
			}
		})
	}
}

func TestCheckRefusesFiltersThatCannotBeJudged(t *testing.T) {
	for _, test := range []struct{ name, filters, want string }{
		{"no value", `data: [{path: a, type: string}]`, "data[0].value: is missing"},
		{"no path", `data: [{type: string, value: [x]}]`, "data[0].path: is missing"},
		{"an unknown type", `data: [{path: a, type: int, value: [x]}]`, `type "int" is none of`},
		{"no number", `data: [{path: a, type: number, value: ["1", x]}]`, "data[0].value[1]"},
		{"no bool", `data: [{path: a, type: bool, value: [ja]}]`, "data[0].value[0]"},
		{"no regular expression", `data: [{path: a, type: string, value: ["("]}]`, "data[0].value[0]"},
		{"a comparator that is none", `data: [{path: a, type: number, comparator: "==", value: ["1"]}]`, `data[0].comparator: "==" is not one`},
		{"a comparator that never matches a string", `data: [{path: a, type: string, comparator: ">", value: ["1"]}]`, "is not one for strings"},
		{"a comparator that a bool ignores", `data: [{path: a, type: bool, comparator: "!=", value: ["true"]}]`, "data[0].comparator"},
		{"a broken template", `data: [{path: a, type: string, template: "{{", value: [x]}]`, "data[0].template"},
		{"the environment in a template", `data: [{path: a, type: string, template: '{{ env "HOME" }}', value: [x]}]`, `function "env" not defined`},
		{"a broken expression", `exprs: [{expr: "a >", fields: [{name: a, path: a}]}]`, "exprs[0].expr"},
		{"an operator in capitals", `dataLogicalOperator: OR`, "dataLogicalOperator"},
		{"a time of two parts", `time: {start: "12:00", stop: "13:00:00"}`, `start "12:00" is not of the form`},
		{"a zone that is none", `time: {start: "12:00:00", stop: "13:00:00", timezone: Moon}`, `timezone "Moon"`},
		{"!= with several values (a warning)", `data: [{path: a, type: string, comparator: "!=", value: [x, y]}]`, "nearly everything passes"},
		{"an expression without fields (a warning)", `exprs: [{expr: "1 > 2"}]`, "passes everything"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var f eventsv1.EventDependencyFilter
			if err := yaml.UnmarshalStrict([]byte(test.filters), &f); err != nil {
				t.Fatal(err)
			}
			c := checker{}
			c.filters("spec.dependencies[0].filters", f)
			if len(c.problems) != 1 || !strings.Contains(c.problems[0].String(), test.want) {
				t.Errorf("got %v, want one with %q", c.problems, test.want)
			}
		})
	}
}

func TestTemplatesSeeTheTimeOfTheEvaluation(t *testing.T) {
	out, err := render(`{{ now | date "2006-01-02" }}`, nil, noon)
	if err != nil || out != "2024-05-06" {
		t.Errorf("got %q, %v", out, err)
	}
	if _, err := render(`{{ range until 300 }}{{ repeat 10000 "x" }}{{ end }}`, nil, time.Time{}); err == nil || !strings.Contains(err.Error(), errTooLong.Error()) {
		t.Errorf("an endless text: %v", err)
	}
}
