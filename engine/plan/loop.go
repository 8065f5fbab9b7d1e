package plan

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"
)

// Loop is a withItems, withParam or withSequence.
type Loop struct {
	items  []any // withItems, decoded
	tagged bool  // strings of items have tags
	param  *Text // withParam

	count, start, end *Text // withSequence
	format            string
	sequence          bool
}

// Item is one element of a loop.
type Item struct{ value any }

// loop compiles the loop of a task; nil for none.
func (c *compiler) loop(s scope, k call) *Loop {
	given := 0
	for _, is := range []bool{len(k.items) > 0, k.param != "", k.sequence != nil} {
		if is {
			given++
		}
	}
	switch {
	case given > 1:
		c.problem(k.at, "only one of withItems, withParam and withSequence may be given", "keep one of them")
		return nil
	case len(k.items) > 0:
		return c.withItems(s, k)
	case k.param != "":
		l := &Loop{param: c.text(s, k.param, k.at.field("withParam"))}
		if l.param.Literal() {
			if _, err := decodeList(k.param); err != nil {
				c.errorf(k.at.field("withParam"), "withParam value could not be parsed as a JSON list: %s: %v", k.param, err)
			}
		}
		return l
	case k.sequence != nil:
		return c.withSequence(s, k)
	}
	return nil
}

func (c *compiler) withItems(s scope, k call) *Loop {
	l := &Loop{}
	at := k.at.field("withItems")
	for i, item := range k.items {
		v, err := decode(string(item.Value))
		if err != nil {
			c.errorf(at.index(i), "item cannot be read: %v", err)
			continue
		}
		if v == nil {
			c.errorf(at.index(i), "an item must be a text, number, bool, map or list")
			continue
		}
		eachString(v, func(text string) {
			if strings.Contains(text, "{{") {
				l.tagged = true
				c.text(s, text, at.index(i))
			}
		})
		l.items = append(l.items, v)
	}
	return l
}

func (c *compiler) withSequence(s scope, k call) *Loop {
	at, w := k.at.field("withSequence"), k.sequence
	l := &Loop{sequence: true, format: w.Format}
	l.count, l.start, l.end = c.number(s, w.Count, at.field("count")), c.number(s, w.Start, at.field("start")), c.number(s, w.End, at.field("end"))
	switch {
	case w.Count != nil && w.End != nil:
		c.problem(at, "only one of count and end may be given", "keep one of them")
	case w.Count == nil && w.End == nil:
		c.problem(at, "withSequence needs count or end", "")
	}
	return l
}

// texts are the texts of the loop that are rendered when it expands.
func (l *Loop) texts() []*Text {
	if l == nil {
		return nil
	}
	texts := []*Text{l.param, l.count, l.start, l.end}
	if l.tagged {
		for _, item := range l.items {
			eachString(item, func(s string) {
				if t, err := parseText(s); err == nil {
					texts = append(texts, t)
				}
			})
		}
	}
	return texts
}

// Expand lists the items.
func (l *Loop) Expand(env Env) ([]Item, error) {
	var values []any
	switch {
	case l.sequence:
		return l.expandSequence(env)
	case l.param != nil:
		text, err := l.param.Render(env)
		if err != nil {
			return nil, err
		}
		if values, err = decodeList(text); err != nil {
			return nil, fmt.Errorf("withParam value could not be parsed as a JSON list: %s: %w", text, err)
		}
	default:
		values = l.items
	}
	items := make([]Item, len(values))
	for i, v := range values {
		if l.tagged {
			var err error
			if v, err = renderStrings(v, env); err != nil {
				return nil, err
			}
		}
		items[i] = Item{v}
	}
	return items, nil
}

func (l *Loop) expandSequence(env Env) ([]Item, error) {
	number := func(t *Text) (int, error) {
		if t == nil {
			return 0, nil
		}
		s, err := t.Render(env)
		if err != nil {
			return 0, err
		}
		return ParseInt(s)
	}
	start, err := number(l.start)
	if err != nil {
		return nil, fmt.Errorf("withSequence.start: %w", err)
	}
	end, err := number(l.end)
	if err != nil {
		return nil, fmt.Errorf("withSequence.end: %w", err)
	}
	if l.count != nil {
		count, err := number(l.count)
		if err != nil {
			return nil, fmt.Errorf("withSequence.count: %w", err)
		}
		if count == 0 {
			return nil, nil
		}
		end = start + count - 1
	}
	format := l.format
	if format == "" {
		format = "%d"
	}
	step := 1
	if end < start {
		step = -1
	}
	if n := (end - start) * step; n >= maxItems {
		return nil, fmt.Errorf("withSequence has more than %d items", maxItems)
	}
	var items []Item
	for i := start; ; i += step {
		items = append(items, Item{fmt.Sprintf(format, i)})
		if i == end {
			return items, nil
		}
	}
}

// maxItems bounds a sequence, which a typing error can make huge.
const maxItems = 1_000_000

// String is the item as {{item}}: a text as it is, anything else as its JSON.
func (i Item) String() string { return printed(i.value) }

// Field is {{item.KEY}} of a map.
func (i Item) Field(key string) (string, bool) {
	m, ok := i.value.(map[string]any)
	if !ok {
		return "", false
	}
	v, ok := m[key]
	return printed(v), ok
}

// Fields are the keys of a map item, sorted; none for other items.
func (i Item) Fields() []string {
	m, _ := i.value.(map[string]any)
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// Suffix is what the item adds to the name of its node: "(INDEX:VALUE)".
func (i Item) Suffix(index int) string {
	var text string
	switch v := i.value.(type) {
	case map[string]any:
		var pairs []string
		for _, k := range i.Fields() {
			pairs = append(pairs, k+":"+printed(v[k]))
		}
		text = strings.Join(pairs, ",")
	case []any:
		var all []string
		for _, x := range v {
			all = append(all, printed(x))
		}
		text = "[" + strings.Join(all, " ") + "]"
	default:
		text = printed(v)
	}
	text = strings.ReplaceAll(strings.ReplaceAll(text, "(", ""), ")", "")
	return "(" + strconv.Itoa(index) + ":" + text + ")"
}

func printed(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Sprint(v)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// decode reads JSON, keeping numbers as they are written.
func decode(text string) (any, error) {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("more than one value")
	}
	return v, nil
}

func decodeList(text string) ([]any, error) {
	v, err := decode(text)
	if err != nil {
		return nil, err
	}
	list, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf("not a list")
	}
	return list, nil
}

func eachString(v any, f func(string)) {
	switch v := v.(type) {
	case string:
		f(v)
	case []any:
		for _, x := range v {
			eachString(x, f)
		}
	case map[string]any:
		for _, k := range (Item{v}).Fields() {
			eachString(v[k], f)
		}
	}
}

// renderStrings copies a value with the tags of its texts replaced.
func renderStrings(v any, env Env) (any, error) {
	switch v := v.(type) {
	case string:
		t, err := parseText(v)
		if err != nil {
			return nil, err
		}
		return t.Render(env)
	case []any:
		list := make([]any, len(v))
		for i, x := range v {
			var err error
			if list[i], err = renderStrings(x, env); err != nil {
				return nil, err
			}
		}
		return list, nil
	case map[string]any:
		m := make(map[string]any, len(v))
		for _, k := range (Item{v}).Fields() {
			var err error
			if m[k], err = renderStrings(v[k], env); err != nil {
				return nil, err
			}
		}
		return m, nil
	}
	return v, nil
}
