package sched

import (
	"time"

	"github.com/pawl-dev/pawl/engine/plan"
)

// State is where a run is: the fold of its events. It belongs to one goroutine.
//
// A node goes through its life by these calls, top to bottom:
//
//	ready     needs are over: depends, when and loop are evaluated, arguments bound
//	offer     waits for room in its parent (parallelism) and in the run
//	begin     the node comes to be: a pod asks for its attempt, the others for
//	          their children
//	finish    the node is over; its parent is told from a queue, never recursively
//
// Each costs what the node's own neighbours cost, whatever the size of the run.
type State struct {
	plan *plan.Plan

	phase             Phase
	message           string
	now               time.Time
	started, finished time.Time

	nodes   []*node
	running map[string]int32 // attempts asked for and not ended, by node name
	root    int32
	exit    int32
	// mainPhase and mainMessage are how the entrypoint ended.
	mainPhase   Phase
	mainMessage string

	shutdown Shutdown
	expired  bool // the workflow's deadline has passed

	pods     int // attempts that run
	podQueue []call

	alarms    alarms
	announced int64 // time of the last WakeAt, 0 for none

	// ended holds nodes whose parents have not been told yet, commands what the
	// current Step wishes; both are empty between steps.
	ended    []int32
	commands []Command

	changed []int32
}

// New is a run that has not started: RunStarted is its first event.
func New(p *plan.Plan) *State {
	return &State{plan: p, phase: Pending, running: map[string]int32{}, root: none, exit: none}
}

// Step takes one more event and returns what is to be done now. An event that
// does not fit (of an unknown attempt, said twice, after the end) changes
// nothing.
//
// Of the WakeAt commands the latest counts; a Woken that nothing waits for is
// harmless.
func (s *State) Step(ev Event) []Command {
	if !s.fits(ev) {
		return nil
	}
	if ev.Time.After(s.now) {
		s.now = ev.Time.UTC()
	}
	switch ev.Kind {
	case RunStarted:
		s.start()
	case AttemptEnded:
		s.attemptEnded(s.nodes[s.running[ev.Node]], ev.Result)
	case Woken:
		s.announced = 0
		s.ring()
	case ShutdownRequested:
		s.shutDown(ev.Shutdown)
	}
	s.settle()
	s.announce()
	commands := s.commands
	s.commands = nil
	return commands
}

// fits reports whether the event can have happened in this state.
func (s *State) fits(ev Event) bool {
	if ev.Kind == RunStarted {
		return s.phase == Pending
	}
	if s.phase != Running {
		return false
	}
	switch ev.Kind {
	case AttemptEnded:
		i, ok := s.running[ev.Node]
		return ok && ev.Result != nil && int(s.nodes[i].attempt) == ev.Attempt
	case Woken:
		return true
	case ShutdownRequested:
		return ev.Shutdown == Terminate && s.shutdown != Terminate || ev.Shutdown == Stop && s.shutdown == ""
	}
	return false
}

// Outstanding derives the commands that have not been answered yet: what a
// restarted engine has to do.
func (s *State) Outstanding() []Command {
	var commands []Command
	for _, i := range s.runningInOrder() {
		n := s.nodes[i]
		spec, err := s.spec(n)
		if err != nil {
			continue // the node would have ended instead of running
		}
		commands = append(commands, Command{Kind: StartAttempt, Spec: spec})
		if n.stopping {
			commands = append(commands, Command{Kind: StopAttempt, Key: spec.Key})
		}
	}
	if at := s.nextAlarm(); at != 0 {
		commands = append(commands, Command{Kind: WakeAt, At: fromNano(at)})
	}
	return commands
}

// Phase is where the run is: Pending, Running, Succeeded, Failed or Error.
func (s *State) Phase() Phase { return s.phase }

// Message says why the run is where it is; empty when there is nothing to say.
func (s *State) Message() string { return s.message }

// StartedAt is when the run started; zero before.
func (s *State) StartedAt() time.Time { return s.started }

// FinishedAt is when the run ended; zero before.
func (s *State) FinishedAt() time.Time { return s.finished }

// Shutdown is what was asked for, empty for nothing.
func (s *State) Shutdown() Shutdown { return s.shutdown }

// Plan is what the run follows.
func (s *State) Plan() *plan.Plan { return s.plan }

// Outputs are the outputs of the run: those of its entrypoint.
func (s *State) Outputs() Outputs {
	if s.root == none {
		return Outputs{}
	}
	return s.nodes[s.root].outputs()
}

func (s *State) start() {
	s.phase, s.started = Running, s.now
	if s.plan.Deadline > 0 {
		s.wakeAt(s.started.Add(s.plan.Deadline), none, alarmRun)
	}
	s.root = int32(len(s.nodes))
	s.launch(s.plan.Name, s.plan.Entry)
}

// launch begins the entrypoint or the exit handler.
func (s *State) launch(name string, task *plan.Task) {
	in, err := s.bind(task, &scope{s: s})
	if err != nil {
		s.finish(s.add(kindSkipped, name, none, none, task, nil, none), Errored, err.Error())
		return
	}
	s.execute(name, none, none, task, in, none)
}

// settle tells parents of ended nodes until nobody is left to tell.
func (s *State) settle() {
	for len(s.ended) > 0 {
		batch := s.ended
		s.ended = nil
		for _, i := range batch {
			s.childEnded(s.nodes[i])
		}
	}
}

// childEnded tells the parent of a node that it is over.
func (s *State) childEnded(n *node) {
	if n.kind == kindPod && n.counted {
		n.counted = false
		s.pods--
		defer s.pumpPods()
	}
	if n.boundary != none && n.parent != none {
		s.leaveFrame(n)
	}
	if n.parent == none {
		s.topEnded(n)
		return
	}
	parent := s.nodes[n.parent]
	switch body := parent.body.(type) {
	case *frame:
		if parent.kind == kindDAG {
			s.taskEnded(parent, body, n)
		} else {
			s.groupEnded(parent, body, n)
		}
	case *loop:
		body.ended++
		s.checkLoop(parent, body)
	case *group:
		body.ended++
		s.checkGroup(parent, body)
	case *retry:
		s.retryEnded(parent, body, n)
	}
}

// topEnded goes on after the entrypoint, or the exit handler.
func (s *State) topEnded(n *node) {
	if n.index == s.exit {
		s.end(n)
		return
	}
	s.mainPhase, s.mainMessage = runPhase(n.phase), n.message
	if s.mainPhase != Succeeded {
		switch {
		case s.shutdown != "":
			s.mainMessage = s.stoppedMessage()
		case s.expired && s.mainMessage == "":
			s.mainMessage = "workflow exceeded its deadline of " + s.plan.Deadline.String()
		}
	}
	if s.plan.OnExit == nil || s.shutdown == Terminate || !s.exitWanted() {
		s.end(nil)
		return
	}
	s.exit = int32(len(s.nodes))
	s.launch(s.plan.Name+".onExit", s.plan.OnExit)
}

// exitWanted evaluates the exit hook's expression.
func (s *State) exitWanted() bool {
	when := s.plan.OnExitWhen
	if when == nil {
		return true
	}
	v, err := when.Render(&scope{s: s})
	if err != nil {
		s.mainPhase, s.mainMessage = Errored, "hooks.exit.expression: "+err.Error()
		return false
	}
	return v == "true"
}

// end closes the run. A bad end of the exit handler spoils a success.
func (s *State) end(exit *node) {
	s.phase, s.message, s.finished = s.mainPhase, s.mainMessage, s.now
	if s.phase == Succeeded {
		s.message = ""
		if exit != nil && exit.phase.bad() {
			s.phase, s.message = exit.phase, exit.message
		}
	}
	s.alarms = nil
}

// runPhase is what the phase of the entrypoint means for the run.
func runPhase(p Phase) Phase {
	if p.bad() {
		return p
	}
	return Succeeded
}

func (p Phase) bad() bool { return p == Failed || p == Errored }
