package expr

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Masterminds/sprig/v3"
)

func TestFunctions(t *testing.T) {
	env := Env(maps.All(map[string]string{
		"inputs.parameters.json": `{"a": {"b": [1, 2, 3]}}`, "inputs.parameters.n": "7", "item": "x",
	}))
	env[NowKey] = time.Date(2024, 5, 6, 7, 8, 9, 0, time.FixedZone("", 3600))
	for source, want := range map[string]string{
		`asInt(inputs.parameters.n) * 2`:                    "14",
		`asFloat(inputs.parameters.n) / 2`:                  "3.5",
		`jsonpath(inputs.parameters.json, "$.a.b[1]")`:      "2",
		`toJson({"a": [1]})`:                                `{"a":[1]}`,
		`join(["a", "b"], "-") + repeat("x", 3)`:            "a-bxxx",
		`replace("a.b.c", ".", "/")`:                        "a/b/c",
		`["a", "b"] | join("+")`:                            "a+b",
		`len(uniq([1, 2, 1]))`:                              "2",
		`sprig.repeat(2, "ab")`:                             "abab",
		`sprig.indent(2, "a\nb")`:                           "  a\n  b",
		`sprig.nindent(1, "a")`:                             "\n a",
		`sprig.replace("a", "b", "aa")`:                     "bb",
		`sprig.until(3)`:                                    "[0,1,2]",
		`sprig.untilStep(3, 0, -2)`:                         "[3,1]",
		`sprig.join("-", ["a", "b"])`:                       "a-b",
		`sprig.regexReplaceAll("a(.)", "abac", "<$1>")`:     "<b><c>",
		`sprig.uniq([1, 1, 2])`:                             "[1,2]",
		`sprig.seq(1, 3)`:                                   "1 2 3",
		`sprig.date("2006-01-02 15:04", now())`:             "2024-05-06 06:08",
		`sprig.dateInZone("15:04", 0, "Asia/Tokyo")`:        "09:00",
		`sprig.htmlDate(86400)`:                             "1970-01-02",
		`sprig.toDate("2006-01-02", "2024-01-02").Unix()`:   "1704153600",
		`now().Year()`:                                      "2024",
		`sprig.set({"a": 1}, "b", 2)`:                       `{"a":1,"b":2}`,
		`sprig.set(inputs.parameters, "n", "8").n`:          "8",
		`sprig.merge({"a": 1}, {"b": 2})`:                   `{"a":1,"b":2}`,
		`sprig.trim(" a ")`:                                 "a",
		`map(1..3, {let y = #; y * 2})`:                     "[2,4,6]",
		`reduce([1, 2, 3], #acc + #, 0)`:                    "6",
		`let a = "x"; a + a`:                                "xx",
		`(date("2024-01-02") - date("2024-01-01")).Hours()`: "24",
		`item in ["x", "y"] and item not in ["z"]`:          "true",
	} {
		v, err := Eval(source, env)
		if got := Format(v); err != nil || got != want {
			t.Errorf("%s = %s, %v; want %s", source, got, err, want)
		}
	}
	if n := env["inputs"].(map[string]any)["parameters"].(map[string]any)["n"]; n != "7" {
		t.Errorf("an expression changed its environment: n is %v", n)
	}
}

func TestWhatIsNotPureIsRefusedByName(t *testing.T) {
	for source, want := range map[string]string{
		`sprig.now()`:                             "sprig.now is not available: it reads the clock",
		`sprig.randAlphaNum(5)`:                   "sprig.randAlphaNum is not available: it draws random numbers",
		`sprig.uuidv4()`:                          "sprig.uuidv4 is not available: it draws random numbers",
		`sprig.genPrivateKey("rsa")`:              "sprig.genPrivateKey is not available: it draws random numbers",
		`sprig.getHostByName("a")`:                "sprig.getHostByName is not available: it asks the network",
		`sprig.expandenv("$HOME")`:                "sprig.expandenv is not available: it reads the environment",
		`sprig["env"]`:                            "sprig.env is not available",
		`sprig["en" + "v"]`:                       "sprig is not a value: write sprig.NAME(...)",
		`toJson(sprig)`:                           "sprig is not a value",
		`sprig.set(sprig, "a", "b")`:              "sprig is not a value",
		`$env.inputs`:                             "$env is not supported",
		`sprig.nope()`:                            "sprig.nope is not available: sprig has no such function",
		`now()`:                                   "now() is not available here",
		`sprig.date("2006", "x")`:                 "string is no date",
		`sprig.durationRound(date("2024-01-02"))`: "reads the clock",
		`now().Local().Hour()`:                    "Local() depends on the machine's time zone",
		`sprig.dateInZone("15", 0, "Nowhere")`:    `time zone "Nowhere" is not known`,
		`keys(1)`:                                 "cannot get keys from int",
		`nope + 1`:                                "unknown name nope (1:1)",
		`sprig.repeat("a", 1)`:                    "using string as type int",
		`sprig.uniq()`:                            "invalid number of arguments",
		`sprig.join(1)`:                           "invalid number of arguments",
		`sprig.fail("no")`:                        "no",
	} {
		_, err := Eval(source, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s gives %v, want an error with %q", source, err, want)
		}
	}
}

func TestWhatIsTooExpensiveFailsSoon(t *testing.T) {
	doubling := "let a0 = 'xxxxxxxxxxxxxxxx'; "
	nesting := "let a0 = [1, 1]; "
	for i := range 60 {
		doubling += fmt.Sprintf("let a%d = a%d + a%d; ", i+1, i, i)
		nesting += fmt.Sprintf("let a%d = [a%d, a%d]; ", i+1, i, i)
	}
	env := map[string]any{"big": strings.Repeat("a", 1<<20), "list": make([]any, 100_000)}
	for name, source := range map[string]string{
		"loops in loops":             "let r = 1..1000; all(r, all(r, all(r, # > 0)))",
		"a long range":               "1..1000000000",
		"many ranges":                "map(1..10000, 1..10000)",
		"a text doubled":             doubling + "a60",
		"a list nested":              nesting + "toJson(a60)",
		"a list nested and returned": nesting + "a60",
		"repeat":                     "repeat(big, 1000)",
		"sprig repeat":               "sprig.repeat(1000000000, 'abc')",
		"sprig repeat, overflowing":  "sprig.repeat(9223372036854775807, 'abc')",
		"replace":                    "replace(big, 'a', big)",
		"replace of nothing":         "replace(big, '', big)",
		"sprig replace":              "sprig.replace('a', big, big)",
		"join":                       "join(map(list, 'a'), big)",
		"sprig join":                 "sprig.join(big, list)",
		"regex":                      "sprig.regexReplaceAll('.', big, big)",
		"uniq":                       "uniq(list)",
		"sprig uniq":                 "sprig.uniq(list)",
		"sequences":                  "sprig.untilStep(0, 9223372036854775807, 2)",
		"seq":                        "sprig.seq(1, 1000000000)",
		"indent":                     "sprig.indent(1000000000, 'a')",
		"comparing":                  "all(1..100000, big == big)",
		"searching":                  "none(1..100000, big contains 'b')",
		"membership":                 "none(1..100000, # in list)",
		"calling":                    "map(1..100000, upper(big))",
		"accumulating":               "reduce(1..100, #acc + #acc, 'xxxxxxxxxxxxxxxx')",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Eval(source, env)
			if !errors.Is(err, ErrBudget) && (err == nil || !strings.Contains(err.Error(), "memory budget exceeded")) {
				t.Errorf("%.60s gives %v, want ErrBudget", source, err)
			}
		})
	}
}

func TestLargeButHonestWorkIsAllowed(t *testing.T) {
	items := make([]any, 100_000)
	for i := range items {
		items[i] = map[string]any{"name": fmt.Sprint("item-", i), "ok": i%2 == 0}
	}
	env := map[string]any{"items": items}
	v, err := Eval(`len(filter(items, .ok))`, env)
	if err != nil || v != 50_000 {
		t.Errorf("filter of 100,000 gives %v, %v", v, err)
	}
	if v, err = Eval(`len(toJson(map(items, .name)))`, env); err != nil || v.(int) < 1_000_000 {
		t.Errorf("toJson of 100,000 gives %v, %v", v, err)
	}
}

func TestTheOrderOfAMapDecidesNothing(t *testing.T) {
	m := map[string]any{}
	for i := range 20 {
		m[fmt.Sprint("key-", i)] = i
	}
	text, _ := toJSON(m)
	env := map[string]any{"m": m, "text": text}
	for _, source := range []string{
		"keys(m)", "values(m)", "toPairs(m)", "m | keys()", "string(m)", "toJson(m)", "sprig.keys(m, {'x': 1})", "sprig.values(m)",
		"sprig.toString(m)", "sprig.pick(m, 'key-1', 'key-2')", "sprig.merge({}, m)", "jsonpath(text, '$.*')", "jsonpath(text, '$..*')",
		"groupBy(values(m), # % 3)", "fromPairs(toPairs(m))", "sprig.deepCopy(m)",
	} {
		first := ""
		for i := range 10 {
			v, err := Eval(source, env)
			if err != nil {
				t.Fatalf("%s: %v", source, err)
			}
			got := fmt.Sprint(v)
			if i == 0 {
				first = got
			}
			if got != first {
				t.Fatalf("%s gives %s and then %s", source, first, got)
			}
		}
	}
}

var update = flag.Bool("update", false, "rewrite the golden files")

// A new version of sprig may bring functions that are not pure: whoever updates the
// list has looked at them.
func TestEveryFunctionOfSprigHasBeenLookedAt(t *testing.T) {
	var list strings.Builder
	for _, name := range slices.Sorted(maps.Keys(sprig.GenericFuncMap())) {
		how := "as it is"
		switch f, why := sprigFunction(name); {
		case f == nil:
			how = "refused: " + why
		case boundedSprig(name) != nil:
			how = "bounded"
		case dateSprig(name) != nil, orderedSprig(name) != nil, copyingSprig(name, nil) != nil:
			how = "made pure"
		}
		fmt.Fprintf(&list, "%s: %s\n", name, how)
	}
	const golden = "testdata/sprig.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(list.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if list.String() != string(want) {
		t.Errorf("sprig's functions have changed; see whether the new ones are pure, then run with -update. They are now:\n%s", list.String())
	}
}

func FuzzEval(f *testing.F) {
	for _, s := range []string{`1 + 1`, `map(1..3, # * 2)`, `sprig.upper("a")`, `let a = item; a ?? 1`, `item matches "a"`,
		`sprig.dict("a", 1).a`, `jsonpath("{}", "$..a")`, `reduce(1..9, #acc + #)`, `sortBy([3, 1], #)`, `"a" | repeat(3)`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, source string) {
		if len(source) > 500 {
			return
		}
		started := time.Now()
		v, err := Eval(source, map[string]any{"item": "x", "m": map[string]any{"a": "1"}})
		if err == nil {
			Format(v)
		}
		if d := time.Since(started); d > 20*time.Second {
			t.Fatalf("took %v", d)
		}
	})
}
