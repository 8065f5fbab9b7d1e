package sensor

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	eventsv1 "github.com/argoproj/argo-events/pkg/apis/events/v1alpha1"

	"github.com/pawl-dev/pawl/api"
	"github.com/pawl-dev/pawl/events"
)

// tagPattern finds every {{…}}, closed or not; that of an input parameter has
// its name in the group.
var tagPattern = regexp.MustCompile(`\{\{(?:\s*inputs\.parameters\.([A-Za-z0-9_-]+)\s*\}\}|(?s:.*?)(?:\}\}|$))`)

// A tag is a {{…}} in the arguments of a workflow.
type tag struct {
	path  string // of the text it stands in, below the workflow
	text  string // the whole tag
	alias string // NAME of {{inputs.parameters.NAME}}, else empty
}

// in is the path of the text for people, below the path of the workflow.
func (t tag) in(workflow string) string {
	path := workflow
	for part := range strings.SplitSeq(t.path, ".") {
		if n, err := strconv.Atoi(part); err == nil {
			path = api.IndexPath(path, n)
		} else {
			path = api.JoinPath(path, part)
		}
	}
	return path
}

// tags lists the tags in the workflow that an action of a trigger submits, those
// left out that a parameter overwrites, and the path of that workflow; path is
// that of the trigger's template.
func (a action) tags(path string, t eventsv1.Trigger) (workflow string, tags []tag) {
	manifest, in, err := a.resource()
	if err != nil {
		return "", nil
	}
	workflow = path + "." + in
	if in == "" {
		workflow = path + "." + a.path + ".source.inline"
	}
	resource, err := decodeObject(manifest)
	if err != nil {
		return workflow, nil
	}
	return workflow, slices.DeleteFunc(tagsIn(resource), func(tag tag) bool {
		return overwritten(t.Parameters, in, tag.path) || overwritten(a.parameters, "", tag.path)
	})
}

// tagsIn lists the tags in spec.arguments of a workflow in a fixed order.
func tagsIn(workflow map[string]any) []tag {
	var tags []tag
	eachArgument(workflow, func(path, text string) string {
		for _, m := range tagPattern.FindAllStringSubmatch(text, -1) {
			tags = append(tags, tag{path: path, text: m[0], alias: m[1]})
		}
		return text
	})
	return tags
}

// bind replaces the tags in spec.arguments by what the events say. A tag that
// they do not know stays and is returned: unless a parameter overwrites it, the
// workflow must not be submitted.
func bind(workflow map[string]any, came []namedEvent) (left []unbound) {
	eachArgument(workflow, func(path, text string) string {
		return tagPattern.ReplaceAllStringFunc(text, func(whole string) string {
			name := tagPattern.FindStringSubmatch(whole)[1]
			v, err := lookUp(name, whole, came)
			if err != nil {
				left = append(left, unbound{tag{path, whole, name}, err})
				return whole
			}
			return v
		})
	})
	return left
}

// unbound is a tag that no event knows, and why.
type unbound struct {
	tag
	err error
}

// namedEvent is an event and the dependency it came for.
type namedEvent struct {
	dependency string
	events.Event
}

// lookUp finds the one event that has the alias.
func lookUp(name, whole string, came []namedEvent) (string, error) {
	if name == "" {
		return "", fmt.Errorf("%s is not known to a trigger", whole)
	}
	var found []string
	var v string
	var types []string
	for _, e := range came {
		if text, ok := events.Alias(e.Event, name); ok {
			found, v = append(found, e.dependency), text
		}
		types = append(types, fmt.Sprintf("%s (%s)", e.dependency, e.Type))
	}
	switch len(found) {
	case 1:
		return v, nil
	case 0:
		return "", fmt.Errorf("%s: the event of %s has no %s", whole, strings.Join(types, ", "), name)
	}
	return "", fmt.Errorf("%s: the events of %s all have %s: say by parameters which is meant", whole, strings.Join(found, ", "), name)
}

// eachArgument calls edit for every text in spec.arguments and keeps what it
// returns.
func eachArgument(workflow map[string]any, edit func(path, text string) string) {
	spec, _ := workflow["spec"].(map[string]any)
	if arguments, ok := spec["arguments"]; ok {
		spec["arguments"] = editTexts("spec.arguments", arguments, edit)
	}
}

func editTexts(path string, v any, edit func(path, text string) string) any {
	switch v := v.(type) {
	case string:
		return edit(path, v)
	case []any:
		for i := range v {
			v[i] = editTexts(path+"."+strconv.Itoa(i), v[i], edit)
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			v[key] = editTexts(path+"."+key, v[key], edit)
		}
	}
	return v
}
