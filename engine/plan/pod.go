package plan

import (
	"fmt"
	"path"
	"sort"
	"strconv"
	"strings"
	"time"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
	corev1 "k8s.io/api/core/v1"

	"github.com/pawl-dev/pawl/engine/attempt"
)

// Pod is what a container or script template runs, with its tags.
type Pod struct {
	Image      *Text
	Command    []*Text
	Args       []*Text
	Source     *Text // of a script; nil for a container
	Env        []EnvVar
	WorkingDir *Text
	Mounts     []Mount
	Resources  attempt.Resources
}

// EnvVar is one variable.
type EnvVar struct {
	Name  string
	Value *Text
}

// Mount is one volume mount.
type Mount struct {
	Volume        string
	Path, SubPath *Text
	ReadOnly      bool
	Shared        bool
	Files         map[string]string
}

// pod compiles the container of a container or script template.
func (c *compiler) pod(t *Template, w *wfv1.Template, at place) {
	var ctr *corev1.Container
	where := at.field("container")
	if w.Container != nil {
		ctr = w.Container
	} else {
		ctr, where = &w.Script.Container, at.field("script")
	}
	s := scope{at: at, kind: "template", template: t}
	p := &Pod{
		Image:      c.text(s, ctr.Image, where.field("image")),
		WorkingDir: c.path(s, ctr.WorkingDir, where.field("workingDir")),
		Command:    c.textList(s, ctr.Command, where.field("command")),
		Args:       c.textList(s, ctr.Args, where.field("args")),
	}
	if w.Script != nil {
		p.Source = c.text(s, w.Script.Source, where.field("source"))
	}
	if ctr.Image == "" {
		c.problem(where, where.last()+".image may not be empty", "name an image; a local executor does not use it")
	}
	p.Env = c.environment(s, ctr, where)
	p.Resources = c.resources(ctr.Resources, where.field("resources"))
	p.Mounts = c.mounts(s, ctr.VolumeMounts, c.compileVolumes(w.Volumes, at.field("volumes")), where.field("volumeMounts"))
	t.Pod = p
}

func (c *compiler) textList(s scope, list []string, at place) []*Text {
	var texts []*Text
	for i, source := range list {
		texts = append(texts, c.text(s, source, at.index(i)))
	}
	return texts
}

// environment joins envFrom and env; a later variable wins over an earlier one.
func (c *compiler) environment(s scope, ctr *corev1.Container, at place) []EnvVar {
	var env []EnvVar
	for i, from := range ctr.EnvFrom {
		at := at.field("envFrom").index(i)
		if from.ConfigMapRef == nil {
			continue // refused by the table of fields
		}
		cm := c.configMap(from.ConfigMapRef.Name)
		if cm == nil {
			if from.ConfigMapRef.Optional == nil || !*from.ConfigMapRef.Optional {
				c.problem(at.below("configMapRef.name"), fmt.Sprintf("names ConfigMap %s which is not defined", from.ConfigMapRef.Name),
					meant(from.ConfigMapRef.Name, c.known("ConfigMap"), "give its manifest too"))
			}
			continue
		}
		for _, k := range sortedKeys(cm.Data) {
			env = append(env, EnvVar{from.Prefix + k, literal(cm.Data[k])})
		}
	}
	for i, e := range ctr.Env {
		at := at.field("env").index(i)
		if e.Name == "" {
			c.errorf(at, "a variable needs a name")
		}
		if e.ValueFrom == nil {
			env = append(env, EnvVar{e.Name, c.text(s, e.Value, at.field("value"))})
			continue
		}
		if ref := e.ValueFrom.ConfigMapKeyRef; ref != nil {
			at := at.below("valueFrom.configMapKeyRef")
			name, key := c.globalText(ref.Name, at.field("name")), c.globalText(ref.Key, at.field("key"))
			if value, ok := c.configMapKey(name, key, at, ref.Optional != nil && *ref.Optional); ok {
				env = append(env, EnvVar{e.Name, literal(value)})
			}
		}
	}
	return env
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

const gpu = "nvidia.com/gpu"

// resources reads what the container asks of the machine.
func (c *compiler) resources(r corev1.ResourceRequirements, at place) attempt.Resources {
	var out attempt.Resources
	for _, list := range []struct {
		name string
		of   corev1.ResourceList
	}{{"limits", r.Limits}, {"requests", r.Requests}} {
		names := make([]string, 0, len(list.of))
		for n := range list.of {
			names = append(names, string(n))
		}
		sort.Strings(names)
		for _, name := range names {
			q := list.of[corev1.ResourceName(name)]
			switch name {
			case "cpu":
				out.MilliCPU = q.MilliValue() // requests come last and win
			case "memory":
				out.Memory = q.Value()
				if list.name == "limits" {
					out.MemoryLimit = q.Value()
				}
			case gpu:
				out.GPUs = max(out.GPUs, q.Value())
			default:
				c.unused(at.field(list.name).field(name))
			}
		}
	}
	return out
}

type volume struct {
	name   string
	shared bool
	files  map[string]string
}

func (c *compiler) compileVolumes(list []corev1.Volume, at place) []volume {
	var volumes []volume
	for i, v := range list {
		at := at.index(i)
		vol := volume{name: v.Name}
		switch {
		case v.ConfigMap != nil:
			vol.files = c.configMapFiles(v.ConfigMap, at.field("configMap"))
		case v.EmptyDir == nil && v.VolumeSource == (corev1.VolumeSource{}):
			// no source is an emptyDir, as in Kubernetes
		}
		volumes = append(volumes, vol)
	}
	return volumes
}

func (c *compiler) configMapFiles(src *corev1.ConfigMapVolumeSource, at place) map[string]string {
	files := map[string]string{}
	name := c.globalText(src.Name, at.field("name"))
	optional := src.Optional != nil && *src.Optional
	cm := c.configMap(name)
	if cm == nil {
		if !optional {
			c.problem(at.field("name"), fmt.Sprintf("names ConfigMap %s which is not defined", name), meant(name, c.known("ConfigMap"), "give its manifest too"))
		}
		return files
	}
	if len(src.Items) == 0 {
		copyInto(files, cm.Data)
		for k, v := range cm.BinaryData {
			files[k] = string(v)
		}
		return files
	}
	for i, item := range src.Items {
		at := at.field("items").index(i)
		clean := path.Clean(item.Path)
		if item.Path == "" || path.IsAbs(item.Path) || clean == ".." || strings.HasPrefix(clean, "../") {
			c.errorf(at.field("path"), "%q must be a path below the volume", item.Path)
			continue
		}
		if value, ok := c.configMapKey(name, item.Key, at.field("key"), optional); ok {
			files[clean] = value
		}
	}
	return files
}

// compileClaims adds volumeClaimTemplates: one folder a run.
func (c *compiler) compileClaims() {
	for _, claim := range c.spec.VolumeClaimTemplates {
		c.volumes = append(c.volumes, volume{name: claim.Name, shared: true})
	}
}

func (c *compiler) mounts(s scope, list []corev1.VolumeMount, own []volume, at place) []Mount {
	var mounts []Mount
	seen := map[string]bool{}
	for i, m := range list {
		at := at.index(i)
		v := findVolume(own, m.Name)
		if v == nil {
			v = findVolume(c.volumes, m.Name)
		}
		if v == nil {
			var known []string
			for _, x := range append(append([]volume(nil), own...), c.volumes...) {
				known = append(known, x.name)
			}
			c.problem(at.field("name"), fmt.Sprintf("volume '%s' not found in workflow spec", m.Name), meant(m.Name, known, "define it under spec.volumes"))
			continue
		}
		if seen[m.MountPath] {
			c.errorf(at.field("mountPath"), "mountPath '%s' is already mounted", m.MountPath)
		}
		seen[m.MountPath] = true
		mounts = append(mounts, Mount{Volume: m.Name, ReadOnly: m.ReadOnly, Shared: v.shared, Files: v.files,
			Path: c.path(s, m.MountPath, at.field("mountPath")), SubPath: c.path(s, m.SubPath, at.field("subPath"))})
	}
	return mounts
}

func findVolume(volumes []volume, name string) *volume {
	for i := range volumes {
		if volumes[i].name == name {
			return &volumes[i]
		}
	}
	return nil
}

// PathToken is the value of the template's own path tags:
// inputs.artifacts.X.path, outputs.artifacts.X.path, outputs.parameters.X.path.
func (t *Template) PathToken(name string) (string, bool) {
	field, ok := strings.CutSuffix(name, ".path")
	if !ok || !t.IsPod() {
		return "", false
	}
	if x, ok := strings.CutPrefix(field, "inputs.artifacts."); ok && artifactIndex(t, x) >= 0 {
		return attempt.PathToken(attempt.InputArtifactPath, x), true
	}
	if x, ok := strings.CutPrefix(field, "outputs.artifacts."); ok {
		return attempt.PathToken(attempt.OutputArtifactPath, x), true
	}
	if x, ok := strings.CutPrefix(field, "outputs.parameters."); ok {
		return attempt.PathToken(attempt.OutputParameterPath, x), true
	}
	return "", false
}

// Fill renders everything of the template into the spec but its input
// artifacts, which only the scheduler knows.
func (t *Template) Fill(s *attempt.Spec, env Env) error {
	r := renderer{env: env}
	p := t.Pod
	s.Template = t.Name
	s.Image, s.WorkingDir = r.text("image", p.Image), r.text("workingDir", p.WorkingDir)
	s.Command, s.Args = r.list("command", p.Command), r.list("args", p.Args)
	if p.Source != nil {
		source := r.text("source", p.Source)
		s.Script = &source
	}
	for _, e := range p.Env {
		s.Env = append(s.Env, attempt.EnvVar{Name: e.Name, Value: r.text("env "+e.Name, e.Value)})
	}
	for _, m := range p.Mounts {
		s.Mounts = append(s.Mounts, attempt.Mount{Volume: m.Volume, Path: r.text("mountPath", m.Path), SubPath: r.text("subPath", m.SubPath),
			ReadOnly: m.ReadOnly, Shared: m.Shared, Files: m.Files})
	}
	for i := range t.OutputArtifacts {
		a := &t.OutputArtifacts[i]
		s.Outputs = append(s.Outputs, attempt.OutputArtifact{Name: a.Name, Path: r.text("outputs.artifacts."+a.Name, &a.Path), Optional: a.Optional})
	}
	for _, o := range t.OutputParameters {
		if o.Path == nil {
			continue // the manifest gives the value
		}
		out := attempt.OutputParameter{Name: o.Name, Path: r.text("outputs.parameters."+o.Name, o.Path)}
		if o.Default != nil {
			fallback := r.text("outputs.parameters."+o.Name, o.Default)
			out.Default = &fallback
		}
		s.OutputParameters = append(s.OutputParameters, out)
	}
	s.Resources = p.Resources
	s.MaxRun = r.seconds("activeDeadlineSeconds", t.MaxRun)
	if t.Timeout != nil {
		s.MaxRun = 0 // timeout replaces it, as in Argo
	}
	return r.err
}

// renderer renders one text after another and keeps the first error.
type renderer struct {
	env Env
	err error
}

func (r *renderer) text(field string, t *Text) string {
	if t == nil {
		return ""
	}
	s, err := t.Render(r.env)
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("%s: %w", field, err)
	}
	return s
}

func (r *renderer) list(field string, list []*Text) []string {
	var out []string
	for i, t := range list {
		out = append(out, r.text(field+"["+strconv.Itoa(i)+"]", t))
	}
	return out
}

func (r *renderer) seconds(field string, t *Text) time.Duration {
	if t == nil {
		return 0
	}
	s := r.text(field, t)
	d, err := ParseDuration(s)
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("%s: %q is not a number of seconds", field, s)
	}
	return d
}
