package sensor

import (
	"errors"
	"fmt"
	"strings"
	"text/template"
	"time"

	"github.com/Masterminds/sprig/v3"
)

// maxOutput bounds what a template may write; it is what Argo's event bus
// carries at most.
const maxOutput = 1 << 20

var errTooLong = fmt.Errorf("it writes more than %d bytes", maxOutput)

// errNoValue is the error of a template that writes nothing, or only that the
// value it wants is not there.
var errNoValue = errors.New("it writes nothing")

// parseTemplate reads a text template with sprig's functions. Those that read
// the environment or the network are left out, and now is the time of the
// evaluation.
func parseTemplate(text string, now time.Time) (*template.Template, error) {
	funcs := sprig.TxtFuncMap()
	for _, name := range []string{"env", "expandenv", "getHostByName"} {
		delete(funcs, name)
	}
	funcs["now"] = func() time.Time { return now }
	t, err := template.New("template").Funcs(funcs).Parse(text)
	if err != nil {
		return nil, fmt.Errorf("template %q: %w", text, err)
	}
	return t, nil
}

// render executes a template with .Input.
func render(text string, input any, now time.Time) (string, error) {
	t, err := parseTemplate(text, now)
	if err != nil {
		return "", err
	}
	var w limitedBuilder
	if err := t.Execute(&w, map[string]any{"Input": input}); err != nil {
		return "", fmt.Errorf("template %q: %w", text, err)
	}
	if out := w.String(); out != "" && out != "<no value>" {
		return out, nil
	}
	return "", fmt.Errorf("template %q: %w", text, errNoValue)
}

type limitedBuilder struct{ strings.Builder }

func (b *limitedBuilder) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxOutput {
		return 0, errTooLong
	}
	return b.Builder.Write(p)
}
