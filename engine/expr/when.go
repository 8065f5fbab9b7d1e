package expr

import (
	"fmt"
	"strings"

	"github.com/Knetic/govaluate"
)

// maxSource is how long an expression may be. Argo has no limit; etcd's is 1.5 MB
// for the whole workflow.
const maxSource = 64 << 10

// When evaluates the `when` of a step or task, its tags already replaced. The
// language is govaluate's with every bare word a string; the result must be a
// boolean. Dates without a zone are read as UTC, on any machine. The text of
// errors is Argo's.
func When(text string) (_ bool, err error) {
	if text == "" {
		return true, nil
	}
	if len(text) > maxSource {
		return false, fmt.Errorf("Invalid 'when' expression: it has %d bytes, more than %d", len(text), maxSource)
	}
	// govaluate reads behind the end of some texts that are no expressions, such as
	// one that ends in a backslash. It keeps no state that this could harm.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("Invalid 'when' expression '%s': %v", text, r)
		}
	}()
	parsed, err := govaluate.NewEvaluableExpression(text)
	if err != nil {
		hint := ""
		if strings.Contains(err.Error(), "Invalid token") {
			hint = ` (hint: try wrapping the affected expression in quotes ("))`
		}
		return false, fmt.Errorf("Invalid 'when' expression '%s': %w%s", text, err, hint)
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
		return false, fmt.Errorf("Failed to parse 'when' expression '%s': %w", text, err)
	}
	result, err := program.Evaluate(nil)
	if err != nil {
		return false, fmt.Errorf("Failed to evaluate 'when' expresion '%s': %w", text, err)
	}
	ok, isBool := result.(bool)
	if !isBool {
		return false, fmt.Errorf("Expected boolean evaluation for '%s'. Got %v", text, result)
	}
	return ok, nil
}
