package api

import (
	"encoding/base64"
	"fmt"
	"math"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Limits on what a document may hold. An alias costs what it stands for, so a
// few hundred bytes of aliases of aliases cannot grow to gigabytes.
const (
	maxDepth    = 200
	maxExpanded = 100_000 // values that come from aliases, a file
)

// converter turns nodes into values of JSON's types, as kubectl does: YAML 1.1
// words such as yes and on are bools, times are strings.
type converter struct {
	report   func(line int, path, message, hint string)
	expanded int
	inAlias  int
	open     map[*yaml.Node]bool // anchors being expanded
	refused  bool                // a limit was met and said
}

func newConverter(report func(line int, path, message, hint string)) *converter {
	return &converter{report: report, open: map[*yaml.Node]bool{}}
}

func (c *converter) value(n *yaml.Node, path string, depth int) any {
	if c.refused {
		return nil
	}
	if depth > maxDepth {
		c.refuse(n, path, fmt.Sprintf("nested deeper than %d levels", maxDepth))
		return nil
	}
	if c.inAlias > 0 {
		if c.expanded++; c.expanded > maxExpanded {
			c.refuse(n, path, fmt.Sprintf("the aliases of this file stand for more than %d values", maxExpanded))
			return nil
		}
	}
	switch n.Kind {
	case yaml.AliasNode:
		return c.alias(n, path, depth)
	case yaml.MappingNode:
		return c.mapping(n, path, depth)
	case yaml.SequenceNode:
		list := make([]any, 0, len(n.Content))
		for i, item := range n.Content {
			list = append(list, c.value(item, IndexPath(path, i), depth+1))
		}
		return list
	case yaml.ScalarNode:
		v, err := scalar(n)
		if err != nil {
			c.report(n.Line, path, err.Error(), "")
		}
		return v
	}
	return nil
}

// refuse says once that a limit was met; the rest of the file is left.
func (c *converter) refuse(n *yaml.Node, path, message string) {
	c.refused = true
	c.report(n.Line, path, message, "write it out, or in smaller files")
}

func (c *converter) alias(n *yaml.Node, path string, depth int) any {
	target := n.Alias
	if target == nil || c.open[target] {
		c.refuse(n, path, "the alias *"+n.Value+" stands for something that holds the alias itself")
		return nil
	}
	c.open[target] = true
	c.inAlias++
	v := c.value(target, path, depth+1)
	c.inAlias--
	delete(c.open, target)
	return v
}

func (c *converter) mapping(n *yaml.Node, path string, depth int) map[string]any {
	m := make(map[string]any, len(n.Content)/2)
	lines := make(map[string]int, len(n.Content)/2)
	var merges []*yaml.Node
	for i := 0; i+1 < len(n.Content) && !c.refused; i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if isMerge(key) {
			merges = append(merges, value)
			continue
		}
		key = follow(key)
		if key == nil || key.Kind != yaml.ScalarNode {
			c.report(n.Content[i].Line, path, "a key must be a word, not a list or map", "")
			continue
		}
		below := JoinPath(path, key.Value)
		if first, twice := lines[key.Value]; twice {
			c.report(n.Content[i].Line, below, fmt.Sprintf("given twice, first in line %d", first), "remove one")
			continue
		}
		lines[key.Value] = n.Content[i].Line
		m[key.Value] = c.value(value, below, depth+1)
	}
	for _, merge := range merges {
		c.merge(m, merge, path, depth)
	}
	return m
}

// merge adds what "<<" brings and m lacks.
func (c *converter) merge(m map[string]any, source *yaml.Node, path string, depth int) {
	var sources []any
	switch v := c.value(source, path, depth+1).(type) {
	case map[string]any:
		sources = []any{v}
	case []any:
		sources = v
	}
	if len(sources) == 0 && !c.refused {
		c.report(source.Line, path, "<< must name a map or a list of maps", "")
	}
	for _, s := range sources {
		from, ok := s.(map[string]any)
		if !ok {
			c.report(source.Line, path, "<< must name a map or a list of maps", "")
			return
		}
		for k, v := range from {
			if _, has := m[k]; !has {
				m[k] = v
			}
		}
	}
}

func isMerge(key *yaml.Node) bool {
	return key.Kind == yaml.ScalarNode && key.Value == "<<" && (key.Tag == "!!merge" || key.Tag == "") && key.Style == 0
}

func mergeSources(n *yaml.Node) []*yaml.Node {
	n = follow(n)
	switch {
	case n == nil:
		return nil
	case n.Kind != yaml.SequenceNode:
		return []*yaml.Node{n}
	}
	var sources []*yaml.Node
	for _, item := range n.Content {
		if item = follow(item); item != nil {
			sources = append(sources, item)
		}
	}
	return sources
}

// follow is the node that an alias stands for. The parser lets an alias name
// nothing but an anchored node, so one step is enough.
func follow(n *yaml.Node) *yaml.Node {
	if n != nil && n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func scalar(n *yaml.Node) (any, error) {
	switch n.ShortTag() {
	case "!!null":
		return nil, nil
	case "!!bool":
		var b bool
		if err := n.Decode(&b); err != nil {
			return nil, fmt.Errorf("%q is not a bool", n.Value)
		}
		return b, nil
	case "!!int":
		return integer(n)
	case "!!float":
		var f float64
		if err := n.Decode(&f); err != nil {
			return nil, fmt.Errorf("%q is not a number", n.Value)
		}
		if math.IsInf(f, 0) || math.IsNaN(f) {
			return nil, fmt.Errorf("%s is not a number that a manifest can hold; quote it if text is meant", n.Value)
		}
		return f, nil
	case "!!binary":
		data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(n.Value), ""))
		if err != nil {
			return nil, fmt.Errorf("!!binary is not base64: %w", err)
		}
		return string(data), nil
	}
	if n.Style == 0 && n.Tag == "!!str" {
		if b, is := oldBool(n.Value); is {
			return b, nil
		}
	}
	return n.Value, nil
}

func integer(n *yaml.Node) (any, error) {
	var i int64
	if err := n.Decode(&i); err == nil {
		return i, nil
	}
	f, err := strconv.ParseFloat(strings.ReplaceAll(n.Value, "_", ""), 64)
	if err != nil || math.IsInf(f, 0) {
		return nil, fmt.Errorf("%q is not a number", n.Value)
	}
	return f, nil
}

// oldBool knows the bools of YAML 1.1, which Kubernetes' tools still read.
func oldBool(word string) (value, is bool) {
	switch word {
	case "y", "Y", "yes", "Yes", "YES", "on", "On", "ON":
		return true, true
	case "n", "N", "no", "No", "NO", "off", "Off", "OFF":
		return false, true
	}
	return false, false
}
