package render

import (
	"path"
	"regexp"
	"strings"

	"github.com/pawl-dev/pawl/api"
	"github.com/pawl-dev/pawl/render/worker"
)

var (
	// recursed names the folder in which kustomize was when it failed.
	recursed = regexp.MustCompile(`recursed (?:accumulation|merging) (?:of|from) path '([^']*)': `)
	// asFile is how a path failed that was then tried as a folder, and is none.
	asFile = regexp.MustCompile(`accumulation err='(.*)': must build at directory: '[^']*': file is not directory`)
	// asFolder is what kustomize says of a folder that it first tried as a file.
	asFolder = regexp.MustCompile(`accumulation err='.*?(?:must resolve to a file|from non-file '[^']*')': `)
	noise    = regexp.MustCompile(`accumulating (?:resources|components)(?: from '[^']*')?: |accumulateDirectory: `)
	// config is the whole of what a transformer was given, secrets included.
	config    = regexp.MustCompile("trouble configuring builtin [A-Za-z]+ with config: `[^`]*`: ")
	patchText = regexp.MustCompile(`from \[patch: .*\]`)
	generator = regexp.MustCompile(`merging from generator &\{[^}]*\}: `)
	goID      = regexp.MustCompile(`resid\.ResId\{.*?Kind:"([^"]*)".*?Name:"([^"]*)", Namespace:"[^"]*"\}`)
	// objectID is kustomize's way to write an object: Kind.version.group/name.namespace.
	objectID = regexp.MustCompile(`([A-Za-z]+)\.(?:\[noVer\]|v[0-9][a-z0-9]*)\.(?:\[noGrp\]|[a-z0-9.-]+)/([a-z0-9.-]+)\.(\[noNs\]|[a-z0-9-]+)`)
)

// maxMessage cuts what kustomize says: at its end it may print whole objects.
const maxMessage = 500

// explain puts kustomize's message into a problem: the innermost kustomization
// it was in, and the message without the way there.
func (s *scan) explain(dir, message string) api.Problem {
	at := path.Join(worker.Root, dir)
	for _, m := range recursed.FindAllStringSubmatch(message, -1) {
		at = m[1]
	}
	p := api.Problem{Severity: api.SeverityError, Position: api.Position{File: relative(at)}}
	if f := s.folders[relative(at)]; f != nil {
		p.Position = f.doc.Origin
	}
	message = strings.Join(strings.Fields(message), " ")
	message = recursed.ReplaceAllString(message, "")
	message = asFile.ReplaceAllString(message, "$1")
	message = asFolder.ReplaceAllString(message, "")
	message = noise.ReplaceAllString(message, "")
	message = config.ReplaceAllString(message, "")
	message = patchText.ReplaceAllString(message, "from its text")
	message = generator.ReplaceAllString(message, "")
	message = goID.ReplaceAllString(message, "$1 $2")
	message = objectID.ReplaceAllStringFunc(message, objectWords)
	message = strings.ReplaceAll(message, worker.Root+"/", "")
	message = strings.ReplaceAll(message, worker.Root, ".")
	if len(message) > maxMessage {
		message = strings.ToValidUTF8(message[:maxMessage], "") + " …"
	}
	p.Message = "kustomize: " + message
	return p
}

func objectWords(id string) string {
	m := objectID.FindStringSubmatch(id)
	if m[3] == "[noNs]" {
		return m[1] + " " + m[2]
	}
	return m[1] + " " + m[2] + " of namespace " + m[3]
}

func relative(name string) string {
	rel := strings.TrimPrefix(strings.TrimPrefix(name, worker.Root), "/")
	if rel == "" {
		return "."
	}
	return rel
}
