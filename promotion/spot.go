package promotion

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// storageURI is the key whose values are edited.
const storageURI = "storageUri"

// spot is a place in a file where an address stands that may be the one which
// the stage renders: the value of a key storageUri, or of a JSON patch's
// operation on one.
type spot struct {
	file  string
	line  int
	value string
	// start and end are the bytes of the scalar, quotes included.
	start, end int
	style      yaml.Style
	inFlow     bool
	// bare is an empty value (storageUri: with nothing after it): a space is
	// needed before what is written.
	bare bool
	// cannot is why the spot cannot be edited in place; empty when it can.
	cannot string
}

func (s spot) String() string { return fmt.Sprintf("%s:%d", s.file, s.line) }

// findSpots lists the spots of a YAML or JSON file, those in patches that stand
// within a kustomization as a block of text included.
func findSpots(file string, data []byte) ([]spot, error) {
	f := &finder{file: file, outer: data, place: identity(data)}
	if err := f.documents(data); err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	return f.spots, nil
}

// finder walks the nodes of one text.
type finder struct {
	file  string
	outer []byte // the whole file
	// place gives the offset within outer of a position of the text that is
	// walked: lines and columns (in characters) count from 1.
	place  placer
	nested bool
	spots  []spot
}

type placer func(line, column int) (offset int, ok bool)

func (f *finder) documents(text []byte) error {
	for d := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var doc yaml.Node
		err := d.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		f.walk(&doc, false)
	}
}

// walk does not follow aliases, so that a file that repeats itself costs no more
// than its size.
func (f *finder) walk(n *yaml.Node, inFlow bool) {
	inFlow = inFlow || n.Style&yaml.FlowStyle != 0
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			if key.Value == storageURI || key.Value == "value" && patchesURI(n) {
				f.add(key, value, inFlow)
				continue
			}
			f.walk(value, inFlow)
		}
	case yaml.ScalarNode:
		f.inner(n)
	default:
		for _, c := range n.Content {
			f.walk(c, inFlow)
		}
	}
}

// patchesURI reports whether a mapping is a JSON patch's operation on a storageUri.
func patchesURI(n *yaml.Node) bool {
	var op, pointer string
	for i := 0; i+1 < len(n.Content); i += 2 {
		switch n.Content[i].Value {
		case "op":
			op = n.Content[i+1].Value
		case "path":
			pointer = n.Content[i+1].Value
		}
	}
	return (op == "add" || op == "replace") && path.Base(pointer) == storageURI
}

// inner looks into a scalar of a kustomization that is a patch.
func (f *finder) inner(n *yaml.Node) {
	if f.nested || !isKustomization(f.file) || !strings.Contains(n.Value, storageURI) {
		return
	}
	in := &finder{file: f.file, outer: f.outer, nested: true, place: f.block(n)}
	if in.documents([]byte(n.Value)) != nil {
		return // no YAML: no patch
	}
	f.spots = append(f.spots, in.spots...)
}

// block places positions of the text of a literal block scalar (patch: |).
func (f *finder) block(n *yaml.Node) placer {
	if n.Style&yaml.LiteralStyle == 0 {
		return func(int, int) (int, bool) { return 0, false }
	}
	lines := strings.Split(n.Value, "\n")
	return func(line, column int) (int, bool) {
		start, ok := f.place(n.Line+line, 1)
		if !ok || line > len(lines) {
			return 0, false
		}
		raw, _, _ := bytes.Cut(f.outer[start:], []byte("\n"))
		raw = bytes.TrimSuffix(raw, []byte("\r"))
		text := lines[line-1]
		if !bytes.HasSuffix(raw, []byte(text)) {
			return 0, false
		}
		within, ok := characters(text, column-1)
		return start + len(raw) - len(text) + within, ok
	}
}

// add notes the value of a key, and whether it can be edited.
func (f *finder) add(key, value *yaml.Node, inFlow bool) {
	s := spot{file: f.file, line: value.Line, style: value.Style, inFlow: inFlow, value: value.Value}
	defer func() { f.spots = append(f.spots, s) }()

	start, ok := f.place(value.Line, value.Column)
	if !ok {
		s.line = key.Line
		s.cannot = "it stands in a text that is no literal block; write the patch as a block (patch: |-)"
		return
	}
	s.line = 1 + bytes.Count(f.outer[:start], []byte("\n"))
	switch {
	case value.Kind == yaml.AliasNode:
		s.cannot = "it is an alias (*name) of a value that stands elsewhere; write the address out"
	case value.Kind != yaml.ScalarNode:
		s.cannot = "it is no single value"
	case value.Anchor != "":
		s.cannot = "it has an anchor (&name), and others may repeat it; write the address out where it is needed"
	case value.Style&yaml.TaggedStyle != 0:
		s.cannot = "it has a tag (!!name); remove the tag"
	case value.Tag == "!!null" && value.Value == "":
		s.start, s.end, s.bare, ok = f.afterKey(key)
		if !ok {
			s.cannot = `nothing stands after the key; write "" there`
		}
	default:
		s.start = start
		if value.Tag == "!!null" {
			s.value = ""
		}
		if s.end, ok = scalarEnd(f.outer, start, value); !ok {
			s.cannot = "it goes over more than one line; write it on one"
		}
	}
}

// afterKey is where the value of a key without one is to be written: right after
// the colon.
func (f *finder) afterKey(key *yaml.Node) (start, end int, bare, ok bool) {
	at, ok := f.place(key.Line, key.Column)
	if !ok {
		return 0, 0, false, false
	}
	end, found := scalarEnd(f.outer, at, key)
	line, _, _ := bytes.Cut(f.outer[end:], []byte("\n"))
	rest, isKey := bytes.CutPrefix(line, []byte(":"))
	if !found || !isKey || !blank(rest) {
		return 0, 0, false, false
	}
	return end + 1, end + 1, true, true
}

// blank reports whether nothing but a comment or the end of a flow collection's
// entry follows on a line.
func blank(rest []byte) bool {
	text := bytes.TrimLeft(rest, " \t")
	return len(bytes.TrimSpace(text)) == 0 || strings.IndexByte(",}]", text[0]) >= 0 || text[0] == '#' && len(text) < len(rest)
}

// scalarEnd is the offset after the scalar that starts at start, if the bytes
// there are that scalar on one line.
func scalarEnd(text []byte, start int, n *yaml.Node) (int, bool) {
	line, _, _ := bytes.Cut(text[start:], []byte("\n"))
	switch {
	case n.Style&yaml.DoubleQuotedStyle != 0:
		for i := 1; i < len(line); i++ {
			switch line[i] {
			case '\\':
				i++
			case '"':
				return start + i + 1, line[0] == '"'
			}
		}
	case n.Style&yaml.SingleQuotedStyle != 0:
		for i := 1; i < len(line); i++ {
			if line[i] == '\'' {
				if i+1 < len(line) && line[i+1] == '\'' {
					i++
					continue
				}
				return start + i + 1, line[0] == '\''
			}
		}
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0:
		if bytes.HasPrefix(line, []byte(n.Value)) {
			return start + len(n.Value), true
		}
	}
	return 0, false
}

// replace returns the file's text with another value at the spot, quoted as the
// old one was. Nothing else changes.
func (s spot) replace(data []byte, value string) []byte {
	var text string
	switch {
	case s.style&yaml.DoubleQuotedStyle != 0:
		text = quote(value)
	case s.style&yaml.SingleQuotedStyle != 0:
		text = "'" + strings.ReplaceAll(value, "'", "''") + "'"
	case plainIsSafe(value, s.inFlow):
		text = value
	default:
		text = quote(value)
	}
	if s.bare {
		text = " " + text
	}
	return slices.Concat(data[:s.start], []byte(text), data[s.end:])
}

// quote is a double-quoted YAML string; an address holds nothing that YAML and
// Go would quote differently, for CheckURI refuses control characters.
func quote(value string) string { return strconv.QuoteToGraphic(value) }

// plainIsSafe reports whether YAML reads value back as it is without quotes.
func plainIsSafe(value string, inFlow bool) bool {
	if inFlow && strings.ContainsAny(value, "[]{},") {
		return false
	}
	var back yaml.Node
	return yaml.Unmarshal([]byte(value), &back) == nil && len(back.Content) == 1 &&
		back.Content[0].Kind == yaml.ScalarNode && back.Content[0].Value == value && back.Content[0].Tag == "!!str"
}

// isKustomization reports whether a file is one that kustomize reads first.
func isKustomization(file string) bool {
	switch path.Base(file) {
	case "kustomization.yaml", "kustomization.yml", "Kustomization":
		return true
	}
	return false
}

// identity places positions of a whole file.
func identity(data []byte) placer {
	starts := []int{0}
	for i, b := range data {
		if b == '\n' {
			starts = append(starts, i+1)
		}
	}
	return func(line, column int) (int, bool) {
		if line < 1 || line > len(starts) {
			return 0, false
		}
		start := starts[line-1]
		text, _, _ := bytes.Cut(data[start:], []byte("\n"))
		within, ok := characters(string(text), column-1)
		return start + within, ok
	}
}

// characters is the length in bytes of the first n characters of a line. A byte
// order mark is not counted by the parser.
func characters(line string, n int) (int, bool) {
	at := 0
	if strings.HasPrefix(line, "\ufeff") {
		at = len("\ufeff")
	}
	for ; n > 0; n-- {
		if at >= len(line) {
			return 0, false
		}
		_, size := utf8.DecodeRuneInString(line[at:])
		at += size
	}
	return at, true
}
