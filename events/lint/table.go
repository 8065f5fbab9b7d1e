package lint

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/pawl-dev/pawl/api"
)

// class says what becomes of a field.
type class int

const (
	// honoured fields do what their owner says.
	honoured class = iota + 1
	// meaningless fields are about pods, which are none here: accepted, and said.
	meaningless
	// refused fields would change what happens and are not run.
	refused
)

// A rule is the class of one field, and the reason or the way out.
type rule struct {
	class class
	text  string
}

// A table has a rule for every field of a kind that is not refused as "not run by
// pawl yet". Fields are named by path; [] stands for every index and * for every
// key. A rule covers all that is below its field, unless that has rules of its
// own.
type table map[string]rule

// below reports whether the table has rules for fields below one.
func (t table) below(pattern string) bool {
	for p := range t {
		if strings.HasPrefix(p, pattern+".") || strings.HasPrefix(p, pattern+"[]") {
			return true
		}
	}
	return false
}

// beside lists the honoured fields next to one.
func (t table) beside(pattern string) []string {
	parent := pattern[:strings.LastIndexByte(pattern, '.')+1]
	names := map[string]bool{}
	for p, r := range t {
		if rest, ok := strings.CutPrefix(p, parent); ok && r.class == honoured {
			name, _, _ := strings.Cut(rest, ".")
			names[strings.TrimSuffix(name, "[]")] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// A walk compares an object with the table of its kind.
type walk struct {
	table    table
	problems api.Problems
}

// value visits a value; typ is its type in the owner's Go types, nil when that
// is not known, and then unknown names are nobody's.
func (w *walk) value(path, pattern string, v any, typ reflect.Type) {
	if isZero(v) {
		return // it says the same as leaving it out
	}
	r, ruled := w.table[pattern]
	deeper := w.table.below(pattern)
	switch {
	case ruled && r.class == meaningless:
		w.say(api.SeverityNote, path, "has no meaning here: "+r.text, "")
		return
	case ruled && r.class == refused:
		w.say(api.SeverityError, path, "is not run by pawl yet", r.text)
		return
	case ruled && !deeper:
		return
	case !ruled && !deeper:
		w.say(api.SeverityError, path, "is not run by pawl yet", "run are: "+strings.Join(w.table.beside(pattern), ", "))
		return
	}
	w.inside(path, pattern, v, typ)
}

func (w *walk) inside(path, pattern string, v any, typ reflect.Type) {
	for typ != nil && typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	switch v := v.(type) {
	case []any:
		for i, item := range v {
			w.value(api.IndexPath(path, i), pattern+"[]", item, element(typ, reflect.Slice))
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if w.keys(pattern) {
				w.value(api.JoinPath(path, key), pattern+".*", v[key], element(typ, reflect.Map))
				continue
			}
			if field, known := fieldOf(typ, key); known {
				w.value(api.JoinPath(path, key), pattern+"."+key, v[key], field)
			}
			// An unknown field is said by the decoder, with the nearest name.
		}
	}
}

// keys reports whether the keys below a field are names that users give.
func (w *walk) keys(pattern string) bool {
	_, ok := w.table[pattern+".*"]
	return ok || w.table.below(pattern+".*")
}

func (w *walk) say(severity api.Severity, path, message, hint string) {
	w.problems = append(w.problems, api.Problem{Severity: severity, Path: path, Message: message, Hint: hint})
}

func element(typ reflect.Type, kind reflect.Kind) reflect.Type {
	if typ == nil || typ.Kind() != kind {
		return nil
	}
	return typ.Elem()
}

// fieldOf finds the field of a struct by its JSON name.
func fieldOf(typ reflect.Type, name string) (reflect.Type, bool) {
	if typ == nil || typ.Kind() != reflect.Struct {
		return nil, false
	}
	for i := range typ.NumField() {
		f := typ.Field(i)
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if tag == name {
			return f.Type, true
		}
		if tag == "" && f.Anonymous {
			if t, ok := fieldOf(f.Type, name); ok {
				return t, true
			}
		}
	}
	return nil, false
}

// isZero reports whether a value is what an absent field would be.
func isZero(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return reflect.ValueOf(v).IsZero()
}
