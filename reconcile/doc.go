// Package reconcile is the outer loop: it compares what git asks for with what
// is there and does the one next thing, again and again until nothing is left.
// Decide is pure; the loop observes a Record, asks Decide, and carries the
// Action out. Every action may be repeated, so a crash between any two steps
// costs nothing but the repetition.
//
//	git ref moved ┐
//	run ended     ├─▶ observe ─▶ Record ─▶ Decide ─▶ Action ─▶ carry out ─┐
//	pull request  ┘        ▲                                              │
//	                       └──────────────────────────────────────────────┘
package reconcile
