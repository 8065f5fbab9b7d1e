package expr

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/evilmonkeyinc/jsonpath"
	"github.com/expr-lang/expr/builtin"
)

// replacedBuiltins are functions of expr-lang that are not taken from it as they
// are: now reads the clock, keys, values and toPairs take a map's entries in random
// order, the others make much from little and so are charged before they run.
var replacedBuiltins = []string{NowKey, "keys", "values", "toPairs", "join", "repeat", "replace", "uniq"}

// namedFunctions returns a function that is called by its bare name, or nil.
func namedFunctions(name string) makeFunc {
	switch name {
	case "asInt":
		return plain(builtin.Int)
	case "asFloat":
		return plain(builtin.Float)
	case "toJson":
		return plain(toJSON)
	case "jsonpath":
		return plain(jsonPath)
	case "keys", "values", "toPairs":
		return plain(func(m any) (any, error) { return inOrder(name, m) })
	case "join", "repeat", "replace", "uniq":
		return func(b *budget) any {
			return func(args ...any) (any, error) {
				b.spend(costOf(name, args))
				return callBuiltin(name, args)
			}
		}
	}
	return nil
}

// plain is for functions that cost no more than their arguments.
func plain(function any) makeFunc { return func(*budget) any { return function } }

func toJSON(v any) (string, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("toJson: %w", err)
	}
	return string(text), nil
}

func jsonPath(text, path string) (any, error) {
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return nil, fmt.Errorf("jsonpath: the first argument is not JSON: %w", err)
	}
	found, err := jsonpath.Query(path, v)
	if err != nil {
		return nil, fmt.Errorf("jsonpath: %w", err)
	}
	return found, nil
}

// inOrder is the keys, the values or the pairs of a map, in the order of its keys.
func inOrder(name string, v any) ([]any, error) {
	m := reflect.ValueOf(v)
	if m.Kind() != reflect.Map {
		return nil, fmt.Errorf("cannot get %s from %T", name, v)
	}
	keys := m.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int {
		return strings.Compare(fmt.Sprint(a.Interface()), fmt.Sprint(b.Interface()))
	})
	list := make([]any, 0, len(keys))
	for _, k := range keys {
		switch name {
		case "keys":
			list = append(list, k.Interface())
		case "values":
			list = append(list, m.MapIndex(k).Interface())
		default:
			list = append(list, []any{k.Interface(), m.MapIndex(k).Interface()})
		}
	}
	return list, nil
}

// costOf estimates what a built-in function makes, beyond going through its
// arguments, which are charged already. Wrong arguments cost nothing: the
// function itself refuses them.
func costOf(name string, args []any) int {
	text := func(i int) string {
		if i < len(args) {
			s, _ := args[i].(string)
			return s
		}
		return ""
	}
	size := 0
	if len(args) > 0 {
		size = length(args[0])
	}
	switch name {
	case "join":
		return size * len(text(1)) / bytesPerStep
	case "repeat":
		if n, ok := args[len(args)-1].(int); ok && n > 0 && n <= maxElements {
			return len(text(0)) * n / bytesPerStep
		}
	case "replace":
		return strings.Count(text(0), text(1)) * len(text(2)) / bytesPerStep
	case "uniq":
		return size * size / bytesPerStep
	}
	return 0
}

func length(v any) int {
	switch v := v.(type) {
	case string:
		return len(v)
	case []any:
		return len(v)
	case []string:
		return len(v)
	case []int:
		return len(v)
	}
	return 0
}

// callBuiltin calls expr-lang's own function of that name.
func callBuiltin(name string, args []any) (any, error) {
	function := builtin.Builtins[builtin.Index[name]]
	if function.Safe != nil {
		v, _, err := function.Safe(args...)
		return v, err
	}
	return function.Func(args...)
}
