// Command bench measures pawl as a whole process against its peers.
//
//	go build -o pawl ./cmd/pawl && go run ./bench -pawl ./pawl
//
// Overhead: a graph of no-op steps, once as a chain and once as a fan-out,
// through `pawl run` (durable journal, isolation as it comes) and the same graph
// through `make -j2`, in turn, several times. What a step costs beyond nothing
// is the wall time divided by the number of steps.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func main() {
	pawl := flag.String("pawl", "./pawl", "the binary to measure")
	steps := flag.Int("steps", 1000, "steps of each graph")
	runs := flag.Int("runs", 5, "counted runs of each command, after one that is not")
	isolation := flag.String("isolation", "auto", "isolation of pawl run")
	flag.Parse()
	if err := measure(*pawl, *steps, *runs, *isolation); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// graph is one shape of work, for both programs.
type graph struct {
	name     string
	workflow func(n int) string
	makefile func(n int) string
}

var graphs = []graph{
	{"chain", chainWorkflow, chainMakefile},
	{"fan-out", fanOutWorkflow, fanOutMakefile},
}

func measure(pawl string, steps, runs int, isolation string) error {
	pawl, err := filepath.Abs(pawl)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "pawl-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fmt.Printf("%-8s  %10s  %10s  %6s  %12s  %12s   (medians of %d, %d steps, isolation %s)\n",
		"graph", "pawl", "make -j2", "ratio", "pawl a step", "make a step", runs, steps, isolation)
	for _, g := range graphs {
		wf := filepath.Join(dir, g.name+".yaml")
		mk := filepath.Join(dir, g.name+".mk")
		if err := os.WriteFile(wf, []byte(g.workflow(steps)), 0o644); err != nil {
			return err
		}
		if err := os.WriteFile(mk, []byte(g.makefile(steps)), 0o644); err != nil {
			return err
		}
		var ours, theirs, ratios []float64
		for i := range runs + 1 {
			data := filepath.Join(dir, fmt.Sprintf("data-%s-%d", g.name, i))
			a, err := wall(pawl, "run", "-f", wf, "--data", data, "--isolation", isolation, "-o", "json")
			if err != nil {
				return err
			}
			b, err := wall("make", "-j2", "-s", "-f", mk)
			if err != nil {
				return err
			}
			os.RemoveAll(data)
			if i == 0 {
				continue // warms caches
			}
			ours, theirs, ratios = append(ours, a), append(theirs, b), append(ratios, a/b)
		}
		o, m, r := median(ours), median(theirs), median(ratios)
		fmt.Printf("%-8s  %9.3fs  %9.3fs  %6.2f  %10.2fms  %10.2fms\n",
			g.name, o, m, r, o*1000/float64(steps), m*1000/float64(steps))
	}
	return nil
}

// wall runs a command and returns its wall time in seconds.
func wall(name string, args ...string) (float64, error) {
	cmd := exec.Command(name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	start := time.Now()
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	return time.Since(start).Seconds(), nil
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

const workflowHead = `apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {name: %s}
spec:
  entrypoint: main
  templates:
  - name: noop
    container: {image: busybox, command: ["true"]}
  - name: main
    dag:
      tasks:
`

func chainWorkflow(n int) string {
	var b strings.Builder
	fmt.Fprintf(&b, workflowHead, "chain")
	for i := range n {
		fmt.Fprintf(&b, "      - {name: t%d, template: noop", i)
		if i > 0 {
			fmt.Fprintf(&b, ", dependencies: [t%d]", i-1)
		}
		b.WriteString("}\n")
	}
	return b.String()
}

func fanOutWorkflow(n int) string {
	var b strings.Builder
	fmt.Fprintf(&b, workflowHead, "fan-out")
	for i := range n {
		fmt.Fprintf(&b, "      - {name: t%d, template: noop}\n", i)
	}
	return b.String()
}

func chainMakefile(n int) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".PHONY: all\nall: t%d\n", n-1)
	for i := range n {
		fmt.Fprintf(&b, ".PHONY: t%d\nt%d:", i, i)
		if i > 0 {
			fmt.Fprintf(&b, " t%d", i-1)
		}
		b.WriteString("\n\ttrue\n")
	}
	return b.String()
}

func fanOutMakefile(n int) string {
	var b strings.Builder
	b.WriteString(".PHONY: all\nall:")
	for i := range n {
		fmt.Fprintf(&b, " t%d", i)
	}
	b.WriteString("\n")
	for i := range n {
		fmt.Fprintf(&b, ".PHONY: t%d\nt%d:\n\ttrue\n", i, i)
	}
	return b.String()
}
