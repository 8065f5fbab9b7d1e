package expr

import (
	"iter"
	"strings"
)

// Env makes the environment of expressions from flat names: "inputs.parameters.n"
// becomes a member of maps in maps. Where one name is a prefix of another, the
// less specific one is left out, as Argo does. All values stay strings: an
// expression converts them with asInt, asFloat and the like.
func Env(flat iter.Seq2[string, string]) map[string]any {
	env := map[string]any{}
	for name, value := range flat {
		put(env, name, value)
	}
	return env
}

func put(m map[string]any, name, value string) {
	for {
		head, rest, more := strings.Cut(name, ".")
		if !more {
			break
		}
		sub, ok := m[head].(map[string]any)
		if !ok {
			sub = map[string]any{}
			m[head] = sub
		}
		m, name = sub, rest
	}
	if _, taken := m[name].(map[string]any); !taken {
		m[name] = value
	}
}
