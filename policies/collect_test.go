package policies

import (
	"fmt"
	"strings"
	"testing"
)

func TestCollect(t *testing.T) {
	for _, c := range []struct {
		name       string
		wanted     []string
		parameters map[string]string
		files      map[string]string
		values     string
		problems   string
	}{
		{name: "an output parameter", wanted: []string{"accuracy"}, parameters: map[string]string{"accuracy": " 0.95\n", "note": "good"},
			values: "map[accuracy:0.95]", problems: "map[]"},
		{name: "without wanted names all there is", parameters: map[string]string{"accuracy": "1", "note": "good"}, files: map[string]string{"m": `{"auc": 2}`},
			values: "map[accuracy:1 auc:2]", problems: "map[note:output parameter: good is text, not a number]"},
		{name: "nested objects have dotted names", files: map[string]string{"m": `{"a": {"b": {"c": 1}, "d": 2}, "metrics": {"e": 3, "metrics": {"f": 4}}}`},
			values: "map[a.b.c:1 a.d:2 e:3 metrics.f:4]", problems: "map[]"},
		{name: "a wanted name takes what nests in it", wanted: []string{"slices"}, files: map[string]string{"m": `{"slices": {"x": 1}, "slicesy": 2}`},
			values: "map[slices.x:1]", problems: "map[]"},
		{name: "sources that agree", parameters: map[string]string{"a": "0.50"}, files: map[string]string{"m": `{"a": 5e-1}`, "n": `{"a": 0.5}`},
			values: "map[a:0.5]", problems: "map[]"},
		{name: "sources that disagree", parameters: map[string]string{"a": "0.5"}, files: map[string]string{"m": `{"a": 0.6}`},
			values: "map[]", problems: `map[a:its sources disagree: output parameter: 0.5; artifact "m": 0.6]`},
		{name: "a number and a text disagree", parameters: map[string]string{"a": "high"}, files: map[string]string{"m": `{"a": 0.6}`},
			values: "map[]", problems: `map[a:its sources disagree: output parameter: high is text, not a number; artifact "m": 0.6]`},
		{name: "a key that is given twice", files: map[string]string{"m": `{"a": 1, "a": 2}`},
			values: "map[]", problems: `map[a:its sources disagree: artifact "m": 1; artifact "m": 2]`},
		{name: "a dotted key and nesting", files: map[string]string{"m": `{"a.b": 1, "a": {"b": 2}}`},
			values: "map[]", problems: `map[a.b:its sources disagree: artifact "m": 1; artifact "m": 2]`},
		{name: "G2, G3: parameters that are not finite", parameters: map[string]string{"a": "NaN", "b": "+Inf", "c": "1e999", "d": "infinity"},
			values: "map[]", problems: "map[a:output parameter: NaN is not a finite number b:output parameter: +Inf is not a finite number c:output parameter: 1e999 is not a finite number d:output parameter: infinity is not a finite number]"},
		{name: "parameters that are no numbers", parameters: map[string]string{"a": "", "b": "0x10", "c": "1_000", "d": "0,95", "e": "95%"},
			values: "map[]", problems: "map[a:output parameter: it is empty b:output parameter: 0x10 is text, not a number c:output parameter: 1_000 is text, not a number d:output parameter: 0,95 is text, not a number e:output parameter: 95% is text, not a number]"},
		{name: "G6: members that are no numbers", files: map[string]string{"m": `{"a": "0.9", "b": true, "c": null, "d": [1, {"x": [2]}], "e": 1e999, "f": 1}`},
			values: "map[f:1]", problems: `map[a:artifact "m": "0.9" is text, not a number b:artifact "m": true is not a number c:artifact "m": null is not a number d:artifact "m": it is a list, not a number e:artifact "m": 1e999 is not a finite number]`},
		{name: "G5: a wanted metric that nobody has", wanted: []string{"a", "b"}, parameters: map[string]string{"a": "1"},
			values: "map[a:1]", problems: "map[b:no output parameter and no metrics file has it]"},
		{name: "a file that is no JSON", wanted: []string{"a"}, files: map[string]string{"m": `{"a": NaN}`},
			values: "map[]", problems: `map[a:no output parameter and no metrics file has it; artifact "m" is no metrics file: it is not JSON (which has no NaN and no Infinity): invalid character 'N' looking for beginning of value]`},
		{name: "a file that is no object", wanted: []string{"a"}, files: map[string]string{"m": `[1]`},
			values: "map[]", problems: `map[a:no output parameter and no metrics file has it; artifact "m" is no metrics file: it is not a JSON object]`},
		{name: "a file that is empty", wanted: []string{"a"}, files: map[string]string{"m": ``},
			values: "map[]", problems: `map[a:no output parameter and no metrics file has it; artifact "m" is no metrics file: it is not JSON (which has no NaN and no Infinity): unexpected end of JSON input]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := map[string][]byte{}
			for name, text := range c.files {
				files[name] = []byte(text)
			}
			values, problems := Collect(c.wanted, c.parameters, files)
			if got := fmt.Sprint(values); got != c.values {
				t.Errorf("values %s\nwant %s", got, c.values)
			}
			if got := fmt.Sprint(problems); got != c.problems {
				t.Errorf("problems %s\nwant %s", got, c.problems)
			}
		})
	}
}

func TestCollectHasLimits(t *testing.T) {
	many := "{"
	for i := range maxMetrics + 10 {
		many += fmt.Sprintf(`"k%d": 1, `, i)
	}
	for want, text := range map[string]string{
		"nests deeper":     strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100),
		"bytes, more than": `{"a": "` + strings.Repeat("x", maxMetricsFile) + `"}`,
		"more than 10000":  many + `"z": 1}`,
	} {
		if _, problems := Collect([]string{"zz"}, nil, map[string][]byte{"m": []byte(text)}); !strings.Contains(problems["zz"], want) {
			t.Errorf("problems %v, want %q", problems, want)
		}
	}
}

func FuzzCollect(f *testing.F) {
	f.Add("a", "0.5", `{"a": 1, "b": {"c": [1, "x"]}}`)
	f.Fuzz(func(t *testing.T, name, parameter, file string) {
		values, problems := Collect([]string{name}, map[string]string{name: parameter}, map[string][]byte{"m": []byte(file)})
		for n, v := range values {
			if _, both := problems[n]; both || !finite(v) {
				t.Fatalf("%q is %v and has problem %q", n, v, problems[n])
			}
		}
		if len(values)+len(problems) == 0 {
			t.Fatal("nothing is said of what was wanted")
		}
	})
}
