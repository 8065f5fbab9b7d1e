package policies

import (
	"strings"
	"testing"
)

func TestCompileRefuses(t *testing.T) {
	for _, c := range []struct{ name, expr, want string }{
		{"G1: nothing", "", "expr is empty"},
		{"G1: nothing but spaces", "  ", "expr is empty"},
		{"G1: a constant", "true", "true alone says nothing about the candidate"},
		{"G1: a constant calculation", "1 > 0", "names no metric"},
		{"G1: a constant on one side of ||", "accuracy > 0.9 || true", `column 19: the constant true would decide`},
		{"G1: the current model alone", "current.accuracy > 0.9", "looks at the current model only"},
		{"G1: a metric compared with itself", "accuracy >= accuracy", "both sides are the same"},
		{"G1: a calculation compared with itself", "accuracy + 1 >= accuracy + 1.0", "both sides are the same"},
		{"G5: a test for presence", "!has(current.accuracy) || accuracy > 0.9", "has() would let a missing metric pass"},
		{"G5: a default", "current.?accuracy.orValue(0.0) < accuracy", "column"},
		{"G6: text", `accuracy > "0.95"`, "column 12: metrics are numbers and are not compared with text"},
		{"G6: a number as a condition", "accuracy", "is a number, not a condition"},
		{"G6: a calculation as a condition", "accuracy - 0.9", "is a number, not a condition"},
		{"G6: a number as an operand of &&", "accuracy && auc > 0.5", "expected type 'bool' but found 'double'"},
		{"G6: a chain of comparisons", "0.9 < accuracy < 1.0", "column 16: found no matching overload"},
		{"G7: a loop", "[accuracy].all(x, x > 0.9)", "all is not known to gates"},
		{"G7: a macro", "metrics.exists(m, m > 0.9)", "exists is not known to gates"},
		{"a syntax error has its column", "accuracy > ", "column 12"},
		{"a syntax error of several lines has its line", "accuracy > 0.9 &&\n auc >> 1", "line 2, column 7"},
		{"an unknown function", "log(accuracy) > 0", "log is not known to gates"},
		{"a remainder", "accuracy % 2 == 0", "% is not known to gates"},
		{"a method", "accuracy.abs() > 1", "write abs(x), not x.abs()"},
		{"all metrics at once", "metrics > 0.9", "column 1: this is not a number: name a metric"},
		{"the current model as a number", "accuracy > current", "column 12: this is not a number"},
		{"a name that is calculated", `metrics["a" + "b"] > 1`, "a metric is named by text in quotes"},
		{"an index", "metrics[0] > 1", "a metric is named by text in quotes"},
		{"a field of a calculation", "(accuracy + 1).x > 1", "a metric is named by identifiers"},
		{"a list", "[accuracy] == [1.0]", "a gate compares numbers"},
		{"text in a list", `accuracy in [1.0]`, "in is not known to gates"},
		{"too long", strings.Repeat(" ", 5000) + "a > 1", "more than 4096"},
		{"too deep", strings.Repeat("(", 1000) + "a > 1" + strings.Repeat(")", 1000), "column"},
		{"a number that is not finite", "accuracy > 1e999", "column"},
		{"too few arguments", "max(accuracy) > 1", "found no matching overload"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Compile(Gate{Name: "g", Expr: c.expr})
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), `gate "g": `) {
				t.Errorf("Compile(%q) = %v, want an error with %q", c.expr, err, c.want)
			}
		})
	}
	if _, err := Compile(Gate{Name: "g", Expr: "a > 1", OnNoCurrent: Inconclusive}); err == nil || !strings.Contains(err.Error(), "write pass or fail") {
		t.Errorf("onNoCurrent inconclusive gives %v", err)
	}
}

func TestMetricsOfAProgram(t *testing.T) {
	for expr, want := range map[string]struct {
		metrics string
		current bool
	}{
		"accuracy > 0.95":                                  {"accuracy", false},
		`metrics["val-acc"] > 1 && auc > 0`:                {"auc val-acc", false},
		"metrics.accuracy > current.accuracy":              {"accuracy", true},
		`auc > current["val-acc"]`:                         {"auc val-acc", true},
		`auc > current.metrics["val-acc"] + current.auc`:   {"auc val-acc", true},
		`slices.young.auc > 0.5 && slices["18-25"].f1 > 0`: {"slices.18-25.f1 slices.young.auc", false},
		"m0 > 1 && m1 > 2":                                 {"m0 m1", false},
	} {
		p, err := Compile(Gate{Name: "g", Expr: expr})
		if err != nil {
			t.Errorf("%s: %v", expr, err)
			continue
		}
		if got := strings.Join(p.Metrics(), " "); got != want.metrics || p.UsesCurrent() != want.current {
			t.Errorf("%s: metrics %q, current %v; want %+v", expr, got, p.UsesCurrent(), want)
		}
	}
}

func TestG8TheHashChangesWithTheRule(t *testing.T) {
	seen := map[string]Gate{}
	for _, g := range []Gate{
		{Name: "a", Expr: "x > 1"}, {Name: "b", Expr: "x > 1"}, {Name: "a", Expr: "x > 2"},
		{Name: "a", Expr: "x > 1", OnNoCurrent: Pass}, {Name: "a", Expr: "x > 1", Shadow: true},
	} {
		p, err := Compile(g)
		if err != nil {
			t.Fatal(err)
		}
		if other, twice := seen[p.Hash()]; twice {
			t.Errorf("%+v and %+v have one hash", g, other)
		}
		seen[p.Hash()] = g
	}
	implicit, _ := Compile(Gate{Name: "a", Expr: "x > 1"})
	explicit, _ := Compile(Gate{Name: "a", Expr: "x > 1", OnNoCurrent: Fail})
	if implicit.Hash() != explicit.Hash() {
		t.Error("a default that is written out changes the hash")
	}
}

func FuzzCompile(f *testing.F) {
	for _, s := range []string{"accuracy > 0.95", `metrics["a"] > current.b`, "a > 0 ? b > 1 : c < 2", "!(a == b) || min(a, b) > -1", "a.b.c >= 1u", "[1][0] > a"} {
		f.Add(s, 0.5, 2.0)
	}
	f.Fuzz(func(t *testing.T, expr string, a, b float64) {
		p, err := Compile(Gate{Name: "g", Expr: expr})
		if err != nil {
			return
		}
		metrics := map[string]float64{}
		for i, m := range p.Metrics() {
			metrics[m] = []float64{a, b}[i%2]
		}
		evidence := Evidence{Metrics: metrics}
		d := Evaluate(p, evidence, &evidence, noon)
		if d.Reason == "" {
			t.Fatalf("%q gives %+v, without a reason", expr, d)
		}
		if d.Verdict == Pass && (!finite(a) || len(metrics) > 1 && !finite(b)) {
			t.Fatalf("%q passes with %v, %v: %+v", expr, a, b, d)
		}
		if d := Evaluate(p, Evidence{}, &evidence, noon); d.Verdict != Error {
			t.Fatalf("%q gives %s without any metric", expr, d.Verdict)
		}
	})
}
