package process

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/pawl-dev/pawl/engine/attempt"
)

// TestCapacity plays scripts: "+a cpu=500 gpu=1" asks, "-a" gives back; after
// each the attempts that have room are compared.
func TestCapacity(t *testing.T) {
	cpu := func(m int64) attempt.Resources { return attempt.Resources{MilliCPU: m} }
	gpu := func(n int64) attempt.Resources { return attempt.Resources{MilliCPU: 100, GPUs: n} }
	type step struct {
		do   string
		ask  attempt.Resources
		have string
	}
	for _, c := range []struct {
		name  string
		steps []step
	}{
		{"who says nothing takes a core", []step{{"+a", cpu(0), "a"}, {"+b", cpu(0), "a b"}, {"+c", cpu(0), "a b"}, {"-a", cpu(0), "b c"}}},
		{"small ones fit together", []step{{"+a", cpu(500), "a"}, {"+b", cpu(500), "a b"}, {"+c", cpu(1000), "a b c"}}},
		{"one larger than the machine runs alone", []step{{"+a", cpu(1), "a"}, {"+b", cpu(64000), "a"}, {"-a", cpu(0), "b"}, {"+c", cpu(1), "b"}, {"-b", cpu(0), "c"}}},
		{"a small one does not overtake a large one", []step{{"+a", cpu(1500), "a"}, {"+b", cpu(2000), "a"}, {"+c", cpu(100), "a"}, {"-a", cpu(0), "b"}, {"-b", cpu(0), "c"}}},
		{"who waits for a GPU is in nobody's way that wants none", []step{{"+a", gpu(2), "a"}, {"+b", gpu(1), "a"}, {"+c", cpu(100), "a c"}, {"-a", cpu(0), "b c"}}},
		{"but GPUs are given in order", []step{{"+a", gpu(1), "a"}, {"+b", gpu(2), "a"}, {"+c", gpu(1), "a"}, {"-a", cpu(0), "b"}, {"-b", cpu(0), "c"}}},
		{"who gives up waiting lets others pass", []step{{"+a", cpu(1500), "a"}, {"+b", cpu(2000), "a"}, {"+c", cpu(100), "a"}, {"!b", cpu(0), "a c"}}},
		{"memory is counted", []step{{"+a", attempt.Resources{MilliCPU: 1, Memory: 60}, "a"}, {"+b", attempt.Resources{MilliCPU: 1, Memory: 60}, "a"}, {"-a", cpu(0), "b"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				room := newCapacity(2, 2, 100)
				var mu sync.Mutex
				granted := map[string]need{}
				give := map[string]context.CancelFunc{}
				for _, s := range c.steps {
					name := s.do[1:]
					switch s.do[0] {
					case '+':
						ctx, cancel := context.WithCancel(t.Context())
						give[name] = cancel
						go func() {
							if n, err := room.acquire(ctx, room.needOf(s.ask)); err == nil {
								mu.Lock()
								granted[name] = n
								mu.Unlock()
							} else if !errors.Is(err, context.Canceled) {
								t.Error(err)
							}
						}()
					case '-':
						mu.Lock()
						n := granted[name]
						delete(granted, name)
						mu.Unlock()
						room.release(n)
					case '!':
						give[name]()
					}
					synctest.Wait()
					var have []string
					var gpus []int
					mu.Lock()
					for name, n := range granted {
						have = append(have, name)
						gpus = append(gpus, n.GPUs...)
					}
					mu.Unlock()
					slices.Sort(have)
					slices.Sort(gpus)
					if got := strings.Join(have, " "); got != s.have {
						t.Fatalf("after %s there is room for %q, want %q", s.do, got, s.have)
					}
					if len(slices.Compact(slices.Clone(gpus))) != len(gpus) {
						t.Fatalf("after %s a GPU is given twice: %v", s.do, gpus)
					}
				}
				for _, cancel := range give {
					cancel()
				}
				for _, n := range granted {
					room.release(n)
				}
				if room.usedCPU != 0 || room.usedMem != 0 || len(room.freeGPUs()) != 2 {
					t.Errorf("at the end %d of CPU and %d of memory are taken", room.usedCPU, room.usedMem)
				}
			})
		})
	}
}

func TestExpandVars(t *testing.T) {
	value := func(name string) (string, bool) {
		v, ok := map[string]string{"A": "1", "EMPTY": ""}[name]
		return v, ok
	}
	for text, want := range map[string]string{
		"": "", "plain": "plain", "$(A)": "1", "x$(A)y$(A)": "x1y1", "$(EMPTY)": "", "$(NONE)": "$(NONE)",
		"$$(A)": "$(A)", "$$": "$", "$$$(A)": "$1", "$A": "$A", "$(A": "$(A", "$": "$", "100$": "100$", "$(NONE)$(A)": "$(NONE)1",
	} {
		if got := expandVars(text, value); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

func TestProgramPaths(t *testing.T) {
	for _, c := range []struct{ name, want string }{
		{"/bin/x", "/bin/x"}, {"./x", "/w/x"}, {"a/../x", "/w/x"}, {"x", "/a/x /w/rel/x /b/x"},
		{"python", "/a/python /w/rel/python /b/python /a/python3 /w/rel/python3 /b/python3"}, {"", ""},
	} {
		if got := strings.Join(programPaths(c.name, "/a:rel:/b", "/w"), " "); got != c.want {
			t.Errorf("%q is tried at %q, want %q", c.name, got, c.want)
		}
	}
}

func TestStandIn(t *testing.T) {
	images := map[string][]string{"argoproj/argosay:v2": {"argosay"}, "tool": {"tool", "-v"}, "host:5000/x": {"x"}}
	for image, want := range map[string]string{
		"argoproj/argosay:v2": "[argosay]", "argoproj/argosay:v1": "[]", "tool": "[tool -v]", "tool:1.2": "[tool -v]",
		"tool@sha256:00": "[tool -v]", "host:5000/x:3": "[x]", "host:5000/y": "[]", "": "[]",
	} {
		if got := fmt.Sprint(standIn(image, images)); got != want {
			t.Errorf("%q is stood in for by %s, want %s", image, got, want)
		}
	}
}
