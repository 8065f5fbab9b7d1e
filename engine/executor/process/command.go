package process

import (
	"fmt"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/pawl-dev/pawl/engine/attempt"
)

// DefaultPath is the PATH of attempts when neither the options nor the
// manifest give one.
const DefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// commandLine is the command and arguments of s before expansion, and "" or
// the reason why there is none.
func commandLine(s *attempt.Spec, images map[string][]string) (argv []string, why string) {
	argv = append(argv, s.Command...)
	if len(argv) == 0 {
		argv = append(argv, standIn(s.Image, images)...)
	}
	if len(argv) == 0 {
		return nil, fmt.Sprintf("template %s has no command, and what image %s would run is not known without its registry", s.Template, s.Image)
	}
	return append(argv, s.Args...), ""
}

// standIn is what the user named for an image: with its tag, or without.
func standIn(image string, images map[string][]string) []string {
	if c, ok := images[image]; ok {
		return c
	}
	name, _, _ := strings.Cut(image, "@")
	if i := strings.LastIndex(name, ":"); i > strings.LastIndex(name, "/") {
		name = name[:i]
	}
	return images[name]
}

// programPaths are the files to try for the program name, as a shell would.
// What is no absolute path and holds a slash is relative to dir.
func programPaths(name, pathVar, dir string) []string {
	switch {
	case name == "":
		return nil
	case path.IsAbs(name):
		return []string{name}
	case strings.Contains(name, "/"):
		return []string{path.Join(dir, name)}
	}
	var paths []string
	for _, alias := range aliases(name) {
		for _, d := range filepath.SplitList(pathVar) {
			if !path.IsAbs(d) {
				d = path.Join(dir, d)
			}
			paths = append(paths, path.Join(d, alias))
		}
	}
	return paths
}

// aliases are the names under which the program may be installed: many
// machines have no python but python3.
func aliases(name string) []string {
	if name == "python" {
		return []string{"python", "python3"}
	}
	return []string{name}
}

// cannotExecute says in words why the program could not be started.
func cannotExecute(name, pathVar string, errno syscall.Errno) string {
	switch {
	case errno == syscall.ENOENT && !strings.Contains(name, "/"):
		return fmt.Sprintf("command %q not found in PATH %s", name, pathVar)
	case errno == syscall.ENOENT:
		return fmt.Sprintf("command %q not found", name)
	case errno == syscall.EACCES:
		return fmt.Sprintf("command %q is no program, or may not be executed", name)
	case errno == syscall.ENOEXEC:
		return fmt.Sprintf("command %q is in no format that this machine executes (a script needs a first line such as #!/bin/sh)", name)
	case errno == syscall.E2BIG:
		return fmt.Sprintf("command %q: its arguments and environment are too long", name)
	}
	return fmt.Sprintf("command %q: %v", name, errno)
}

// expandVars replaces $(NAME) by the variable's value and $$ by $, as
// Kubernetes does in commands, arguments and values. What is not defined stays
// as it is.
func expandVars(text string, value func(string) (string, bool)) string {
	if !strings.Contains(text, "$") {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '$' || i+1 == len(text) {
			b.WriteByte(text[i])
			continue
		}
		if text[i+1] == '$' {
			b.WriteByte('$')
			i++
			continue
		}
		if end := strings.IndexByte(text[i:], ')'); text[i+1] == '(' && end > 0 {
			if v, ok := value(text[i+2 : i+end]); ok {
				b.WriteString(v)
				i += end
				continue
			}
		}
		b.WriteByte('$')
	}
	return b.String()
}

// environment is what the command gets: pawl's own variables, then the
// manifest's, of which a later one wins and may use earlier ones as $(NAME).
// lookup finds the manifest's, for arguments.
func (s *stage) environment(pathVar, tmp string, gpus []int) (env []string, lookup func(string) (string, bool)) {
	values := map[string]string{}
	var order []string
	set := func(name, value string) {
		if _, ok := values[name]; !ok {
			order = append(order, name)
		}
		values[name] = value
	}
	k := s.spec.Key
	set("PATH", pathVar)
	set("HOME", s.home)
	set("TMPDIR", tmp)
	set("PAWL_RUN", k.Run)
	set("PAWL_WORKFLOW", s.spec.Workflow)
	set("PAWL_NAMESPACE", s.spec.Namespace)
	set("PAWL_TEMPLATE", s.spec.Template)
	set("PAWL_NODE", k.Node)
	set("PAWL_ATTEMPT", fmt.Sprint(k.Attempt))
	if len(gpus) > 0 {
		list := strings.Trim(strings.ReplaceAll(fmt.Sprint(gpus), " ", ","), "[]")
		set("CUDA_VISIBLE_DEVICES", list)
		set("NVIDIA_VISIBLE_DEVICES", list)
	}
	manifest := map[string]string{}
	lookup = func(name string) (string, bool) {
		v, ok := manifest[name]
		return v, ok
	}
	for _, v := range s.spec.Env {
		value := s.expand(expandVars(v.Value, lookup))
		manifest[v.Name] = value
		set(v.Name, value)
	}
	for _, name := range order {
		env = append(env, name+"="+values[name])
	}
	return env, lookup
}
