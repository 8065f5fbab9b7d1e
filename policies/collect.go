package policies

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

const (
	maxMetricsFile  = 4 << 20 // bytes
	maxMetricsDepth = 32
	maxMetrics      = 10_000 // in all files
)

// Collect reads the metrics of a run from its output parameters and its metrics
// files, by the name of the artifact. A file is a JSON object: a number in it is
// the metric of its key, or of its keys joined by dots where objects nest
// ({"slices": {"young": {"auc": 0.9}}} is slices.young.auc); an outermost object
// "metrics" adds no name of its own.
//
// With wanted names only those are looked at, each with all that nests in it;
// without, everything there is. values holds finite numbers only, problems says of
// each other name why it is none: text, NaN, two sources that disagree, missing.
func Collect(wanted []string, parameters map[string]string, files map[string][]byte) (values map[string]float64, problems map[string]string) {
	c := &collector{values: map[string]float64{}, problems: map[string]string{}, sources: map[string]string{}}
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		v, problem := parseNumber(parameters[name])
		c.add(name, "output parameter", v, problem)
	}
	var unreadable []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		source := fmt.Sprintf("artifact %q", name)
		if err := c.file(source, files[name]); err != nil {
			unreadable = append(unreadable, fmt.Sprintf("%s is no metrics file: %v", source, err))
		}
	}
	if len(wanted) > 0 {
		c.keepOnly(wanted)
	}
	for _, name := range wanted {
		if !c.has(name) {
			c.problems[name] = strings.Join(append([]string{"no output parameter and no metrics file has it"}, unreadable...), "; ")
		}
	}
	return c.values, c.problems
}

type collector struct {
	values   map[string]float64
	problems map[string]string
	sources  map[string]string // where a name was first seen
}

// add notes a number, or why it is none, and what other sources say of the name.
func (c *collector) add(name, source string, v float64, problem string) {
	first, seen := c.sources[name]
	if !seen {
		c.sources[name] = source
		if problem == "" {
			c.values[name] = v
		} else {
			c.problems[name] = source + ": " + problem
		}
		return
	}
	have, isNumber := c.values[name]
	if isNumber && problem == "" && have == v {
		return
	}
	says := func(isNumber bool, v float64, problem string) string {
		if isNumber {
			return number(v)
		}
		return problem
	}
	before := says(isNumber, have, c.problems[name])
	if isNumber {
		before = first + ": " + before
	}
	delete(c.values, name)
	c.problems[name] = fmt.Sprintf("its sources disagree: %s; %s: %s", before, source, says(problem == "", v, problem))
}

func (c *collector) keepOnly(wanted []string) {
	unwanted := func(name string) bool {
		return !slices.ContainsFunc(wanted, func(w string) bool { return name == w || strings.HasPrefix(name, w+".") })
	}
	maps.DeleteFunc(c.values, func(name string, _ float64) bool { return unwanted(name) })
	maps.DeleteFunc(c.problems, func(name, _ string) bool { return unwanted(name) })
}

// has reports whether anything is known of a name or of what nests in it.
func (c *collector) has(name string) bool {
	for known := range c.sources {
		if known == name || strings.HasPrefix(known, name+".") {
			return true
		}
	}
	return false
}

// parseNumber reads a parameter's text as a decimal number.
func parseNumber(text string) (v float64, problem string) {
	trimmed := strings.TrimSpace(text)
	if trimmed == "" {
		return 0, "it is empty"
	}
	v, err := strconv.ParseFloat(trimmed, 64)
	switch {
	case errors.Is(err, strconv.ErrRange) || err == nil && (math.IsInf(v, 0) || math.IsNaN(v)):
		return 0, fmt.Sprintf("%s is not a finite number", short(trimmed))
	case err != nil || strings.ContainsAny(trimmed, "xX_"):
		return 0, fmt.Sprintf("%s is text, not a number", short(trimmed))
	}
	return v, ""
}

// file reads one metrics file. It is read token by token, since a key that is
// given twice must not go unnoticed.
func (c *collector) file(source string, content []byte) error {
	if len(content) > maxMetricsFile {
		return fmt.Errorf("it has %d bytes, more than %d", len(content), maxMetricsFile)
	}
	if !json.Valid(content) {
		var v any
		err := json.Unmarshal(content, &v)
		return fmt.Errorf("it is not JSON (which has no NaN and no Infinity): %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(content))
	d.UseNumber()
	first, err := d.Token()
	if err != nil {
		return err
	}
	if first != json.Delim('{') {
		return errors.New("it is not a JSON object")
	}
	r := fileReader{collector: c, source: source, d: d}
	return r.object(nil, 0)
}

type fileReader struct {
	*collector
	source string
	d      *json.Decoder
}

// object reads members up to the closing brace.
func (r *fileReader) object(path []string, depth int) error {
	if depth > maxMetricsDepth {
		return fmt.Errorf("it nests deeper than %d", maxMetricsDepth)
	}
	for r.d.More() {
		key, err := r.d.Token()
		if err != nil {
			return err
		}
		if err := r.value(append(slices.Clip(path), key.(string)), depth); err != nil {
			return err
		}
	}
	_, err := r.d.Token()
	return err
}

func (r *fileReader) value(path []string, depth int) error {
	token, err := r.d.Token()
	if err != nil {
		return err
	}
	if len(r.sources) >= maxMetrics {
		return fmt.Errorf("there are more than %d metrics", maxMetrics)
	}
	name := strings.Join(path, ".")
	switch v := token.(type) {
	case json.Delim:
		if v == '[' {
			r.add(name, r.source, 0, "it is a list, not a number")
			return r.skip()
		}
		if depth == 0 && name == "metrics" {
			path = nil
		}
		return r.object(path, depth+1)
	case json.Number:
		f, err := v.Float64()
		problem := ""
		if err != nil {
			problem = fmt.Sprintf("%s is not a finite number", short(v.String()))
		}
		r.add(name, r.source, f, problem)
	case string:
		r.add(name, r.source, 0, fmt.Sprintf("%s is text, not a number", short(strconv.Quote(v))))
	case bool:
		r.add(name, r.source, 0, fmt.Sprintf("%v is not a number", v))
	case nil:
		r.add(name, r.source, 0, "null is not a number")
	}
	return nil
}

// skip reads up to the end of the list that has begun.
func (r *fileReader) skip() error {
	for depth := 1; depth > 0; {
		token, err := r.d.Token()
		if err == io.EOF {
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
		switch token {
		case json.Delim('['), json.Delim('{'):
			depth++
		case json.Delim(']'), json.Delim('}'):
			depth--
		}
	}
	return nil
}

// short cuts long text for a message.
func short(s string) string {
	if len(s) <= 40 {
		return s
	}
	return strings.ToValidUTF8(s[:40], "") + "…"
}
