package gitsync

import (
	"slices"
	"strings"
)

// refs is what a repository says of its references: all it takes to resolve a
// Revision without looking at it again.
type refs struct {
	head   string            // the branch HEAD names (full reference), "" when detached or unknown
	detach string            // the commit of a detached HEAD
	hashes map[string]string // full reference -> object
	peeled map[string]string // annotated tag -> commit
}

// pick resolves what the user wrote against the references of a repository.
func (r refs) pick(src Source) (Revision, error) {
	want := src.Revision
	switch {
	case want == "" || want == "HEAD":
		return r.pickHead(src)
	case hexWhole.MatchString(want):
		return Revision{Commit: want}, nil
	}
	candidates := []string{"refs/heads/" + want, "refs/tags/" + want}
	if strings.HasPrefix(want, "refs/") {
		candidates = []string{want}
	}
	for _, name := range candidates {
		if hash, ok := r.hashes[name]; ok {
			if commit, ok := r.peeled[name]; ok {
				hash = commit
			}
			return Revision{Commit: hash, Ref: name}, nil
		}
	}
	if len(r.hashes) == 0 {
		return Revision{}, emptyError(src)
	}
	return Revision{}, r.missing(src)
}

func (r refs) pickHead(src Source) (Revision, error) {
	if hash, ok := r.hashes[r.head]; ok {
		return Revision{Commit: hash, Ref: r.head}, nil
	}
	if r.detach != "" {
		return Revision{Commit: r.detach}, nil
	}
	if len(r.hashes) == 0 {
		return Revision{}, emptyError(src)
	}
	detail := "its HEAD names no branch"
	if r.head != "" {
		detail = "its HEAD names the branch " + shortRef(r.head) + ", which does not exist"
	}
	return Revision{}, &SourceError{URL: redact(src.URL), Reason: ErrNoRevision, Detail: detail,
		Hint: "name a branch; there is " + listed(r.names("refs/heads/"))}
}

func emptyError(src Source) error {
	return &SourceError{URL: redact(src.URL), Reason: ErrEmpty, Hint: "push a commit to it"}
}

func (r refs) missing(src Source) error {
	e := &SourceError{URL: redact(src.URL), Reason: ErrNoRevision, Detail: "no branch or tag " + src.Revision}
	if strings.HasPrefix(src.Revision, "refs/") {
		e.Detail = "no reference " + src.Revision
	}
	names := slices.Concat(r.names("refs/heads/"), r.names("refs/tags/"))
	if near := nearest(src.Revision, names, 3); len(near) > 0 {
		e.Hint = "nearest: " + strings.Join(near, ", ")
	} else {
		e.Hint = "there is " + listed(names)
	}
	if hexShort.MatchString(src.Revision) {
		e.Hint = "a commit is written with all its 40 characters; " + e.Hint
	}
	return e
}

// names lists references below a prefix, without it, in order.
func (r refs) names(prefix string) []string {
	var names []string
	for name := range r.hashes {
		if short, ok := strings.CutPrefix(name, prefix); ok {
			names = append(names, short)
		}
	}
	slices.Sort(names)
	return names
}

func listed(names []string) string {
	const most = 5
	switch {
	case len(names) == 0:
		return "no branch"
	case len(names) > most:
		return strings.Join(names[:most], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}

func shortRef(ref string) string {
	for _, prefix := range []string{"refs/heads/", "refs/tags/"} {
		if short, ok := strings.CutPrefix(ref, prefix); ok {
			return short
		}
	}
	return ref
}

// nearest are the names that the wanted one may be a slip of, best first.
func nearest(want string, names []string, most int) []string {
	type scored struct {
		name string
		cost int
	}
	var near []scored
	for _, name := range names {
		cost := distance(strings.ToLower(want), strings.ToLower(name))
		if cost <= max(2, len(want)/3) || strings.HasSuffix(name, "/"+want) {
			near = append(near, scored{name, cost})
		}
	}
	slices.SortStableFunc(near, func(a, b scored) int { return a.cost - b.cost })
	var out []string
	for _, s := range near[:min(most, len(near))] {
		out = append(out, s.name)
	}
	return out
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
