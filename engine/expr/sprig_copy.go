package expr

import (
	"fmt"
	"reflect"
)

// copyingSprig are the functions that change the map they are given: here they
// change a copy, so that the environment, and with it the next expression, stays
// what it was. What they return is the same.
func copyingSprig(name string, function any) any {
	switch name {
	case "set", "unset", "merge", "mergeOverwrite", "mustMerge", "mustMergeOverwrite":
		return func(args ...any) (any, error) {
			if len(args) > 0 {
				args = append([]any{copied(args[0])}, args[1:]...)
			}
			return call(function, args)
		}
	}
	return nil
}

func copied(v any) any {
	m, ok := v.(map[string]any)
	if !ok {
		return v
	}
	c := make(map[string]any, len(m))
	for k, x := range m {
		c[k] = copied(x)
	}
	return c
}

// call calls a function with arguments of any type; one that does not fit is an error.
func call(function any, args []any) (any, error) {
	f := reflect.ValueOf(function)
	t := f.Type()
	if len(args) < t.NumIn() && !(t.IsVariadic() && len(args) == t.NumIn()-1) || len(args) > t.NumIn() && !t.IsVariadic() {
		return nil, fmt.Errorf("invalid number of arguments: %d", len(args))
	}
	in := make([]reflect.Value, len(args))
	for i, a := range args {
		want := t.In(min(i, t.NumIn()-1))
		if t.IsVariadic() && i >= t.NumIn()-1 {
			want = want.Elem()
		}
		in[i] = reflect.ValueOf(a)
		if a == nil {
			in[i] = reflect.Zero(want)
		}
		if !in[i].Type().AssignableTo(want) {
			return nil, fmt.Errorf("cannot use %T as argument %d (type %s)", a, i+1, want)
		}
	}
	out := f.Call(in)
	if len(out) == 2 && !out[1].IsNil() {
		return nil, out[1].Interface().(error)
	}
	return out[0].Interface(), nil
}
