package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxBytes is the largest file that is decoded.
const maxBytes = 64 << 20

// parse cuts data into documents and parses each to a node that knows its
// lines. A file that is no YAML gives the documents before the fault and one
// problem.
func parse(file string, data []byte) ([]*yaml.Node, Problems) {
	if len(data) > maxBytes {
		return nil, Problems{{Severity: SeverityError, Position: Position{File: file},
			Message: fmt.Sprintf("the file has %d bytes, more than the %d that are read", len(data), maxBytes)}}
	}
	if isJSON(data) {
		return parseJSON(file, data)
	}
	var docs []*yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var doc yaml.Node
		err := dec.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return docs, nil
		}
		if err != nil {
			line, message := yamlFault(err)
			return docs, Problems{{Severity: SeverityError, Position: Position{File: file, Line: line},
				Message: "this is no YAML: " + message}}
		}
		if doc.Kind == yaml.DocumentNode && len(doc.Content) == 1 {
			docs = append(docs, doc.Content[0])
		}
	}
}

var yamlLine = regexp.MustCompile(`^line (\d+): `)

// yamlFault cuts the parser's message into line and words.
func yamlFault(err error) (int, string) {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	m := yamlLine.FindStringSubmatch(message)
	if m == nil {
		return 0, message
	}
	line, _ := strconv.Atoi(m[1])
	return line, strings.TrimPrefix(message, m[0])
}

// isJSON reports whether data is JSON documents one after another. JSON is
// nearly YAML, but tabs and escaped pairs of surrogates are not.
func isJSON(data []byte) bool {
	trimmed := bytes.TrimLeft(data, " \t\r\n")
	if len(trimmed) == 0 || trimmed[0] != '{' && trimmed[0] != '[' {
		return false
	}
	dec := json.NewDecoder(bytes.NewReader(trimmed))
	for {
		var doc json.RawMessage
		if err := dec.Decode(&doc); err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}

// parseJSON parses JSON to the nodes that the same YAML would give.
func parseJSON(file string, data []byte) ([]*yaml.Node, Problems) {
	p := &jsonParser{dec: json.NewDecoder(bytes.NewReader(data)), data: data, line: 1}
	p.dec.UseNumber()
	var docs []*yaml.Node
	for p.dec.More() {
		doc, err := p.value()
		if err != nil {
			return docs, Problems{{Severity: SeverityError, Position: Position{File: file, Line: p.line},
				Message: fmt.Sprintf("this is no JSON: %v", err)}}
		}
		docs = append(docs, doc)
	}
	return docs, nil
}

type jsonParser struct {
	dec  *json.Decoder
	data []byte
	line int
	seen int // bytes of data whose line ends are in line
}

func (p *jsonParser) value() (*yaml.Node, error) {
	token, err := p.dec.Token()
	if err != nil {
		return nil, err
	}
	end := int(p.dec.InputOffset())
	p.line += bytes.Count(p.data[p.seen:end], []byte{'\n'})
	p.seen = end
	node := &yaml.Node{Kind: yaml.ScalarNode, Line: p.line}
	switch t := token.(type) {
	case json.Delim:
		node.Kind, node.Tag = yaml.MappingNode, "!!map"
		if t == '[' {
			node.Kind, node.Tag = yaml.SequenceNode, "!!seq"
		}
		for p.dec.More() {
			child, err := p.value()
			if err != nil {
				return nil, err
			}
			node.Content = append(node.Content, child)
		}
		if _, err := p.dec.Token(); err != nil {
			return nil, err
		}
	case string:
		node.Tag, node.Value, node.Style = "!!str", t, yaml.DoubleQuotedStyle
	case json.Number:
		node.Tag, node.Value = "!!int", t.String()
		if strings.ContainsAny(node.Value, ".eE") {
			node.Tag = "!!float"
		}
	case bool:
		node.Tag, node.Value = "!!bool", strconv.FormatBool(t)
	case nil:
		node.Tag, node.Value = "!!null", "null"
	}
	return node, nil
}
