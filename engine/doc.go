// Package engine carries runs on. It is the shell around package sched: for
// each run one loop that journals what happened, steps the scheduler and carries
// out its commands, in that order. It decides nothing: what runs next is
// sched's, how it runs is the executor's.
//
//	executor ends an attempt ─┐
//	time comes ───────────────┼─▶ events ─▶ journal (durable) ─▶ Step ─▶ commands ─▶ executor
//	somebody stops the run ───┘
//
// Recovery is not a special case: fold the journal, ask Outstanding, go on.
package engine
