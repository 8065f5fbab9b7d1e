package expr

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/Masterminds/sprig/v3"
)

// sprigFunction returns the function sprig.NAME, or why there is none.
func sprigFunction(name string) (f makeFunc, why string) {
	switch name {
	case "env", "expandenv":
		return nil, "it reads the environment of the server; pass what is needed as a parameter"
	case "getHostByName":
		return nil, "it asks the network; pass what is needed as a parameter"
	case "now", "ago":
		return nil, "it reads the clock, and an expression may only depend on its inputs; use workflow.creationTimestamp or a parameter"
	case "randAlphaNum", "randAlpha", "randAscii", "randNumeric", "randBytes", "randInt", "shuffle", "uuidv4",
		"bcrypt", "htpasswd", "encryptAES", "genPrivateKey", "genCA", "genCAWithKey", "genSelfSignedCert",
		"genSelfSignedCertWithKey", "genSignedCert", "genSignedCertWithKey":
		return nil, "it draws random numbers, and an expression may only depend on its inputs; make the value in a step and pass it on"
	}
	if f := boundedSprig(name); f != nil {
		return f, ""
	}
	if f := dateSprig(name); f != nil {
		return plain(f), ""
	}
	if f := orderedSprig(name); f != nil {
		return plain(f), ""
	}
	all := sprig.GenericFuncMap()
	function, ok := all[name]
	if !ok {
		return nil, "sprig has no such function"
	}
	if f := copyingSprig(name, function); f != nil {
		return plain(f), ""
	}
	return plain(function), ""
}

// boundedSprig are functions that make much from little: the cost is charged first.
func boundedSprig(name string) makeFunc {
	switch name {
	case "repeat":
		return func(b *budget) any {
			return func(n int, s string) string { b.bytes(n, len(s)); return strings.Repeat(s, max(n, 0)) }
		}
	case "indent", "nindent":
		start := map[string]string{"nindent": "\n"}[name]
		return func(b *budget) any {
			return func(n int, s string) string {
				lines := strings.Count(s, "\n") + 1
				b.bytes(n, lines)
				pad := strings.Repeat(" ", max(n, 0))
				return start + pad + strings.ReplaceAll(s, "\n", "\n"+pad)
			}
		}
	case "replace":
		return func(b *budget) any {
			return func(old, new, s string) string {
				b.bytes(strings.Count(s, old), len(new))
				return strings.ReplaceAll(s, old, new)
			}
		}
	case "until":
		return func(b *budget) any {
			return func(n int) []int { return steps(b, 0, n, sign(n)) }
		}
	case "untilStep":
		return func(b *budget) any {
			return func(from, to, step int) []int { return steps(b, from, to, step) }
		}
	}
	return boundedByArguments(name)
}

// boundedByArguments are functions whose cost is a product of the sizes of their
// arguments.
func boundedByArguments(name string) makeFunc {
	charge := func(cost func(b *budget, args []any)) makeFunc {
		return func(b *budget) any {
			f := sprig.GenericFuncMap()[name]
			return func(args ...any) (any, error) {
				cost(b, args)
				return call(f, args)
			}
		}
	}
	switch name {
	case "join", "wrapWith", "regexReplaceAll", "mustRegexReplaceAll", "regexReplaceAllLiteral", "mustRegexReplaceAllLiteral":
		return charge(func(b *budget, args []any) {
			most := 1
			for _, a := range args {
				most = max(most, 1) * max(1, length(a))
				if most > b.left*bytesPerStep {
					break
				}
			}
			b.bytes(most, 1)
		})
	case "uniq", "mustUniq":
		return charge(func(b *budget, args []any) {
			if len(args) > 0 {
				n := length(args[0])
				b.spend(n * n / bytesPerStep)
			}
		})
	case "seq":
		return charge(func(b *budget, args []any) {
			n := 0
			for _, a := range args {
				if i, ok := a.(int); ok {
					n += max(i, -i)
				}
			}
			b.spend(max(n, 0))
		})
	}
	return nil
}

func sign(n int) int {
	if n < 0 {
		return -1
	}
	return 1
}

// steps counts from up or down to, which is left out.
func steps(b *budget, from, to, step int) []int {
	v := []int{}
	if step == 0 {
		return v
	}
	n := (float64(to) - float64(from)) / float64(step) // in float64 nothing overflows
	b.spend(int(min(max(n, 0), maxSteps+1)))
	for i := from; step > 0 && i < to || step < 0 && i > to; i += step {
		v = append(v, i)
	}
	return v
}

// orderedSprig are the functions that would take a map's entries in random order.
func orderedSprig(name string) any {
	switch name {
	case "keys":
		return func(maps ...map[string]any) ([]any, error) {
			all := []any{}
			for _, m := range maps {
				keys, err := inOrder(name, m)
				if err != nil {
					return nil, err
				}
				all = append(all, keys...)
			}
			return all, nil
		}
	case "values":
		return func(m map[string]any) ([]any, error) { return inOrder(name, m) }
	}
	return nil
}

// dateSprig are the functions on dates that fall back to the clock or to the
// machine's time zone; here they do neither: the zone is UTC, and a zone that is
// not known is an error instead of UTC.
func dateSprig(name string) any {
	switch name {
	case "date":
		return func(layout string, date any) (string, error) { return dateIn(layout, date, "UTC") }
	case "htmlDate":
		return func(date any) (string, error) { return dateIn(time.DateOnly, date, "UTC") }
	case "dateInZone", "date_in_zone":
		return dateIn
	case "htmlDateInZone":
		return func(date any, zone string) (string, error) { return dateIn(time.DateOnly, date, zone) }
	case "toDate":
		return func(layout, text string) time.Time { t, _ := time.Parse(layout, text); return t }
	case "mustToDate":
		return func(layout, text string) (time.Time, error) { return time.Parse(layout, text) }
	case "durationRound":
		f := sprig.GenericFuncMap()[name].(func(any) string)
		return func(d any) (string, error) {
			if _, ok := d.(time.Time); ok {
				return "", errors.New("sprig.durationRound of a time reads the clock; give it a duration")
			}
			return f(d), nil
		}
	}
	return nil
}

func dateIn(layout string, date any, zone string) (string, error) {
	var t time.Time
	switch d := date.(type) {
	case time.Time:
		t = d
	case int:
		t = time.Unix(int64(d), 0)
	case int64:
		t = time.Unix(d, 0)
	case int32:
		t = time.Unix(int64(d), 0)
	default:
		return "", fmt.Errorf("%T is no date: give a time or seconds since 1970 (sprig would take the clock's time instead)", date)
	}
	if zone == "Local" {
		zone = "UTC"
	}
	where, err := time.LoadLocation(zone)
	if err != nil {
		return "", fmt.Errorf("time zone %q is not known: %w", zone, err)
	}
	return t.In(where).Format(layout), nil
}
