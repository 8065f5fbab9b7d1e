package render

import (
	"path"
	"regexp"
	"strings"
	"unicode"
)

var (
	// remoteHost matches what kustomize's git cloner takes for a host: user@host
	// and host: before the first slash, and GitHub's name without either.
	remoteHost = regexp.MustCompile(`(?i)^([^/]*[@:]|(www\.)?github\.com/|gh:)`)
	gitMarker  = regexp.MustCompile(`(?i)(\?|::|://|//|_git/)`)
)

// pathFault says why kustomize must not see a path, before anything is looked
// up: it takes many forms for addresses, and gives them to git.
func pathFault(p string) error {
	const local = "copy it into the repository and write its path relative to this file"
	switch {
	case p == "":
		return refuse("", "is empty")
	case strings.ContainsFunc(p, unicode.IsControl) || strings.Contains(p, `\`):
		return refuse("", "holds characters that no path should have")
	case remoteHost.MatchString(p) || gitMarker.MatchString(p):
		return refuse(local, "is remote: nothing is fetched while rendering")
	case strings.HasPrefix(p, "-"):
		return refuse("write ./"+p, "begins with '-', which a command would take for an option")
	case path.IsAbs(p):
		return refuse(local, "is absolute")
	}
	for _, part := range strings.Split(p, "/") {
		if part != ".." && strings.Contains(part, "..") {
			return refuse("look at the indentation around it", "holds \"..\" within a name")
		}
	}
	return nil
}
