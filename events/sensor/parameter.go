package sensor

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	eventsv1 "github.com/argoproj/argo-events/pkg/apis/events/v1alpha1"
	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

	"github.com/pawl-dev/pawl/events"
)

// maxIndex bounds the list index in a dest: one past the end of a list fills
// what lies between.
const maxIndex = 9999

// A patcher writes values of events into a document.
type patcher struct {
	events map[string]events.Event // by dependency
	now    time.Time
	// isData reports whether the place is one where a workflow reads text as it
	// is. Everywhere else it would evaluate a {{tag}} that somebody put into an
	// event.
	isData func(dest string) bool
	// note takes what a person should know though it refuses nothing.
	note func(string)
}

// apply writes the parameters one after the other.
func (p patcher) apply(doc []byte, parameters []eventsv1.TriggerParameter) ([]byte, error) {
	for i, param := range parameters {
		name := fmt.Sprintf("parameter %d (dest %s)", i, param.Dest)
		v, ok, err := p.resolve(param.Src, name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if !ok {
			continue
		}
		if v.sent && !v.raw && strings.Contains(v.text, "{{") && !p.isData(param.Dest) {
			return nil, fmt.Errorf("%s: the event's value %s holds {{, which the workflow would evaluate there: pass it through spec.arguments.parameters", name, shorten(v.text))
		}
		if doc, err = write(doc, param, v); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return doc, nil
}

// value is what a parameter's src selects.
type value struct {
	text string
	raw  bool // text is JSON to be written as it is
	sent bool // text comes from the event, not from the manifest
}

func write(doc []byte, param eventsv1.TriggerParameter, v value) ([]byte, error) {
	current := gjson.GetBytes(doc, param.Dest)
	switch param.Operation {
	case eventsv1.TriggerParameterOpAppend, eventsv1.TriggerParameterOpPrepend:
		if !current.Exists() {
			break
		}
		v.raw = false
		if param.Operation == eventsv1.TriggerParameterOpAppend {
			v.text = current.String() + v.text
		} else {
			v.text += current.String()
		}
	case eventsv1.TriggerParameterOpOverwrite, eventsv1.TriggerParameterOpNone:
	default:
		return nil, fmt.Errorf("operation %q is none of overwrite, append and prepend", param.Operation)
	}
	if v.raw {
		return sjson.SetRawBytes(doc, param.Dest, []byte(v.text))
	}
	return sjson.SetBytes(doc, param.Dest, v.text)
}

// resolve selects the value of a parameter: template, then key, then the default
// in value. Without template and key it is the default, or the whole event. A
// dependency whose event did not come (conditions with ||) leaves the document
// as it is, unless there is a default; anything else that is missing is an error.
func (p patcher) resolve(src *eventsv1.TriggerParameterSource, name string) (v value, ok bool, err error) {
	if src == nil {
		return value{}, false, errors.New("src is missing")
	}
	e, came := p.events[src.DependencyName]
	if !came {
		if src.Value != nil {
			return value{text: *src.Value}, true, nil
		}
		return value{}, false, nil
	}
	doc, key, tmpl, err := selectFrom(src, e)
	if err != nil {
		return value{}, false, err
	}
	if key == "" && tmpl == "" {
		if src.Value != nil {
			return value{text: *src.Value}, true, nil
		}
		whole, err := wholeEvent(e)
		return value{text: string(whole), sent: true}, true, err
	}
	v, err = pick(doc, key, tmpl, src.UseRawData, p.now)
	if err == nil {
		return v, true, nil
	}
	if src.Value != nil {
		p.note(fmt.Sprintf("%s: %v; its default is used", name, err))
		return value{text: *src.Value}, true, nil
	}
	return value{}, false, fmt.Errorf("event %s of dependency %s: %w, and the parameter has no default in src.value", e.ID, src.DependencyName, err)
}

// selectFrom says what a key or template looks into; data goes before context.
func selectFrom(src *eventsv1.TriggerParameterSource, e events.Event) (doc []byte, key, tmpl string, err error) {
	if src.DataKey != "" || src.DataTemplate != "" {
		return e.Data, src.DataKey, src.DataTemplate, nil
	}
	doc, err = e.Context()
	return doc, src.ContextKey, src.ContextTemplate, err
}

// pick selects from a document by template, and by key where the template fails.
func pick(doc []byte, key, tmpl string, raw bool, now time.Time) (value, error) {
	var failed error
	if tmpl != "" {
		text, err := render(tmpl, gjson.ParseBytes(doc).Value(), now)
		if err == nil {
			return value{text: text, sent: true}, nil
		}
		failed = err
	}
	if key != "" {
		if r := gjson.GetBytes(doc, key); r.Exists() {
			switch r.Type {
			case gjson.String:
				return value{text: r.String(), sent: true}, nil
			case gjson.JSON, gjson.Null:
				return value{text: r.Raw, raw: raw, sent: true}, nil
			default:
				return value{text: r.String(), raw: raw, sent: true}, nil
			}
		}
		failed = errors.Join(failed, fmt.Errorf("there is no %s in it", key))
	}
	return value{}, failed
}

// wholeEvent is the event as Argo passes it on: the data is base64 in it.
func wholeEvent(e events.Event) ([]byte, error) {
	context, err := e.Context()
	if err != nil {
		return nil, err
	}
	return json.Marshal(struct {
		Context json.RawMessage `json:"context"`
		Data    []byte          `json:"data"`
	}{context, e.Data})
}

// checkDest reports what is wrong with a dest before any event comes.
func checkDest(dest string) error {
	if dest == "" {
		return errors.New("is missing")
	}
	for part := range strings.SplitSeq(dest, ".") {
		n, err := strconv.Atoi(part)
		switch {
		case err == nil && n > maxIndex || errors.Is(err, strconv.ErrRange):
			return fmt.Errorf("index %s is larger than %d", part, maxIndex)
		case strings.HasPrefix(part, "#") || strings.HasPrefix(part, "@") || strings.ContainsAny(part, "*?|") && !strings.Contains(part, `\`):
			return fmt.Errorf("%q selects by a query, a dest is names and indexes", dest)
		}
	}
	if _, err := sjson.SetBytes([]byte("{}"), dest, ""); err != nil {
		return fmt.Errorf("%q is no path of names and indexes: %w", dest, err)
	}
	return nil
}
