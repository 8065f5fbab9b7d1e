package expr

import (
	"errors"
	"reflect"
)

const (
	// maxSteps bounds one evaluation: about a second at the worst.
	maxSteps = 5_000_000
	// maxElements bounds the lists and maps that one evaluation makes, in elements.
	maxElements = 1_000_000
	// bytesPerStep is how much text costs as much as one element.
	bytesPerStep = 16
	// maxNesting is how deep a value may be nested, as in encoding/json.
	maxNesting = 10_000

	// chargeName cannot be written in an expression.
	chargeName = "\x00charge"
)

// ErrBudget is the error of an expression that costs more than it may.
var ErrBudget = errors.New("the expression is too expensive: it goes through too many elements or makes too long a text")

// budget counts what one evaluation costs.
type budget struct{ left int }

// charge takes the size of its argument from the budget and returns it. The
// visitor puts a call around whatever a program works through, so that cost is
// known before it arises. It panics with ErrBudget since a function of this type
// is called without reflection; the virtual machine turns that into an error.
func (b *budget) charge(args ...any) any {
	b.spend(1)
	b.walk(args[0], 0)
	return args[0]
}

func (b *budget) spend(steps int) {
	if b.left -= steps; b.left < 0 || steps < 0 {
		b.left = 0
		panic(ErrBudget)
	}
}

// bytes charges for text of n times each bytes before it is made.
func (b *budget) bytes(n, each int) {
	if n > 0 && each > 0 {
		if n > b.left*bytesPerStep/each {
			b.spend(b.left + 1)
		}
		b.spend(n * each / bytesPerStep)
	}
}

// check charges for a value that leaves the evaluation.
func (b *budget) check(v any) (err error) {
	defer func() {
		if r := recover(); r == ErrBudget {
			err = ErrBudget
		} else if r != nil {
			panic(r)
		}
	}()
	b.walk(v, 0)
	return nil
}

// walk charges for every element of v, through all that it holds.
func (b *budget) walk(v any, depth int) {
	if depth > maxNesting {
		panic(ErrBudget)
	}
	switch v := v.(type) {
	case nil, bool, int, float64, int64:
	case string:
		b.spend(len(v) / bytesPerStep)
	case []any:
		b.spend(len(v))
		for _, x := range v {
			b.walk(x, depth+1)
		}
	case map[string]any:
		b.spend(len(v))
		for k, x := range v {
			b.spend(len(k) / bytesPerStep)
			b.walk(x, depth+1)
		}
	default:
		b.walkValue(reflect.ValueOf(v), depth)
	}
}

func (b *budget) walkValue(v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.String:
		b.spend(v.Len() / bytesPerStep)
	case reflect.Slice, reflect.Array:
		b.spend(v.Len())
		for i := range v.Len() {
			b.walk(v.Index(i).Interface(), depth+1)
		}
	case reflect.Map:
		b.spend(v.Len())
		for it := v.MapRange(); it.Next(); {
			b.walk(it.Key().Interface(), depth+1)
			b.walk(it.Value().Interface(), depth+1)
		}
	}
}
