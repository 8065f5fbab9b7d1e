package render

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"github.com/pawl-dev/pawl/api"
)

// fields goes through the fields of one kustomization that take paths, or that
// could execute or fetch. The form of the fields has been checked.
type fields struct {
	scan   *scan
	dir    string
	folder *folder
	depth  int
}

func (f *fields) all() {
	raw := f.folder.doc.Raw
	f.refusals(raw)
	for _, name := range []string{"resources", "bases"} {
		f.each(raw, name, f.resource)
	}
	f.each(raw, "components", f.component)
	for _, name := range []string{"crds", "configurations"} {
		f.each(raw, name, func(at, value string) string { return f.yaml(at, value) })
	}
	f.each(raw, "patchesStrategicMerge", func(at, value string) string {
		if isInline(value) {
			f.inline(at, value)
			return value
		}
		return f.yaml(at, value)
	})
	for _, name := range []string{"generators", "transformers", "validators"} {
		f.each(raw, name, f.plugin)
	}
	for _, name := range []string{"patches", "patchesJson6902", "replacements"} {
		f.entries(raw, name, func(at string, entry map[string]any) {
			f.within(entry, "path", at, f.yaml)
			if patch, ok := entry["patch"].(string); ok {
				f.patch(api.JoinPath(at, "patch"), patch)
			}
		})
	}
	for _, name := range []string{"configMapGenerator", "secretGenerator"} {
		f.entries(raw, name, f.generator)
	}
}

// refusals are fields that make kustomize execute or fetch something, or that
// change later builds.
func (f *fields) refusals(raw map[string]any) {
	const helm = "render the chart yourself and commit the result"
	for _, name := range []string{"helmCharts", "helmGlobals", "helmChartInflationGenerator"} {
		if raw[name] != nil {
			f.report(name, "charts are not rendered: helm would have to be executed", helm)
		}
	}
	if openapi, ok := raw["openapi"].(map[string]any); ok && openapi["path"] != nil {
		f.report("openapi.path", "schemas of one's own are not read: they would change other builds", "patch by JSON 6902 where lists must be merged")
	}
}

func (f *fields) report(field, message, hint string) {
	f.scan.report(place{doc: f.folder.doc, field: field}, message, hint)
}

// each rewrites each string of a list.
func (f *fields) each(raw map[string]any, name string, visit func(at, value string) string) {
	list, _ := raw[name].([]any)
	for i, item := range list {
		value, _ := item.(string)
		list[i] = visit(api.IndexPath(name, i), value)
	}
}

// within rewrites a string that may be there.
func (f *fields) within(entry map[string]any, name, at string, visit func(at, value string) string) {
	if value, ok := entry[name].(string); ok {
		entry[name] = visit(api.JoinPath(at, name), value)
	}
}

func (f *fields) entries(raw map[string]any, name string, visit func(at string, entry map[string]any)) {
	list, _ := raw[name].([]any)
	for i, item := range list {
		if entry, ok := item.(map[string]any); ok {
			visit(api.IndexPath(name, i), entry)
		}
	}
}

// follow looks a path up. It returns the resolved path, and the same relative
// to this kustomization, in a form that kustomize takes for nothing but a path.
func (f *fields) follow(at, value string) (resolved, relative string, info fs.FileInfo, ok bool) {
	here := place{doc: f.folder.doc, field: at}
	err := pathFault(value)
	if err == nil {
		resolved, info, err = f.scan.tree.resolve(path.Join(f.dir, value))
	}
	if err != nil {
		f.scan.refused(here, value, err)
		return "", value, nil, false
	}
	relative, err = filepath.Rel(f.dir, resolved)
	if err != nil {
		f.scan.refused(here, value, err)
		return "", value, nil, false
	}
	return resolved, "./" + filepath.ToSlash(relative), info, true
}

// file follows a path to a file and lays it down for kustomize.
func (f *fields) file(at, value string) (resolved, relative string, ok bool) {
	resolved, relative, info, ok := f.follow(at, value)
	if !ok {
		return "", value, false
	}
	here := place{doc: f.folder.doc, field: at}
	if info.IsDir() {
		f.scan.refused(here, value, refuse("", "is a folder, not a file"))
		return "", value, false
	}
	data, err := f.scan.tree.file(resolved)
	if err != nil {
		f.scan.refused(here, value, err)
		return "", value, false
	}
	f.scan.files[resolved] = data
	return resolved, relative, true
}

// parsed follows a path to a YAML file and parses it, which bounds its aliases.
func (f *fields) parsed(at, value string) (docs []*api.Object, relative string) {
	resolved, relative, ok := f.file(at, value)
	if !ok {
		return nil, value
	}
	docs, seen := f.scan.documents[resolved]
	if err := f.scan.tree.fewDocuments(f.scan.files[resolved]); err != nil {
		f.scan.refused(place{doc: f.folder.doc, field: at}, value, err)
		return nil, value
	}
	if !seen {
		var problems api.Problems
		docs, problems = api.Parse(resolved, f.scan.files[resolved])
		f.scan.problems = append(f.scan.problems, problems...)
		f.scan.documents[resolved] = docs
	}
	return docs, relative
}

func (f *fields) yaml(at, value string) string {
	_, relative := f.parsed(at, value)
	return relative
}

// resource is a file of manifests or a folder with a kustomization.
func (f *fields) resource(at, value string) string {
	resolved, relative, info, ok := f.follow(at, value)
	switch {
	case !ok:
		return value
	case info.IsDir():
		f.below(at, resolved, false)
		return relative
	}
	docs, relative := f.parsed(at, value)
	f.folder.objects += len(docs)
	known := true
	for _, doc := range docs {
		known = f.manifest(doc) && known
	}
	if !known {
		return relative
	}
	renamed, err := f.scan.named(docs)
	if err != nil {
		f.scan.refused(place{doc: f.folder.doc, field: at}, value, err)
	}
	if renamed != nil {
		// The file itself may be wanted as it is, by a generator.
		f.scan.files[resolved+namedSuffix] = renamed
		relative += namedSuffix
	}
	return relative
}

// manifest checks what kustomize needs to know an object.
func (f *fields) manifest(doc *api.Object) bool {
	const hint = "every manifest needs apiVersion, kind and metadata.name"
	field := ""
	switch {
	case doc.Raw == nil:
		f.scan.report(place{doc: doc}, "a manifest must be a map with apiVersion and kind", "")
		return false
	case doc.APIVersion == "":
		field = "apiVersion"
	case doc.Kind == "":
		field = "kind"
	case doc.Name == "" && doc.GenerateName == "":
		field = "metadata.name"
	default:
		return true
	}
	f.scan.report(place{doc: doc, field: field}, "missing", hint)
	return false
}

func (f *fields) component(at, value string) string {
	resolved, relative, info, ok := f.follow(at, value)
	if !ok {
		return value
	}
	if !info.IsDir() {
		f.report(at, fmt.Sprintf("%q is a file; a component is a folder", value), "")
		return value
	}
	f.below(at, resolved, true)
	return relative
}

// below scans a folder that this kustomization builds on.
func (f *fields) below(at, dir string, component bool) {
	here := place{doc: f.folder.doc, field: at}
	if dir == f.dir {
		f.report(at, "is this folder itself", "remove it")
		return
	}
	sub := f.scan.folder(dir, here, f.depth+1)
	if sub == nil {
		return
	}
	f.folder.uses = append(f.folder.uses, dir)
	f.folder.objects += sub.objects
	f.folder.visits += sub.visits
	// Beyond the limits it does not matter by how much; the sums must not overflow.
	f.folder.objects = min(f.folder.objects, 1<<30)
	f.folder.visits = min(f.folder.visits, 1<<30)
	if component != sub.component {
		kind, field := "a Component", "components"
		if component {
			kind, field = "no Component", "resources"
		}
		f.report(at, "the kustomization of "+shownFolder(dir)+" is "+kind, "list it under "+field)
	}
}

// generator is an entry of configMapGenerator or secretGenerator. What is wrong
// is said without the values: they may be secret.
func (f *fields) generator(at string, entry map[string]any) {
	f.folder.objects++
	list, _ := entry["files"].([]any)
	for i, item := range list {
		value, _ := item.(string)
		here := api.IndexPath(at+".files", i)
		key, file, keyed := strings.Cut(value, "=")
		if !keyed {
			key, file = path.Base(value), value
		}
		_, relative, ok := f.file(here, file)
		if ok {
			list[i] = key + "=" + relative
		}
	}
	plain := func(at, value string) string {
		_, relative, _ := f.file(at, value)
		return relative
	}
	envs, _ := entry["envs"].([]any)
	for i, item := range envs {
		value, _ := item.(string)
		envs[i] = plain(api.IndexPath(at+".envs", i), value)
	}
	f.within(entry, "env", at, plain)
	literals, _ := entry["literals"].([]any)
	for i, item := range literals {
		if value, _ := item.(string); strings.Index(value, "=") < 1 {
			f.report(api.IndexPath(at+".literals", i), "is not of the form key=value", "")
		}
	}
}

// plugin is an entry of generators, transformers or validators: kustomize's own
// ones, configured in a file or in place. They may take no paths.
func (f *fields) plugin(at, value string) string {
	if isInline(value) {
		for _, doc := range f.inline(at, value) {
			f.builtin(doc, place{doc: f.folder.doc, field: at}, at)
		}
		return value
	}
	_, _, info, ok := f.follow(at, value)
	if !ok {
		return value
	}
	if info.IsDir() {
		f.report(at, fmt.Sprintf("%q is a folder; its configurations could not be checked", value), "list its files")
		return value
	}
	docs, relative := f.parsed(at, value)
	for _, doc := range docs {
		f.builtin(doc, place{doc: doc}, at)
	}
	return relative
}

// builtin checks the configuration of a generator or transformer.
func (f *fields) builtin(doc *api.Object, at place, field string) {
	const hint = "use the fields of the kustomization"
	if doc.APIVersion != "builtin" || doc.Kind == "HelmChartInflationGenerator" {
		f.scan.report(at, fmt.Sprintf("%s of %s is not built in: plugins are not executed", doc.Kind, doc.APIVersion), hint)
		return
	}
	f.folder.objects++
	for _, name := range []string{"path", "paths", "files", "file", "env", "envs"} {
		if doc.Raw[name] != nil {
			f.scan.report(at, fmt.Sprintf("%s of a configuration under %s may name no files", name, strings.TrimRight(field, "0123456789[]")), hint)
		}
	}
	list, _ := doc.Raw["replacements"].([]any)
	for _, item := range list {
		if entry, ok := item.(map[string]any); ok && entry["path"] != nil {
			f.scan.report(at, "replacements of a configuration may name no files", hint)
		}
	}
	for name := range doc.Annotations {
		if strings.HasPrefix(name, "config.kubernetes.io/function") || strings.HasPrefix(name, "config.k8s.io/function") {
			f.scan.report(at, "functions are not executed", hint)
		}
	}
}

// patch is a patch in place. Kustomize takes one that begins with a bracket for
// JSON, and would print all of it, secrets included, when it is not.
func (f *fields) patch(at, value string) {
	f.inline(at, value)
	if trimmed := strings.TrimSpace(value); strings.HasPrefix(trimmed, "[") && !json.Valid([]byte(trimmed)) {
		f.report(at, "a patch that begins with [ must be JSON", "quote its keys and words, or write it as a YAML list of lines with '-'")
	}
}

// inline parses YAML that stands in a field, which bounds its aliases.
func (f *fields) inline(at, value string) []*api.Object {
	docs, problems := api.Parse("", []byte(value))
	for _, p := range problems {
		f.report(at, p.Message, p.Hint)
	}
	return docs
}

// isInline reports whether an entry that may be a path or a document is a
// document.
func isInline(value string) bool {
	docs, problems := api.Parse("", []byte(value))
	return problems.Err() != nil && strings.Contains(value, "\n") || len(docs) > 0 && docs[0].Raw != nil
}
