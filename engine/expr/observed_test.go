package expr

import (
	"encoding/csv"
	"encoding/json"
	"maps"
	"os"
	"strings"
	"testing"
	"time"
)

// The tables in testdata hold what Argo v3.7 was seen to do with each text. An
// entry in a map `better` below is where pawl does something else on purpose.

func observed(t *testing.T, file string) [][]string {
	t.Helper()
	f, err := os.Open("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows[1:]
}

func TestWhenDoesWhatArgoDoes(t *testing.T) {
	for _, row := range observed(t, "when.csv") {
		text, want := row[0], row[1]
		t.Run(text, func(t *testing.T) {
			got, err := When(text)
			if kind, isErr := strings.CutPrefix(want, "ERR "); isErr {
				checkWhenError(t, text, kind, err)
				return
			}
			if err != nil {
				t.Fatalf("When(%q) = %v, want %s", text, err, want)
			}
			if got != (want == "true") {
				t.Errorf("When(%q) = %v, want %s", text, got, want)
			}
		})
	}
}

// checkWhenError compares with "parse: CAUSE", "eval: CAUSE", "fromtokens: CAUSE"
// or "not bool: VALUE (TYPE)".
func checkWhenError(t *testing.T, text, kind string, err error) {
	t.Helper()
	stage, cause, _ := strings.Cut(kind, ": ")
	want := map[string]string{
		"parse":      "Invalid 'when' expression '" + text + "': " + cause,
		"fromtokens": "Failed to parse 'when' expression '" + text + "': " + cause,
		"eval":       "Failed to evaluate 'when' expresion '" + text + "': " + cause,
	}[stage]
	if stage == "not bool" {
		want = "Expected boolean evaluation for '" + text + "'. Got " + cause[:strings.LastIndex(cause, " (")]
	}
	if strings.HasPrefix(cause, "Invalid token") {
		want += ` (hint: try wrapping the affected expression in quotes ("))`
	}
	if err == nil || strings.TrimSpace(err.Error()) != want {
		t.Errorf("When(%q) = %v, want the error %s", text, err, want)
	}
}

func tagValues() map[string]string {
	return map[string]string{
		"inputs.parameters.n":          "5",
		"inputs.parameters.f":          "0.97",
		"inputs.parameters.s":          "he\"llo\n<x>&\t",
		"inputs.parameters.ctl":        "a\x01b\u2028c",
		"inputs.parameters.bell":       "a\ab",
		"inputs.parameters.emoji":      "é😀",
		"inputs.parameters.j":          `{"a":[1,2,{"b":"c"}]}`,
		"steps.my-step.outputs.result": "42",
		"workflow.name":                "wf",
		"item":                         "x",
	}
}

func TestTagsDoWhatArgoDoes(t *testing.T) {
	better := map[string]string{
		// Argo's JSON breaks on these; a value arrives as it is.
		"{{inputs.parameters.ctl}}":  "a\x01b\u2028c",
		"{{inputs.parameters.bell}}": "a\ab",
		// Argo calls nil; the function is named, with what to do.
		`{{=sprig.env("HOME")}}`:         "ERR sprig.env is not available: it reads the environment of the server",
		"{{=nil}}":                       "ERR it has no value (nil)",
		"{{=inputs.parameters.missing}}": "ERR it has no value (nil)",
		"{{":                             "ERR no }} ends the tag that begins at \"{{\"",
		"{{inputs.parameters.n}":         "ERR no }} ends the tag that begins at \"{{inputs.parameters.n}\"",
	}
	for _, row := range observed(t, "tags.csv") {
		text, want := row[0], row[1]
		t.Run(text, func(t *testing.T) {
			ours, differs := better[text]
			if differs {
				want = ours
			}
			got, err := renderObserved(text)
			if cause, isErr := strings.CutPrefix(want, "ERR "); isErr {
				cause = strings.TrimPrefix(strings.TrimPrefix(cause, "RUN "), "COMPILE ")
				if err == nil || !strings.Contains(flat(err.Error()), cause) {
					t.Errorf("%q gives %q, %v; want the error %s", text, got, err, cause)
				}
				return
			}
			if !differs {
				if err := json.Unmarshal([]byte(want), &want); err != nil {
					t.Fatal(err)
				}
			}
			if err != nil || got != want {
				t.Errorf("%q gives %q, %v; want %q", text, got, err, want)
			}
		})
	}
}

// flat writes a message of several lines as the table has it.
func flat(s string) string { return strings.ReplaceAll(s, "\n", " ") }

func renderObserved(text string) (string, error) {
	tmpl, err := Parse(text)
	if err != nil {
		return "", err
	}
	values := tagValues()
	lookup := func(name string) (string, bool) { v, ok := values[name]; return v, ok }
	return tmpl.Render(lookup, func() map[string]any {
		env := Env(maps.All(values))
		env[NowKey] = time.Unix(0, 0)
		return env
	})
}

// The table shows what Argo's evaluator makes of a `depends` whose words have
// been replaced. Its lint takes every word for a task first, so that what uses
// more than names, &&, ||, ! and () is refused there already; here it does not parse.
func TestDependsDoesWhatArgoDoes(t *testing.T) {
	refused := map[string]string{
		"A.Succeeded and not B_1.Succeeded": "&& or || before it",
		"A.Succeeded ? true : false":        "&& or || before it",
		"A.Succeeded == true":               "&& or || before it",
		"len('x') == 1":                     "&& or || before it",
	}
	results := map[string]TaskResult{"A": {Succeeded: true}, "B_1": {Failed: true}}
	for _, row := range observed(t, "depends.csv") {
		text, want := row[0], row[1]
		t.Run(text, func(t *testing.T) {
			d, err := ParseDepends(text)
			if why := refused[text]; why != "" {
				if err == nil || !strings.Contains(err.Error(), why) {
					t.Fatalf("ParseDepends(%q) = %v, want an error with %q", text, err, why)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(want, "unknown name C") {
				if tasks := strings.Join(d.Tasks(), " "); !strings.Contains(tasks, "C") {
					t.Errorf("Tasks() = %s, want C among them for the caller to miss", tasks)
				}
				return
			}
			got, err := d.Eval(func(task string) TaskResult { return results[task] })
			// The bare A is a struct to Argo's evaluator; its caller has expanded it before.
			if err != nil || got != (want == "true" || strings.HasPrefix(want, "{true ")) {
				t.Errorf("%q = %v, %v, want %s", text, got, err, want)
			}
		})
	}
}
