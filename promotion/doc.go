// Package promotion turns a judged candidate into a change of git: it decides
// what a stage's pull request should be, finds the smallest edit that makes the
// rendered target point to the candidate, writes the proposal's text, and
// publishes the model to where the new address says. Forges live in forge, the
// place on disk that serves models in modelrepository.
//
//	Decide ─▶ Publish ─▶ MakeEdit ─▶ Propose ─▶ (forge) ─▶ merge ─▶ Decide
//
// All but Publish is pure: rendering is handed in as a function.
package promotion
