package plan

import (
	"strings"

	"github.com/pawl-dev/pawl/api"
)

// place is a field of one of the manifests a plan is compiled from.
type place struct {
	object *api.Object
	path   string
}

func (p place) field(name string) place {
	return place{p.object, api.JoinPath(p.path, name)}
}

// below appends a path of plain names, such as "valueFrom.path".
func (p place) below(path string) place {
	for _, name := range strings.Split(path, ".") {
		p = p.field(name)
	}
	return p
}

func (p place) index(i int) place { return place{p.object, api.IndexPath(p.path, i)} }

func (p place) position() api.Position {
	if p.object == nil {
		return api.Position{}
	}
	return p.object.Position(p.path)
}

// last is the last name of the path, without indexes.
func (p place) last() string {
	s := strings.TrimRight(p.path, "]0123456789[")
	return s[strings.LastIndexByte(s, '.')+1:]
}
