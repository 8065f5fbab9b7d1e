package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestEveryCommandHelpsByAnExample(t *testing.T) {
	root := newRoot(&streams{in: strings.NewReader(""), out: &bytes.Buffer{}, err: &bytes.Buffer{}})
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			walk(sub)
		}
		if c.HasSubCommands() {
			return
		}
		path := strings.Fields(c.CommandPath())
		var out, errs bytes.Buffer
		if code := Main(append(path, "--help"), strings.NewReader(""), &out, &errs); code != exitOK || errs.Len() > 0 {
			t.Errorf("%s --help: exit code %d\n%s", c.CommandPath(), code, &errs)
		}
		if _, example, ok := strings.Cut(out.String(), "Examples:\n"); !ok || !strings.Contains(example, c.CommandPath()) {
			t.Errorf("%s --help shows no example of it:\n%s", c.CommandPath(), &out)
		}
	}
	walk(root)
}

func TestWhatNoCommandUnderstandsIsAUsageError(t *testing.T) {
	for _, tt := range []struct{ line, want string }{
		{"lisst", `pawl: unknown command "lisst" (did you mean lint or list? see pawl --help)`},
		{"--data d frobnicate", `pawl: unknown command "frobnicate" (see pawl --help)`},
		{"pr mrege 1", `pawl: pr: unknown command "mrege" (did you mean merge? see pawl pr --help)`},
		{"cron run x", `pawl: cron: unknown command "run" (see pawl cron --help)`},
		{"list --fast", `pawl: list: unknown flag: --fast (see pawl list --help)`},
		{"pr --fast", `pawl: pr: unknown flag: --fast (see pawl pr --help)`},
		{"get", `pawl: get: arguments are [], write: pawl get RUN (see pawl get --help)`},
		{"version now", `pawl: version: arguments are ["now"], write: pawl version (see pawl version --help)`},
		{"list -o xml", `pawl: list: output format "xml" is not known (json, yaml, wide)`},
		{"run", `pawl: run: needs a workflow: -f FILE (see pawl run --help)`},
	} {
		var out, errs bytes.Buffer
		code := Main(append([]string{"pawl"}, strings.Fields(tt.line)...), strings.NewReader(""), &out, &errs)
		if code != exitUsage || strings.TrimSpace(errs.String()) != tt.want || out.Len() > 0 {
			t.Errorf("pawl %s: exit code %d\n%s\nwant %d\n%s\n%s", tt.line, code, &errs, exitUsage, tt.want, &out)
		}
	}
}
