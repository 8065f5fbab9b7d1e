package expr

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

func lookup(values map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := values[name]; return v, ok }
}

func TestRender(t *testing.T) {
	values := map[string]string{
		"item": "b", "inputs.parameters.b": "B", "inputs.parameters.b-2": "B2", "n": "2",
		"workflow.name": "wf", "braces": "{{item}}", "inputs.parameters.loop": "{{inputs.parameters.loop}}",
	}
	for name, c := range map[string]struct{ text, want string }{
		"text without tags stays":                      {"echo }} {", "echo }} {"},
		"a tag inside a tag is replaced first":         {"{{inputs.parameters.{{item}}}}", "B"},
		"several tags may stand inside a tag":          {"{{inputs.parameters.{{item}}-{{n}}}}", "B2"},
		"an expression may stand inside a tag":         {"{{inputs.parameters.{{=item + '-2'}}}}", "B2"},
		"an unknown inner tag leaves all as it is":     {"{{ inputs.parameters.{{x}} }}", "{{ inputs.parameters.{{x}} }}"},
		"an unknown outer tag keeps the inner value":   {"{{ a.{{item}} }}", "{{ a.b }}"},
		"an unknown tag keeps its spaces":              {"{{  x  }}", "{{  x  }}"},
		"an outer tag without end is text":             {"{{ a {{item}} c", "{{ a b c"},
		"braces in other languages stay":               {"docker ps --format '{{.ID}}: {{ range .Ports }}'", "docker ps --format '{{.ID}}: {{ range .Ports }}'"},
		"an empty tag stays":                           {"{{}}{{ }}", "{{}}{{ }}"},
		"a value is not read again for tags":           {"{{braces}}", "{{item}}"},
		"a value that names itself does not loop":      {"{{inputs.parameters.loop}}", "{{inputs.parameters.loop}}"},
		"artifacts are resolved elsewhere":             {"{{tasks.a.outputs.artifacts.m}}", "{{tasks.a.outputs.artifacts.m}}"},
		"a third brace belongs to the text":            {"{{item}}}", "b}"},
		"a tag that begins with a brace is unknown":    {"{{{item}}}", "{{{item}}}"},
		"a tag at the start of a tag is replaced, too": {"{{{{item}}}}", "{{b}}"},
	} {
		t.Run(name, func(t *testing.T) {
			tmpl, err := Parse(c.text)
			if err != nil {
				t.Fatal(err)
			}
			got, err := tmpl.Render(lookup(values), func() map[string]any { return Env(maps.All(values)) })
			if err != nil || got != c.want {
				t.Errorf("%q gives %q, %v; want %q", c.text, got, err, c.want)
			}
		})
	}
}

func TestStepsAndTasksMustBeKnown(t *testing.T) {
	for _, text := range []string{"{{steps.a.outputs.result}}", "x {{ tasks.b.id }}"} {
		tmpl, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		_, err = tmpl.Render(nil, nil)
		var unresolved *UnresolvedError
		if !errors.As(err, &unresolved) || unresolved.Name != tmpl.Names()[0] {
			t.Errorf("Render(%q) = %v, want an UnresolvedError of %s", text, err, tmpl.Names())
		}
	}
}

func TestNames(t *testing.T) {
	for text, want := range map[string]string{
		"plain":                                                    "",
		"{{b}} {{ a }} {{b}}":                                      "b a",
		"{{inputs.parameters.{{item}}}}":                           "item",
		"{{=inputs.parameters.n}}":                                 "inputs.parameters.n",
		"{{=steps['my-step'].outputs.result == x.y}}":              "steps.my-step.outputs.result x.y",
		"{{=toJson(inputs.parameters)}}":                           "inputs.parameters",
		"{{=steps.a?.outputs?.result ?? 'none'}}":                  "steps.a.outputs.result",
		"{{=sprig.upper(workflow.name)}}":                          "workflow.name",
		"{{=let x = item; x + retries}}":                           "item retries",
		"{{=filter(fromJSON(inputs.parameters.l), #.a == item)}}":  "inputs.parameters.l item",
		"{{=asInt(retries) > 1 ? tasks.a.status : tasks.b[item]}}": "retries tasks.a.status tasks.b item",
		"{{=inputs.parameters.d.Seconds()}}":                       "inputs.parameters.d",
	} {
		tmpl, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(tmpl.Names(), " "); got != want {
			t.Errorf("Names of %s are %q, want %q", text, got, want)
		}
	}
}

func TestSoleName(t *testing.T) {
	for text, want := range map[string]string{
		"{{tasks.a.outputs.result}}": "tasks.a.outputs.result", "{{ x }}": "x",
		"{{x}} ": "", "x": "", "{{=x}}": "", "{{a.{{b}}}}": "", "": "",
	} {
		tmpl, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := tmpl.SoleName(); got != want || ok != (want != "") {
			t.Errorf("SoleName of %q is %q, %v; want %q", text, got, ok, want)
		}
	}
}

func TestWrongTagsAreNamed(t *testing.T) {
	for text, want := range map[string]string{
		"a {{b}} {{c":             `no }} ends the tag that begins at "{{c"`,
		"{{=a b}}":                `"{{=a b}}": unexpected token`,
		"{{={a: 1}}}":             "a tag ends at its first }}: write a space between closing braces",
		strings.Repeat("{{a", 40): "more than 16 deep",
		"{{=sprig.uuidv4()}}":     "sprig.uuidv4 is not available: it draws random numbers",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q) = %v, want an error with %q", text, err, want)
		}
	}
}

func TestTheEnvironmentIsAskedForOnceAndOnlyIfNeeded(t *testing.T) {
	for text, want := range map[string]int{"{{a}} b": 0, "{{=a}} {{=a}}": 1} {
		tmpl, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		asked := 0
		if _, err := tmpl.Render(nil, func() map[string]any { asked++; return map[string]any{"a": "1"} }); err != nil {
			t.Fatal(err)
		}
		if asked != want || tmpl.HasExpression() != (want > 0) {
			t.Errorf("%q asked %d times, want %d; HasExpression %v", text, asked, want, tmpl.HasExpression())
		}
	}
}

func TestEnvDropsTheLessSpecificName(t *testing.T) {
	flat := map[string]string{"inputs.parameters": "[]", "inputs.parameters.n": "1", "inputs.parameters-x": "2", "item": "3"}
	for range 10 { // any order
		got := fmt.Sprint(Env(maps.All(flat)))
		if want := "map[inputs:map[parameters:map[n:1] parameters-x:2] item:3]"; got != want {
			t.Fatalf("Env = %s, want %s", got, want)
		}
	}
}

func TestFormat(t *testing.T) {
	for _, c := range []struct {
		value any
		want  string
	}{
		{"a\"b", `a"b`}, {1, "1"}, {2.0, "2"}, {1e21, "1e+21"}, {true, "true"}, {nil, "null"},
		{[]any{1, "a"}, `[1,"a"]`}, {map[string]any{"b": 1, "a": nil}, `{"a":null,"b":1}`},
	} {
		if got := Format(c.value); got != c.want {
			t.Errorf("Format(%#v) = %s, want %s", c.value, got, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"{{a}}", "{{a.{{b}}}}", "{{=a}}", "{{ {{ }} }}", "{{{{{{}}}}", "x{{=1}}y{{", "}}{{}}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		tmpl, err := Parse(text)
		if err != nil || tmpl.HasExpression() {
			return
		}
		// What nobody resolves stays as it is; what is resolved leaves no name behind.
		if slices.ContainsFunc(tmpl.Names(), mustResolve) {
			return
		}
		if got, err := tmpl.Render(nil, nil); err != nil || got != text {
			t.Fatalf("%q unresolved gives %q, %v", text, got, err)
		}
		if _, err := tmpl.Render(func(string) (string, bool) { return "v", true }, nil); err != nil {
			t.Fatal(err)
		}
	})
}

func benchmarkRender(b *testing.B, text string) {
	values := map[string]string{"inputs.parameters.a": "one", "inputs.parameters.b": "two", "workflow.name": "wf"}
	tmpl, err := Parse(text)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	look, env := lookup(values), func() map[string]any { return Env(maps.All(values)) }
	for b.Loop() {
		if _, err := tmpl.Render(look, env); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRenderLiteral(b *testing.B) { benchmarkRender(b, "sh -c 'echo hello'") }
func BenchmarkRenderSoleTag(b *testing.B) { benchmarkRender(b, "{{inputs.parameters.a}}") }
func BenchmarkRenderTags(b *testing.B) {
	benchmarkRender(b, "train --a {{inputs.parameters.a}} --b {{inputs.parameters.b}} {{workflow.name}}")
}
func BenchmarkRenderExpression(b *testing.B) {
	benchmarkRender(b, "{{=sprig.upper(inputs.parameters.a)}}")
}
