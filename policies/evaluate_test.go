package policies

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func mustCompile(t testing.TB, g Gate) *Program {
	t.Helper()
	if g.Name == "" {
		g.Name = "g"
	}
	p, err := Compile(g)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func metrics(pairs ...any) Evidence {
	m := map[string]float64{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i].(string)] = pairs[i+1].(float64)
	}
	return Evidence{Metrics: m}
}

func TestEvaluate(t *testing.T) {
	candidate := metrics("accuracy", 0.9333333333333333, "auc", 0.97, "loss", 0.3, "zero", 0.0, "n", 3.0, "val-acc", 0.5, "slices.young.auc", 0.8)
	current := metrics("accuracy", 0.92, "auc", 0.98, "val-acc", 0.4)
	for _, c := range []struct {
		name, expr string
		want       Verdict
		reason     string
	}{
		{"G14: a failure says by how much, in full precision", "accuracy > 0.95", Fail,
			"accuracy 0.9333333333333333 is not > 0.95 (short by 0.0166666666667)"},
		{"a pass says by how much", "auc >= 0.95", Pass, "auc 0.97 is >= 0.95 (by 0.02)"},
		{"a limit from above", "loss < 0.2", Fail, "loss 0.3 is not < 0.2 (over by 0.1)"},
		{"G14: the boundary itself", "auc > 0.97", Fail, "auc 0.97 is not > 0.97 (equal is not enough)"},
		{"G14: the boundary included", "auc >= 0.97", Pass, "auc 0.97 is >= 0.97 (equal is enough)"},
		{"a whole number compares with a double", "n > 1", Pass, "n 3 is > 1 (by 2)"},
		{"a whole number on the left", "2 > n", Fail, "2 is not > n 3 (short by 1)"},
		{"an unsigned number", "n > 1u", Pass, "n 3 is > 1 (by 2)"},
		{"equality", "n == 3", Pass, "n 3 is == 3"},
		{"inequality", "n != 3", Fail, "n 3 is not != 3"},
		{"the current model", "accuracy > current.accuracy", Pass,
			"accuracy 0.9333333333333333 is > current.accuracy 0.92 (by 0.0133333333333)"},
		{"a tolerance", "auc >= current.auc - 0.02", Pass, "auc 0.97 is >= (current.auc - 0.02) = 0.96 (by 0.01)"},
		{"names in brackets", `metrics["val-acc"] > current["val-acc"]`, Pass, `metrics["val-acc"] 0.5 is > current["val-acc"] 0.4 (by 0.1)`},
		{"metrics of the current model by their long name", `auc < current.metrics["val-acc"]`, Fail, `auc 0.97 is not < current.metrics["val-acc"] 0.4 (over by 0.57)`},
		{"a slice", "slices.young.auc >= 0.7", Pass, "slices.young.auc 0.8 is >= 0.7 (by 0.1)"},
		{"all that fails is told", "accuracy > 0.95 && auc > 0.9 && loss < 0.1", Fail,
			"accuracy 0.9333333333333333 is not > 0.95 (short by 0.0166666666667); loss 0.3 is not < 0.1 (over by 0.2)"},
		{"an alternative that holds is told", "accuracy > 0.95 || auc > 0.9", Pass, "auc 0.97 is > 0.9 (by 0.07)"},
		{"alternatives that fail are told", "accuracy > 0.95 || auc > 0.99", Fail,
			"accuracy 0.9333333333333333 is not > 0.95 (short by 0.0166666666667); auc 0.97 is not > 0.99 (short by 0.02)"},
		{"a negation", "!(loss > 0.2)", Fail, "loss 0.3 is > 0.2 (by 0.1)"},
		{"a choice", "n > 2 ? auc > 0.9 : auc > 0.99", Pass, "n 3 is > 2 (by 1); auc 0.97 is > 0.9 (by 0.07)"},
		{"the other choice", "n > 5 ? auc > 0.9 : auc > 0.99", Fail, "n 3 is not > 5 (short by 2); auc 0.97 is not > 0.99 (short by 0.02)"},
		{"functions", "abs(accuracy - 1) < min(0.1, loss, n) && max(n, 4) == 4", Pass,
			"abs(accuracy - 1) = 0.06666666666666665 is < min(0.1, loss, n) = 0.1 (by 0.0333333333333); max(n, 4) = 4 is == 4"},
		{"a negative number", "-n > -4", Pass, "(-n) = -3 is > -4 (by 1)"},
		{"G3: a division by zero", "accuracy / zero > 0.5", Error, "(accuracy / zero) is +Inf, not a finite number"},
		{"G2: zero by zero", "!(zero / zero < 0.5)", Error, "(zero / zero) is NaN, not a finite number"},
		{"G3: a division by zero inside", "min(accuracy / zero, 0.6) > 0.5", Error, "(accuracy / zero) is +Inf, not a finite number"},
		{"a division that is guarded", "zero == 0 || accuracy / zero > 0.5", Pass, "zero 0 is == 0"},
		{"an error beats a failure", "accuracy > 0.99 && accuracy / zero > 0.5", Error, "(accuracy / zero) is +Inf, not a finite number"},
		{"G5: a missing metric", "f1 > 0.5", Error, `metric "f1" of the candidate is missing; it has accuracy, auc, loss, n, slices.young.auc, val-acc, zero`},
		{"G5: a short cut does not hide a missing metric", "auc > 0.5 || f1 > 0.5", Error, `metric "f1" of the candidate is missing`},
		{"G5: a choice does not hide a missing metric", "auc > 0.5 ? auc > 0.6 : f1 > 0.5", Error, `metric "f1" of the candidate is missing`},
		{"G5: a metric missing of the current model", "loss < current.loss", Error, `metric "loss" of the current model is missing; it has accuracy, auc, val-acc`},
		{"the names of variables inside are nobody's", "m0 > 1", Error, `metric "m0" of the candidate is missing`},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := Evaluate(mustCompile(t, Gate{Expr: c.expr}), candidate, &current, noon)
			if d.Verdict != c.want || !strings.HasPrefix(d.Reason, c.reason) || c.want != Error && d.Reason != c.reason {
				t.Errorf("%s: %s because %s\nwant %s because %s", c.expr, d.Verdict, d.Reason, c.want, c.reason)
			}
			if d.Expr != c.expr || !d.At.Equal(noon) || d.Gate != "g" || len(d.PolicyHash) != 64 || d.NoCurrent {
				t.Errorf("decision %+v", d)
			}
		})
	}
}

func TestG2G3NumbersThatAreNotFiniteNeverPass(t *testing.T) {
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		for _, expr := range []string{"x > 0.5", "x < 0.5", "!(x > 0.5)", "x != 0.5", "a > 0 || x > 0", "a > current.x"} {
			bad, good := metrics("x", v, "a", 1.0), metrics("x", 0.1, "a", 1.0)
			candidate, current := bad, good
			if strings.Contains(expr, "current") {
				candidate, current = good, bad
			}
			d := Evaluate(mustCompile(t, Gate{Expr: expr}), candidate, &current, noon)
			if d.Verdict != Error || !strings.Contains(d.Reason, "is not a finite number") {
				t.Errorf("%s with x = %v: %s because %s", expr, v, d.Verdict, d.Reason)
			}
		}
	}
}

func TestG6AMetricThatIsTextIsAnError(t *testing.T) {
	candidate := Evidence{}
	candidate.Metrics, candidate.Problems = Collect(nil, nil, map[string][]byte{"m": []byte(`{"accuracy": "0.97"}`)})
	d := Evaluate(mustCompile(t, Gate{Expr: "accuracy > 0.95"}), candidate, nil, noon)
	if want := `metric "accuracy" of the candidate is not usable: artifact "m": "0.97" is text, not a number`; d.Verdict != Error || d.Reason != want {
		t.Errorf("%s because %s, want %s", d.Verdict, d.Reason, want)
	}
}

func TestWithoutCurrentModel(t *testing.T) {
	for _, c := range []struct {
		name, expr  string
		onNoCurrent Verdict
		want        Verdict
		noCurrent   bool
		reason      string
	}{
		{"by default a comparison fails", "accuracy > current.accuracy", "", Fail, true, "there is no current model to compare with, and onNoCurrent is not pass"},
		{"it fails when told so", "accuracy > current.accuracy", Fail, Fail, true, "there is no current model"},
		{"it passes when told so, and says so", "accuracy > current.accuracy", Pass, Pass, true, "there is no current model to compare with, and onNoCurrent is pass"},
		{"other conditions must hold nonetheless", "accuracy > 0.95 && accuracy > current.accuracy", Pass, Fail, true, "accuracy 0.9 is not > 0.95"},
		{"other conditions that hold are told", "accuracy > 0.8 && accuracy > current.accuracy", Pass, Pass, true,
			"there is no current model to compare with, and onNoCurrent is pass; accuracy 0.9 is > 0.8 (by 0.1)"},
		{"a missing metric of the candidate is an error first", "f1 > current.f1", Pass, Error, true, `metric "f1" of the candidate is missing`},
		{"a gate that does not compare is as ever", "accuracy > 0.8", Pass, Pass, false, "accuracy 0.9 is > 0.8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := Evaluate(mustCompile(t, Gate{Expr: c.expr, OnNoCurrent: c.onNoCurrent}), metrics("accuracy", 0.9), nil, noon)
			if d.Verdict != c.want || d.NoCurrent != c.noCurrent || !strings.HasPrefix(d.Reason, c.reason) {
				t.Errorf("%s, NoCurrent %v, because %s", d.Verdict, d.NoCurrent, d.Reason)
			}
		})
	}
}

func TestG13DifferentDataIsInconclusive(t *testing.T) {
	for _, c := range []struct {
		candidate, current, expr string
		want                     Verdict
	}{
		{"sha256:a", "sha256:a", "x > current.x", Pass},
		{"sha256:a", "sha256:b", "x > current.x", Inconclusive},
		{"sha256:a", "", "x > current.x", Inconclusive},
		{"", "", "x > current.x", Pass},
		{"sha256:a", "sha256:b", "x > 1", Pass},
	} {
		candidate, current := metrics("x", 2.0), metrics("x", 1.0)
		candidate.DataDigest, current.DataDigest = c.candidate, c.current
		d := Evaluate(mustCompile(t, Gate{Expr: c.expr}), candidate, &current, noon)
		if d.Verdict != c.want || d.Verdict == Inconclusive && !strings.Contains(d.Reason, "measured on different data") {
			t.Errorf("data %q and %q, %s: %s because %s", c.candidate, c.current, c.expr, d.Verdict, d.Reason)
		}
	}
}

func TestADecisionHasEveryValueItSaw(t *testing.T) {
	current := metrics("b", 1.5, "a", 2.5)
	d := Evaluate(mustCompile(t, Gate{Expr: `c > 100 && b > current.b || a > current.a`}), metrics("a", 1.0, "b", 2.0, "c", 3.0, "d", 4.0), &current, noon)
	if got := fmt.Sprint(d.Values); got != "[{a 1} {b 2} {c 3} {current.a 2.5} {current.b 1.5}]" {
		t.Errorf("values %s", got)
	}
}

func TestSummary(t *testing.T) {
	for _, c := range []struct {
		name string
		in   []Decision
		want Verdict
	}{
		{"G1, G10: no gate is an error", nil, Error},
		{"one that passes", []Decision{{Verdict: Pass}}, Pass},
		{"one that fails", []Decision{{Verdict: Pass}, {Verdict: Fail}}, Fail},
		{"inconclusive is no pass", []Decision{{Verdict: Pass}, {Verdict: Inconclusive}, {Verdict: Fail}}, Inconclusive},
		{"an error is worst", []Decision{{Verdict: Error}, {Verdict: Inconclusive}, {Verdict: Fail}}, Error},
		{"G4: what has no verdict is an error", []Decision{{Verdict: Pass}, {}}, Error},
		{"a shadow gate decides nothing", []Decision{{Verdict: Pass}, {Verdict: Fail, Shadow: true}}, Pass},
		{"shadow gates alone are no judgement", []Decision{{Verdict: Pass, Shadow: true}}, Error},
	} {
		if got := Summary(c.in); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestNumbersAreInFullPrecision(t *testing.T) {
	tenth := 0.1
	for v, want := range map[float64]string{0: "0", tenth + 0.2: "0.30000000000000004", 1e6: "1000000", 1e-7: "1e-07", 1e22: "1e22", -3: "-3", 1.0 / 3: "0.3333333333333333"} {
		if got := number(v); got != want {
			t.Errorf("number(%v) = %s, want %s", v, got, want)
		}
	}
}
