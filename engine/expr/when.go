package expr

import (
	"fmt"
	"strings"

	"github.com/Knetic/govaluate"
)

const (
	// maxSource is how long an expression may be, text in quotes aside.
	maxSource = 64 << 10
	// maxWhen is how long a `when` may be with the values that went into it.
	maxWhen = 1 << 20
)

// What Argo's errors about a `when` begin with.
const (
	whenInvalid   = "Invalid 'when' expression"
	whenUnparsed  = "Failed to parse 'when' expression"
	whenUneval    = "Failed to evaluate 'when' expresion"
	whenNotBool   = "Expected boolean evaluation for"
	whenQuoteHint = ` (hint: try wrapping the affected expression in quotes ("))`
)

// When evaluates the `when` of a step or task, its tags already replaced. The
// language is govaluate's with every bare word a string; the result must be a
// boolean. Dates without a zone are read as UTC, on any machine. The text of
// errors is Argo's.
func When(text string) (_ bool, err error) {
	if text == "" {
		return true, nil
	}
	if n := sourceLength(text); n > maxSource || len(text) > maxWhen {
		return false, fmt.Errorf("%s: it is too long: %d bytes, of which %d are not in quotes", whenInvalid, len(text), n)
	}
	// govaluate reads behind the end of some texts that are no expressions, such as
	// one that ends in a backslash. It keeps no state that this could harm.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%s '%s': %v", whenInvalid, text, r)
		}
	}()
	parsed, err := govaluate.NewEvaluableExpression(text)
	if err != nil {
		hint := ""
		if strings.Contains(err.Error(), "Invalid token") {
			hint = whenQuoteHint
		}
		return false, fmt.Errorf("%s '%s': %w%s", whenInvalid, text, err, hint)
	}
	tokens := parsed.Tokens()
	datesInUTC(text, tokens)
	for i := range tokens {
		if tokens[i].Kind == govaluate.VARIABLE {
			tokens[i].Kind = govaluate.STRING
		}
	}
	program, err := govaluate.NewEvaluableExpressionFromTokens(tokens)
	if err != nil {
		return false, fmt.Errorf("%s '%s': %w", whenUnparsed, text, err)
	}
	result, err := program.Evaluate(nil)
	if err != nil {
		return false, fmt.Errorf("%s '%s': %w", whenUneval, text, err)
	}
	ok, isBool := result.(bool)
	if !isBool {
		return false, fmt.Errorf("%s '%s'. Got %v", whenNotBool, text, result)
	}
	return ok, nil
}

// sourceLength is the length of a text without what stands in quotes.
func sourceLength(text string) int {
	n := len(text)
	if n > maxSource {
		for _, literal := range quoted(text) {
			n -= len(literal)
		}
	}
	return n
}
