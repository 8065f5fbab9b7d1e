package api

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Position is where the field at path is written, such as
// "spec.templates[2].container.image" or `metadata.annotations["a.b/c"]`. A
// field that is not written is where its deepest written ancestor is. The cost
// grows with the depth of the path alone.
func (o *Object) Position(path string) Position {
	pos := o.Origin
	node := o.node
	for _, step := range splitPath(path) {
		key, value := child(node, step)
		if value == nil {
			break
		}
		pos.Line = key.Line
		node = value
	}
	return pos
}

// step is one element of a path: a key of a mapping or an index of a list.
type step struct {
	key   string
	index int // -1 for a key
}

// child is the node that holds the name (or, in a list, the entry itself) and
// the node of the value; nil when there is none.
func child(node *yaml.Node, s step) (key, value *yaml.Node) {
	node = follow(node)
	switch {
	case node == nil:
		return nil, nil
	case s.index >= 0:
		if node.Kind != yaml.SequenceNode || s.index >= len(node.Content) {
			return nil, nil
		}
		return node.Content[s.index], node.Content[s.index]
	case node.Kind != yaml.MappingNode:
		return nil, nil
	}
	return childByKey(node, s.key, 0)
}

// childByKey looks a key up, in merged mappings last. Merges nest, and a
// malicious document may make them nest in themselves, hence the limit.
func childByKey(node *yaml.Node, name string, merges int) (key, value *yaml.Node) {
	for i := 0; i+1 < len(node.Content); i += 2 {
		if k := node.Content[i]; k.Value == name && !isMerge(k) {
			return k, node.Content[i+1]
		}
	}
	if merges >= maxMerges {
		return nil, nil
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if !isMerge(node.Content[i]) {
			continue
		}
		for _, source := range mergeSources(node.Content[i+1]) {
			if source.Kind != yaml.MappingNode {
				continue
			}
			if k, v := childByKey(source, name, merges+1); v != nil {
				return k, v
			}
		}
	}
	return nil, nil
}

const maxMerges = 4

// splitPath cuts "a.b[2][\"c.d\"]" into its steps. What it does not understand
// ends the path: a position is a courtesy, never a reason to fail.
func splitPath(path string) []step {
	var steps []step
	for path != "" {
		switch {
		case path[0] == '.':
			path = path[1:]
		case strings.HasPrefix(path, `["`):
			quoted, err := strconv.QuotedPrefix(path[1:])
			if err != nil {
				return steps
			}
			key, _ := strconv.Unquote(quoted)
			steps = append(steps, step{key: key, index: -1})
			path = strings.TrimPrefix(path[1+len(quoted):], "]")
		case path[0] == '[':
			digits, rest, _ := strings.Cut(path[1:], "]")
			n, err := strconv.Atoi(digits)
			if err != nil || n < 0 {
				return steps
			}
			steps = append(steps, step{index: n})
			path = rest
		default:
			end := strings.IndexAny(path, ".[")
			if end < 0 {
				end = len(path)
			}
			steps = append(steps, step{key: path[:end], index: -1})
			path = path[end:]
		}
	}
	return steps
}

// JoinPath is the path of a key below a path; keys that would read wrongly
// between dots are quoted: metadata.annotations["pawl.dev/code"].
func JoinPath(path, key string) string {
	plain := key != ""
	for _, r := range key {
		if !(r == '-' || r == '_' || r == '$' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z') {
			plain = false
			break
		}
	}
	switch {
	case !plain:
		return path + "[" + strconv.Quote(key) + "]"
	case path == "":
		return key
	}
	return path + "." + key
}

// IndexPath is the path of an entry of the list at a path.
func IndexPath(path string, index int) string {
	return path + "[" + strconv.Itoa(index) + "]"
}
