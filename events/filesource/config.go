package filesource

import (
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	eventsv1 "github.com/argoproj/argo-events/pkg/apis/events/v1alpha1"

	"github.com/pawl-dev/pawl/api"
	"github.com/pawl-dev/pawl/events"
)

// Check says what is wrong with the file events of an EventSource; positions are
// the caller's to fill in.
func Check(es *eventsv1.EventSource) api.Problems {
	var ps api.Problems
	for _, name := range slices.Sorted(maps.Keys(es.Spec.File)) {
		_, more := matcherOf(api.JoinPath("spec.file", name), es.Spec.File[name])
		ps = append(ps, more...)
	}
	return ps
}

// A matcher says which files an event is about.
type matcher struct {
	directory string
	op        events.FileOp
	path      string
	pattern   *regexp.Regexp // instead of path
}

// matches takes the name of a file in the directory.
func (m matcher) matches(name string) bool {
	if m.pattern != nil {
		return m.pattern.MatchString(name)
	}
	return m.path == name
}

// matcherOf reads a file event; at is its path in the EventSource.
func matcherOf(at string, spec eventsv1.FileEventSource) (matcher, api.Problems) {
	var ps api.Problems
	refuse := func(path, message, hint string) {
		ps = append(ps, api.Problem{Severity: api.SeverityError, Path: at + "." + path, Message: message, Hint: hint})
	}
	w := spec.WatchPathConfig
	m := matcher{directory: filepath.Clean(w.Directory), path: w.Path}
	var ok bool
	if m.op, ok = events.ParseFileOp(spec.EventType); !ok {
		refuse("eventType", fmt.Sprintf("%q is not one", spec.EventType), "one of "+strings.Join(events.FileOpNames(), ", "))
	}
	switch {
	case w.Directory == "":
		refuse("watchPathConfig.directory", "is missing", "")
	case !filepath.IsAbs(w.Directory):
		refuse("watchPathConfig.directory", fmt.Sprintf("%q is not absolute", w.Directory), "")
	}
	switch {
	case w.Path == "" && w.PathRegexp == "":
		refuse("watchPathConfig", "says no file", "path, or pathRegexp")
	case w.Path != "" && w.PathRegexp != "":
		refuse("watchPathConfig.pathRegexp", "stands beside path", "keep one")
	case strings.ContainsRune(w.Path, '/'):
		refuse("watchPathConfig.path", fmt.Sprintf("%q is not in the directory itself, which is all that is watched", w.Path), "name the folder as directory and the file as path")
	case w.PathRegexp != "":
		re, err := regexp.Compile(w.PathRegexp)
		if err != nil {
			refuse("watchPathConfig.pathRegexp", err.Error(), "")
		}
		m.pattern = re
	}
	return m, ps
}
