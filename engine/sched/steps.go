package sched

import (
	"fmt"

	"github.com/pawl-dev/pawl/engine/plan"
)

// startGroup begins the next group of a steps node.
func (s *State) startGroup(n *node, f *frame) {
	before := f.groupNode
	gn := s.add(kindStepGroup, fmt.Sprintf("%s[%d]", n.name, f.group), n.index, n.index, nil, nil, none)
	f.groupNode = gn.index
	if before == none {
		s.link(n.index, gn)
	} else {
		for _, c := range s.nodes[before].children {
			for _, out := range s.outbound(nil, c) {
				s.link(out, gn)
			}
		}
	}
	g := &group{}
	gn.body = g
	steps, err := s.decideGroup(n, f, gn)
	if err != nil {
		s.finish(gn, Errored, err.Error())
		return
	}
	g.total = int32(len(steps))
	for _, st := range steps {
		if st.skipped != "" {
			s.skipStep(gn, st)
			continue
		}
		s.offer(st.call)
	}
}

// decision is a step of a group, or an item of it, once decided.
type decision struct {
	call
	skipped string // why it does not run; empty when it does
}

// decideGroup decides all steps of a group before the first begins: one that
// cannot be resolved fails the group.
func (s *State) decideGroup(n *node, f *frame, gn *node) ([]decision, error) {
	var all []decision
	for _, t := range n.tmpl.Groups[f.group] {
		sc := &scope{s: s, self: n}
		ok, perItem, message, err := s.when(t, sc)
		switch {
		case err != nil:
			name, _ := s.callName(call{owner: gn.index, task: t, item: none})
			bad := s.add(kindSkipped, name, gn.index, gn.boundary, t, nil, none)
			s.begun(gn, bad, nil)
			s.finish(bad, Errored, err.Error())
			return nil, err
		case !ok:
			all = append(all, decision{call{owner: gn.index, task: t, item: none}, message})
		case t.Loop != nil:
			list, err := s.decideLoop(f, gn, t, sc, perItem)
			if err != nil {
				return nil, err
			}
			all = append(all, list...)
		default:
			in, err := s.bind(t, sc)
			if err != nil {
				return nil, err
			}
			all = append(all, decision{call: call{owner: gn.index, task: t, in: in, item: none}})
		}
	}
	return all, nil
}

func (s *State) decideLoop(f *frame, gn *node, t *plan.Task, sc *scope, perItem bool) ([]decision, error) {
	items, err := t.Loop.Expand(sc)
	if err != nil {
		return nil, sc.explain(err)
	}
	l := s.newLoop(f, t, items)
	if len(items) == 0 {
		return []decision{{call{owner: gn.index, task: t, item: none}, "Skipped, empty params"}}, nil
	}
	all := make([]decision, 0, len(items))
	for i := range items {
		item := scope{s: s, self: sc.self, item: &l.items[i]}
		d := decision{call: call{owner: gn.index, task: t, item: int32(i)}}
		run := true
		if perItem {
			if run, d.skipped, err = s.whenItem(t, &item); err != nil {
				return nil, err
			}
		}
		if run {
			if d.in, err = s.bind(t, &item); err != nil {
				return nil, err
			}
		}
		all = append(all, d)
	}
	return all, nil
}

func (s *State) skipStep(gn *node, d decision) {
	name, l := s.callName(d.call)
	n := s.add(kindSkipped, name, gn.index, gn.boundary, d.task, nil, d.item)
	s.begun(gn, n, l)
	s.finish(n, Skipped, d.skipped)
}

// checkGroup ends a group whose steps are over.
func (s *State) checkGroup(gn *node, g *group) {
	if gn.phase.Fulfilled() || !g.over() {
		return
	}
	for _, c := range gn.children {
		child := s.nodes[c]
		if child.phase.bad() && !child.task.ContinuesOn(child.phase == Failed, child.phase == Errored) {
			s.finish(gn, Failed, fmt.Sprintf("child '%s' failed", s.id(child)))
			return
		}
	}
	if !g.whole() {
		s.finish(gn, Failed, s.leftOut(g.total-g.begun))
		return
	}
	s.finish(gn, Succeeded, "")
}

// groupEnded goes on after a group is over.
func (s *State) groupEnded(n *node, f *frame, gn *node) {
	switch {
	case f.failed:
		s.finish(n, Failed, failFastMessage)
	case gn.phase != Succeeded:
		s.finish(n, Failed, gn.message)
	case int(f.group)+1 == len(n.tmpl.Groups):
		s.finishWithOutputs(n)
	case f.closed:
		s.finish(n, Failed, s.leftOut(0))
	default:
		f.group++
		s.startGroup(n, f)
	}
}
