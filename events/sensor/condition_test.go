package sensor

import (
	"strings"
	"testing"
)

func TestParseConditionRefuses(t *testing.T) {
	names := []string{"a", "b"}
	for _, test := range []struct{ name, text, want string }{
		{"an unknown name", "a && x", `column 6: "x" is not the name of a dependency`},
		{"a negation", "!a", `"!a" is not the name`},
		{"one ampersand", "a & b", `column 3: "&" is not expected`},
		{"an operator at the end", "a &&", "it ends where"},
		{"an operator at the start", "|| a", `"||" stands where`},
		{"two names", "a b", `column 3: "b" is not expected`},
		{"an open parenthesis", "(a && b", "a ) is missing"},
		{"a parenthesis too many", "a)", `column 2: ")" is not expected`},
		{"empty parentheses", "()", `")" stands where`},
		{"very deep nesting", strings.Repeat("(", 101) + "a" + strings.Repeat(")", 101), "more than 100"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := parseCondition(test.text, names); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q in it", err, test.want)
			}
		})
	}
}

// The parser agrees with Go's own && and || on every assignment.
func TestConditionsHoldAsInGo(t *testing.T) {
	for text, want := range map[string]func(a, b, c bool) bool{
		"a":                    func(a, b, c bool) bool { return a },
		"a&&b":                 func(a, b, c bool) bool { return a && b },
		"a || b && c":          func(a, b, c bool) bool { return a || b && c },
		"a && b || c":          func(a, b, c bool) bool { return a && b || c },
		"(a || b)&&c":          func(a, b, c bool) bool { return (a || b) && c },
		"((a)) && (b || (c))":  func(a, b, c bool) bool { return a && (b || c) },
		"a && b && c":          func(a, b, c bool) bool { return a && b && c },
		"a || b ||\n c":        func(a, b, c bool) bool { return a || b || c },
		"(a && b) || (b && c)": func(a, b, c bool) bool { return a && b || b && c },
	} {
		cond, err := parseCondition(text, []string{"a", "b", "c"})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 8 {
			a, b, c := i&1 != 0, i&2 != 0, i&4 != 0
			have := map[string]bool{"a": a, "b": b, "c": c}
			if got := cond.holds(func(n string) bool { return have[n] }); got != want(a, b, c) {
				t.Errorf("%q with %v is %v", text, have, got)
			}
		}
	}
}

func FuzzParseCondition(f *testing.F) {
	for _, s := range []string{"a", "a && b", "(a||b-1) && c", "((", "&&&", "a|b", "ä && a"} {
		f.Add(s)
	}
	names := []string{"a", "b", "b-1", "c"}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseCondition(text, names)
		if err != nil {
			return
		}
		if c.holds(func(string) bool { return false }) {
			t.Errorf("%q holds without any event", text)
		}
		if !c.holds(func(string) bool { return true }) {
			t.Errorf("%q does not hold with every event", text)
		}
		if !c.waits() {
			for _, n := range c.names() {
				if !c.holds(func(have string) bool { return have == n }) {
					t.Errorf("%q is said not to wait, but %s alone is too little", text, n)
				}
			}
		}
	})
}
