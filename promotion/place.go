package promotion

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// Place is what there is at most one pull request for: one model in one stage,
// on one branch of one repository.
type Place struct {
	Repository string // as configured, without credentials
	Base       string // the branch that pull requests are merged into
	Path       string // the stage's folder
	Namespace  string
	Model      string // name of the ModelDeploy
	Stage      string
}

// Key is the sha256 of the place, in hex. Each part is hashed with its length,
// so that no two places have one key by shifting a letter from part to part.
func (p Place) Key() string {
	h := sha256.New()
	for _, part := range []string{p.Repository, p.Base, p.Path, p.Namespace, p.Model, p.Stage} {
		fmt.Fprintf(h, "%d:%s,", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Branch is the head branch of the place's pull request. It names no version,
// so that a newer candidate replaces an older one in place.
func (p Place) Branch() string { return p.branch("pawl") }

// RevertBranch is the head branch of a pull request that takes a model back.
func (p Place) RevertBranch() string { return p.branch("pawl-revert") }

func (p Place) branch(kind string) string {
	return fmt.Sprintf("%s/%s/%s-%s", kind, p.Stage, p.Model, p.Key()[:8])
}

// Labels are the labels that pawl puts on the place's pull request.
func (p Place) Labels() []string {
	return []string{"pawl", "stage/" + p.Stage, "model/" + p.Model}
}

// StatusContext is the name of a gate's commit status.
func (p Place) StatusContext(gate string) string {
	return fmt.Sprintf("pawl/%s/%s", p.Stage, gate)
}
