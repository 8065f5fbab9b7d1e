package process

import (
	"fmt"
	"path"
	"runtime"
	"strings"

	"github.com/pawl-dev/pawl/engine/attempt"
	"github.com/pawl-dev/pawl/engine/executor"
)

// Check implements executor.Checker.
func (e *Executor) Check(s attempt.Spec) (refusals []executor.Refusal, notes []string) {
	if _, why := commandLine(&s, e.opts.Images); why != "" {
		refusals = append(refusals, executor.Refusal{
			Path: "container.command", Why: why,
			Hint: fmt.Sprintf("add a command, or say what stands in for the image: --process-image '%s=COMMAND'", s.Image),
		})
	}
	if have := int64(e.opts.GPUs); s.Resources.GPUs > have {
		refusals = append(refusals, executor.Refusal{
			Path: "container.resources",
			Why:  fmt.Sprintf("asks for %d nvidia.com/gpu, this machine declares %d (--gpus)", s.Resources.GPUs, have),
			Hint: fmt.Sprintf("run it with --gpus %d if the machine has them", s.Resources.GPUs),
		})
	}
	if !e.isolated {
		refusals = append(refusals, absolutePaths(&s)...)
	}
	if s.Image != "" {
		notes = append(notes, "images are not used by the process executor: commands are this machine's own")
	}
	if cores := int64(e.opts.Cores) * 1000; s.Resources.MilliCPU > cores {
		notes = append(notes, fmt.Sprintf("template %s asks for %dm of CPU, this machine has %dm: it runs alone", s.Template, s.Resources.MilliCPU, cores))
	}
	if s.Resources.Memory > e.opts.Memory {
		notes = append(notes, fmt.Sprintf("template %s asks for %d bytes of memory, this machine has %d: it runs alone", s.Template, s.Resources.Memory, e.opts.Memory))
	}
	if s.Resources.MemoryLimit > 0 && e.features.Memory == "" {
		notes = append(notes, e.weakMemoryLimit())
	}
	return refusals, notes
}

func (e *Executor) weakMemoryLimit() string {
	if runtime.GOOS == "linux" {
		return "memory limits hold for each process of a step (RLIMIT_DATA) and not for all together: no cgroup that limits memory can be made here"
	}
	return "memory limits are not kept on " + runtime.GOOS
}

// absolutePaths are the paths that only a private root can make real.
func absolutePaths(s *attempt.Spec) []executor.Refusal {
	const hint = "run it with --isolation namespaces, or use a relative path or the placeholder of the artifact or parameter"
	var refusals []executor.Refusal
	refuse := func(where, format string, args ...any) {
		refusals = append(refusals, executor.Refusal{Path: where, Why: fmt.Sprintf(format, args...) + ", and without isolation there is no such path for it alone", Hint: hint})
	}
	texts := append(append([]string{}, s.Command...), s.Args...)
	if s.Script != nil {
		texts = append(texts, *s.Script)
	}
	for _, v := range s.Env {
		texts = append(texts, v.Value)
	}
	all := strings.Join(texts, "\n")
	unreachable := func(kind attempt.PathKind, name, p string) bool {
		return path.IsAbs(p) && !strings.Contains(all, attempt.PathToken(kind, name))
	}
	if path.IsAbs(s.WorkingDir) {
		refuse("container.workingDir", "the working directory %s is absolute", s.WorkingDir)
	}
	for i, m := range s.Mounts {
		refuse(fmt.Sprintf("container.volumeMounts[%d].mountPath", i), "volume %s is mounted at %s", m.Volume, m.Path)
	}
	for i, a := range s.Inputs {
		if unreachable(attempt.InputArtifactPath, a.Name, a.Path) {
			refuse(fmt.Sprintf("inputs.artifacts[%d].path", i), "input artifact %s is at %s", a.Name, a.Path)
		}
	}
	for i, a := range s.Outputs {
		if unreachable(attempt.OutputArtifactPath, a.Name, a.Path) {
			refuse(fmt.Sprintf("outputs.artifacts[%d].path", i), "output artifact %s is at %s", a.Name, a.Path)
		}
	}
	for i, p := range s.OutputParameters {
		if unreachable(attempt.OutputParameterPath, p.Name, p.Path) {
			refuse(fmt.Sprintf("outputs.parameters[%d].valueFrom.path", i), "output parameter %s is at %s", p.Name, p.Path)
		}
	}
	return refusals
}
