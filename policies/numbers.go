package policies

import (
	"math"
	"strconv"
	"strings"

	"github.com/google/cel-go/common/functions"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
)

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// number writes a number in full precision: what is read back is the same number.
func number(v float64) string {
	if a := math.Abs(v); a == 0 || a >= 1e-6 && a < 1e21 || !finite(v) {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return strings.Replace(strconv.FormatFloat(v, 'e', -1, 64), "e+", "e", 1)
}

func absolute(v, _ float64) float64 { return math.Abs(v) }
func smaller(a, b float64) float64  { return math.Min(a, b) }
func larger(a, b float64) float64   { return math.Max(a, b) }

// fold makes a CEL function of doubles: pick is applied from left to right, and
// once to a sole argument.
func fold(pick func(a, b float64) float64) functions.FunctionOp {
	return func(args ...ref.Val) ref.Val {
		var result float64
		for i, a := range args {
			v, ok := a.(types.Double)
			switch {
			case !ok:
				return types.MaybeNoSuchOverloadErr(a)
			case i == 0 && len(args) == 1:
				result = pick(float64(v), 0)
			case i == 0:
				result = float64(v)
			default:
				result = pick(result, float64(v))
			}
		}
		return types.Double(result)
	}
}
