// Package policies judges: gates on what a run left (Evaluate), rules on
// manifests (Admit). It is pure: it fetches nothing, knows no git and no forge,
// and is told the time.
//
// Everything here fails closed. A gate passes only when every number it names is
// there and finite and the expression is true of them; whatever is in doubt is an
// error or inconclusive, neither of which lets a candidate through.
package policies
