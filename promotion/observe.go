package promotion

import (
	"fmt"
	"time"

	"github.com/pawl-dev/pawl/promotion/forge"
)

// Identity is how pawl is known: the account that opens its pull requests, and
// the address that its commits carry.
type Identity struct {
	Account string
	Email   string
}

// Observation is what a forge's answer means for a place.
type Observation struct {
	Open *OpenPullRequest
	// Duplicates are further open pull requests of pawl's for the place, from a
	// race of two replicas. They are closed; Open is the lowest number.
	Duplicates []int
	Rejected   map[string]int
	// Merged are the digests that were merged, and when last.
	Merged map[string]time.Time
}

// Observe reads the pull requests of a place, of every state and oldest first.
// Text counts only if pawl's account opened the pull request, since anybody can
// write a marker. moved reports whether the stage's files changed on the base
// branch since a commit.
func Observe(p Place, me Identity, all []forge.PullRequest, moved func(base string) bool) Observation {
	o := Observation{Rejected: map[string]int{}, Merged: map[string]time.Time{}}
	for _, pr := range all {
		if pr.Head != p.Branch() || pr.Base != p.Base {
			continue
		}
		marker, mine := ParseMarker(pr.Body)
		mine = mine && marker.Key == p.Key() && pr.Author == me.Account
		switch {
		case pr.State == forge.StateOpen && o.Open == nil:
			o.Open = &OpenPullRequest{Number: pr.Number, Head: pr.HeadSHA, Foreign: !mine || hasForeign(pr.Commits, me)}
			if mine {
				o.Open.Digest = marker.Digest
				o.Open.Stale = pr.Mergeable == forge.MergeConflict || moved(marker.Base)
			}
		case pr.State == forge.StateOpen && mine:
			o.Duplicates = append(o.Duplicates, pr.Number)
		case pr.State == forge.StateClosed && mine && pr.EndedBy != me.Account:
			o.Rejected[marker.Digest] = pr.Number
		case pr.State == forge.StateMerged && mine:
			delete(o.Rejected, marker.Digest) // somebody changed their mind
			if pr.Ended.After(o.Merged[marker.Digest]) {
				o.Merged[marker.Digest] = pr.Ended
			}
		}
	}
	return o
}

// hasForeign reports whether somebody else committed to the branch.
func hasForeign(commits []forge.Commit, me Identity) bool {
	for _, c := range commits {
		if c.CommitterEmail != me.Email || c.AuthorEmail != me.Email {
			return true
		}
	}
	return false
}

// ClosingReason is what pawl closes a duplicate with.
func (o Observation) ClosingReason() string {
	return fmt.Sprintf("duplicate of pull request %d", o.Open.Number)
}
