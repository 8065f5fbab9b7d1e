package expr

import (
	"fmt"
	"strings"
	"testing"
)

func TestDependsEval(t *testing.T) {
	results := map[string]TaskResult{
		"ok": {Succeeded: true}, "bad": {Failed: true}, "err": {Errored: true}, "skip": {Skipped: true},
		"omit": {Omitted: true}, "daemon": {Daemoned: true}, "loop-1": {Failed: true, AnySucceeded: true},
		"loop-2": {Failed: true, AllFailed: true},
	}
	for text, want := range map[string]bool{
		"ok": true, "bad": false, "err": false, "skip": true, "daemon": true, "omit": false,
		"ok.Succeeded": true, "bad.Failed": true, "err.Errored": true, "skip.Skipped": true, "omit.Omitted": true,
		"daemon.Daemoned": true, "loop-1.AnySucceeded": true, "loop-1.AllFailed": false, "loop-2.AllFailed": true,
		"ok && bad": false, "ok || bad": true, "!bad": true, "!!ok": true, "!ok.Failed && !(bad || err)": true,
		"bad && ok || ok": true, "ok || ok && bad": true, "(ok || ok) && bad": false, "ok&&(skip||bad)": true,
		"\n ok\n && \tskip ": true,
	} {
		d, err := ParseDepends(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got, err := d.Eval(func(task string) TaskResult { return results[task] }); err != nil || got != want {
			t.Errorf("%q = %v, %v; want %v", text, got, err, want)
		}
	}
}

func TestDependsNamesItsTasks(t *testing.T) {
	d, err := ParseDepends("b.Failed || (a && b) || !c-1.AnySucceeded")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(d.Tasks(), " "); got != "b a c-1" {
		t.Errorf("Tasks = %s", got)
	}
	if got := fmt.Sprint(d.Refs()); got != "[{b Failed} {a } {b } {c-1 AnySucceeded}]" {
		t.Errorf("Refs = %s", got)
	}
}

func TestDependsRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "names no task",
		"  ":                     "names no task",
		"a b":                    `unexpected "b" at column 3`,
		"a and b":                `unexpected "and"`,
		"a &&":                   "ends where a task is expected",
		"(a":                     "ends where a closing parenthesis is expected",
		"a)":                     `unexpected ")"`,
		"a.Done":                 "task result 'Done' for task 'a' is invalid",
		"a.":                     "task result '' for task 'a' is invalid",
		"a.succeeded":            "task result 'succeeded' for task 'a' is invalid",
		"a.Succeeded.b":          "task result 'Succeeded.b' for task 'a' is invalid",
		"1a":                     "begins with a digit",
		"-a":                     "is no name of a task",
		"a & b":                  `unexpected "&"`,
		"a, é":                   `unexpected ","`,
		"é":                      `unexpected "é"`,
		strings.Repeat("(", 300): "nested more than 200 deep",
		strings.Repeat("!", 300): "nested more than 200 deep",
	} {
		if _, err := ParseDepends(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseDepends(%.20q) = %v, want an error with %q", text, err, want)
		}
	}
}

func TestDependencies(t *testing.T) {
	results := map[string]TaskResult{"ok": {Succeeded: true}, "bad": {Failed: true}, "err": {Errored: true}}
	continueOn := func(task string) ContinueOn {
		return map[string]ContinueOn{"bad": {Failed: true}, "err": {Failed: true}}[task]
	}
	for _, c := range []struct {
		tasks      []string
		continueOn func(string) ContinueOn
		want       bool
	}{
		{nil, nil, true}, {[]string{"ok"}, nil, true}, {[]string{"ok", "bad"}, nil, false},
		{[]string{"ok", "bad"}, continueOn, true}, {[]string{"err"}, continueOn, false},
	} {
		d := Dependencies(c.tasks, c.continueOn)
		got, err := d.Eval(func(task string) TaskResult { return results[task] })
		if err != nil || got != c.want || len(d.Tasks()) != len(c.tasks) {
			t.Errorf("dependencies %v = %v, %v, want %v", c.tasks, got, err, c.want)
		}
	}
}

func FuzzParseDepends(f *testing.F) {
	for _, s := range []string{"a", "a && b.Failed", "!(a||b)", "a.Succeeded.", "((("} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := ParseDepends(text)
		if err != nil {
			return
		}
		if len(d.Tasks()) == 0 {
			t.Fatalf("%q parses and names no task", text)
		}
		if _, err := d.Eval(func(string) TaskResult { return TaskResult{} }); err != nil {
			t.Fatal(err)
		}
	})
}
