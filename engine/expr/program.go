package expr

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	exprlang "github.com/expr-lang/expr"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"
)

// NowKey is the environment's name for the time that now() returns, a time.Time.
// Without it an expression that calls now() is an error.
const NowKey = "now"

// Program is a compiled expression of the language in {{= }}: expr-lang's with
// Argo's functions asInt, asFloat, toJson, jsonpath and sprig.NAME. It is
// immutable and safe for use by many goroutines.
type Program struct {
	source    string
	code      *vm.Program
	free      []identifier        // names that the environment must have
	functions map[string]makeFunc // functions it calls that are not built in
	names     []string            // dotted names it refers to
	usesNow   bool
}

// identifier is a name at a place of the source.
type identifier struct {
	name string
	at   file.Location
}

// makeFunc returns a function that charges what it does to the budget of one
// evaluation.
type makeFunc func(*budget) any

// Compile reads an expression. Names are not checked, since the environment is
// not known yet, but a function that depends on anything other than its
// arguments is refused here.
//
// expr-lang cannot be cancelled, so an evaluation has a budget: each turn of a
// predicate and each element or 16 bytes that an operator or function is given
// count as one, and an evaluation that needs more than a few millions fails.
func Compile(source string) (*Program, error) {
	if len(source) > maxSource {
		return nil, fmt.Errorf("the expression has %d bytes, more than %d", len(source), maxSource)
	}
	v := newVisitor()
	options := []exprlang.Option{
		// The type of charge is known so that calling it is cheap; all else is dynamic.
		exprlang.Env(map[string]any{chargeName: (*budget)(nil).charge}),
		exprlang.AllowUndefinedVariables(),
		exprlang.Optimize(false),
		exprlang.Patch(v),
	}
	for _, name := range replacedBuiltins {
		options = append(options, exprlang.DisableBuiltin(name))
	}
	code, err := exprlang.Compile(source, options...)
	if err != nil {
		return nil, err
	}
	if err := v.finish(source); err != nil {
		return nil, err
	}
	return &Program{source: source, code: code, free: v.free, functions: v.functions, names: v.names, usesNow: v.usesNow}, nil
}

// String is the expression as it was written.
func (p *Program) String() string { return p.source }

// Names lists the dotted names that the expression refers to, as far as they can
// be told without evaluating it, in order, each once.
func (p *Program) Names() []string { return slices.Clone(p.names) }

// Eval evaluates the expression. The environment is not changed.
func (p *Program) Eval(env map[string]any) (any, error) {
	for _, id := range p.free {
		if _, ok := env[id.name]; !ok {
			return nil, at(p.source, id.at, "unknown name "+id.name)
		}
	}
	b := &budget{left: maxSteps}
	scope := make(map[string]any, len(env)+len(p.functions)+2)
	maps.Copy(scope, env)
	for name, function := range p.functions {
		scope[name] = function(b)
	}
	scope[chargeName] = b.charge
	if p.usesNow {
		now, ok := env[NowKey].(time.Time)
		if !ok {
			return nil, errors.New("now() is not available here: an expression may only depend on values that are recorded; use workflow.creationTimestamp or pass the time as a parameter")
		}
		now = now.UTC()
		scope[NowKey] = func() time.Time { return now }
	}
	machine := vm.VM{MemoryBudget: maxElements}
	result, err := machine.Run(p.code, scope)
	if err != nil {
		return nil, err
	}
	if err := b.check(result); err != nil {
		return nil, err
	}
	return result, nil
}

// Eval compiles and evaluates an expression once.
func Eval(expression string, env map[string]any) (any, error) {
	p, err := Compile(expression)
	if err != nil {
		return nil, err
	}
	return p.Eval(env)
}

// at is an error that shows its place in the source as expr-lang's own do.
func at(source string, where file.Location, message string) error {
	e := &file.Error{Location: where, Message: message}
	return e.Bind(file.NewSource(source))
}
