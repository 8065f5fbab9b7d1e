package expr

import (
	"time"

	"github.com/Knetic/govaluate"
)

// datesInUTC reads the date tokens again with UTC as the zone of those that name
// none. govaluate takes the machine's own, so that a `when` could come out
// differently where a run is resumed. A token does not keep its text, so the
// quoted literals are found again: each is one token, in the same order.
func datesInUTC(text string, tokens []govaluate.ExpressionToken) {
	var literals []string
	for i := range tokens {
		switch tokens[i].Kind {
		case govaluate.STRING, govaluate.PATTERN, govaluate.TIME:
		default:
			continue
		}
		if literals == nil {
			literals = quoted(text)
		}
		if len(literals) == 0 {
			return
		}
		if tokens[i].Kind == govaluate.TIME {
			if t, ok := parseDate(literals[0]); ok {
				tokens[i].Value = t
			}
		}
		literals = literals[1:]
	}
}

// quoted returns the string literals as govaluate's lexer finds them: a quote of
// either kind ends at a quote of either kind, a backslash escapes anything, and
// quotes inside a [name] are part of it.
func quoted(text string) []string {
	found := []string{}
	var literal []rune
	open := rune(0) // what has begun: a quote, a bracket, or nothing
	escaped := false
	for _, c := range text {
		switch {
		case escaped:
			escaped = false
			literal = append(literal, c)
		case c == '\\':
			escaped = true
		case open == 0 && (c == '\'' || c == '"' || c == '['):
			open, literal = c, literal[:0]
		case open == '[' && c == ']':
			open = 0
		case open != 0 && open != '[' && (c == '\'' || c == '"'):
			open = 0
			found = append(found, string(literal))
		default:
			literal = append(literal, c)
		}
	}
	return found
}

// parseDate reads the layouts that govaluate knows, in its order.
func parseDate(s string) (time.Time, bool) {
	for _, layout := range []string{
		time.ANSIC, time.UnixDate, time.RubyDate, time.Kitchen, time.RFC3339,
		"2006-01-02", "2006-01-02 15:04", "2006-01-02 15:04:05", "2006-01-02 15:04:05-07:00",
		"2006-01-02T15Z0700", "2006-01-02T15:04Z0700", "2006-01-02T15:04:05Z0700",
	} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
