package sched

import "testing"

func TestSmoke(t *testing.T) {
	w := newWorld(t, compile(t, wf(`
templates:
- name: main
  dag:
    tasks:
    - {name: a, template: pod}
    - {name: b, template: pod, dependencies: [a], withItems: [1, 2]}
    - {name: c, template: st, dependencies: [b], when: "1 == 1"}
- name: st
  steps:
  - - {name: x, template: pod}
    - {name: yy, template: pod, withItems: [q, r]}
  - - {name: z, template: pod, when: "a == b"}
- name: pod
  container: {image: x, command: [echo]}
`)))
	w.play(first)
	t.Log("\n" + w.tree())
}
