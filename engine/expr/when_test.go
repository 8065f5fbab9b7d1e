package expr

import (
	"strings"
	"testing"
	"time"

	"github.com/Knetic/govaluate"
)

func TestNoWhenIsTrue(t *testing.T) {
	if ok, err := When(""); !ok || err != nil {
		t.Errorf("When of nothing is %v, %v", ok, err)
	}
}

func TestBrokenWhenIsAnError(t *testing.T) {
	for _, text := range []string{`a == b\`, `'a`, `[a`, `a =~`, `a =~ '('`, `(`, `0x`, `a ? b`, `a ??`, `a.`, `[a] in`,
		strings.Repeat("(", 70_000), `''\`, `a =~ a.B`} {
		if ok, err := When(text); err == nil || ok {
			t.Errorf("When(%.20q) = %v, %v, want an error", text, ok, err)
		}
	}
}

func TestLongValuesInQuotesAreAllowed(t *testing.T) {
	long := strings.Repeat("x", 200<<10)
	if ok, err := When("'" + long + "' == '" + long + "'"); !ok || err != nil {
		t.Errorf("When of long texts is %v, %.80v", ok, err)
	}
	if _, err := When(long + " == a"); err == nil || !strings.Contains(err.Error(), "it is too long") {
		t.Errorf("When of a long bare word is %.80v", err)
	}
}

// The machine's zone must not decide: what govaluate made of a date is overwritten.
func TestDatesWithoutZoneAreUTC(t *testing.T) {
	for text, want := range map[string][]string{
		`'2024-01-02' == '2024-01-02T00:00:00Z'`:                                        {"2024-01-02T00:00:00Z", "2024-01-02T00:00:00Z"},
		`'it' == x && [a 'b'] == y && '2024-01-02 03:04' < "2024-01-02T03:04:05+02:00"`: {"2024-01-02T03:04:00Z", "2024-01-02T01:04:05Z"},
		`a\'b == '2024-01-02'`:             {"2024-01-02T00:00:00Z"},
		`'x' =~ 'a' && '2024\-01-02' == c`: {"2024-01-02T00:00:00Z"},
	} {
		parsed, err := govaluate.NewEvaluableExpression(text)
		if err != nil {
			t.Fatal(err)
		}
		tokens := parsed.Tokens()
		for i := range tokens {
			if tokens[i].Kind == govaluate.TIME {
				tokens[i].Value = time.Unix(0, 0) // as if read in another zone
			}
		}
		datesInUTC(text, tokens)
		for _, token := range tokens {
			if token.Kind != govaluate.TIME {
				continue
			}
			if got := token.Value.(time.Time).UTC().Format(time.RFC3339); len(want) == 0 || got != want[0] {
				t.Errorf("%s: %s, want %v", text, got, want)
			}
			want = want[1:]
		}
		if len(want) > 0 {
			t.Errorf("%s: dates not found: %v", text, want)
		}
	}
}

func FuzzWhen(f *testing.F) {
	for _, s := range []string{`a == b`, `'a' in ('a', 'b')`, `1 ** 2 > 3`, `a\`, `[x y] != "2024-01-02"`, `!(true) ? a : b`, `a.B.C == 1`, `f(1)`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ok, err := When(text)
		if again, err2 := When(text); again != ok || (err == nil) != (err2 == nil) {
			t.Fatalf("When(%q) is %v, %v and then %v, %v", text, ok, err, again, err2)
		}
	})
}
