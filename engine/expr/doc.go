// Package expr is Argo's template language: the {{tags}} and {{=expressions}}
// in the text of a manifest, the `when` of a step and the `depends` of a task.
//
// It is pure: a result depends on the arguments alone, so that a replayed run
// takes the same decisions on any machine. Functions that would read a clock,
// draw random numbers or look at the host are refused by name, and what an
// expression may cost is bounded (see Compile).
//
// Text is parsed once, into a Template, and rendered often. Argo replaces tags in
// the JSON of a whole object and parses the result again; here a value goes into
// the one string that its tag stands in, so every value arrives exactly as it is,
// control characters included.
package expr
