package reconcile

import (
	"strings"
	"testing"

	"github.com/pawl-dev/pawl/api"
)

func TestNoEventSourceWatchesPawlsData(t *testing.T) {
	for dir, refused := range map[string]bool{
		"/srv/pawl/data":        true,
		"/srv/pawl/data/runs/x": true,
		"/srv/pawl":             true,
		"/":                     true,
		"/srv/pawl/inbox":       false,
		"/srv/pawl/database":    false,
	} {
		objects, problems := api.Decode("events.yaml", []byte(`apiVersion: argoproj.io/v1alpha1
kind: EventSource
metadata: {name: inbox}
spec:
  file:
    new:
      eventType: CREATE
      watchPathConfig: {directory: `+dir+`, pathRegexp: '.*'}
`))
		if problems.Err() != nil {
			t.Fatal(problems)
		}
		err := checkTriggers(objects, "/srv/pawl/data").Err()
		if (err != nil) != refused {
			t.Errorf("%s: refused is %v, want %v", dir, err, refused)
		}
		if refused && (err == nil || !strings.Contains(err.Error(), "events.yaml:8: error: spec.file.new.watchPathConfig.directory: "+dir)) {
			t.Errorf("%s: the refusal does not say where: %v", dir, err)
		}
	}
}
