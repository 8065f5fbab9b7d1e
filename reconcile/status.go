package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/pawl-dev/pawl/promotion"
	"github.com/pawl-dev/pawl/promotion/modelrepository"
	"github.com/pawl-dev/pawl/store"
)

// StageStatus is a stage as `pawl model list` shows it.
type StageStatus struct {
	StageID
	// State is Deployed, Proposed, Deploying or Empty.
	State string `json:"state"`
	Why   string `json:"why"` // what is waited for, in words
	// Base is what the base branch names.
	Base     promotion.Deployed `json:"base"`
	Pull     int                `json:"pullRequest,omitempty"`
	Deployed *DeployedModel     `json:"deployed,omitempty"`
	Error    string             `json:"error,omitempty"` // of the last try
}

// DeployedModel is what a stage serves, read from its destination.
type DeployedModel struct {
	modelrepository.Version
	Path string `json:"path"`
}

const kindStage = "stage"

// saveStage records how a stage stands, for people.
func (l *Loop) saveStage(ctx context.Context, st stage, v StageView, running modelrepository.Version) error {
	d := promotion.Decide(v.State)
	s := StageStatus{StageID: st.id, Why: d.Why, Base: st.base, State: "Empty"}
	switch {
	case v.State.Open != nil:
		s.State, s.Pull = "Proposed", v.State.Open.Number
	case d.Action == promotion.Deploy:
		s.State = "Deploying"
	case running.Digest != "":
		s.State = "Deployed"
	}
	if running.Digest != "" {
		s.Deployed = &DeployedModel{Version: running, Path: l.modelRepository(st).Path(running)}
	}
	s.Error = l.retryOf(st.id.subject()).err
	if s.Error != "" {
		s.Why = s.Error
	}
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return l.putIfChanged(ctx, kindStage, st.id.String(), data)
}

// forgetStages removes the records of stages that are no longer asked for.
func (l *Loop) forgetStages(ctx context.Context, cur *synced) error {
	wanted := map[string]bool{}
	for _, st := range cur.stages {
		wanted[st.id.String()] = true
	}
	return forgetDocs(ctx, l.Store, kindStage, wanted)
}

// forgetDocs removes the documents of a kind that nobody wants.
func forgetDocs(ctx context.Context, st documents, kind string, wanted map[string]bool) error {
	docs, err := st.ListDocs(ctx, kind, "")
	if err != nil {
		return err
	}
	for _, d := range docs {
		if wanted[d.Key] {
			continue
		}
		if err := st.DeleteDoc(ctx, kind, d.Key, store.AnyVersion); err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	return nil
}

// Stages are how all stages stand.
func Stages(ctx context.Context, st *store.Store) ([]StageStatus, error) {
	docs, err := st.ListDocs(ctx, kindStage, "")
	if err != nil {
		return nil, err
	}
	out := []StageStatus{}
	for _, d := range docs {
		var s StageStatus
		if err := json.Unmarshal(d.Data, &s); err != nil {
			return nil, fmt.Errorf("stage %s: %w", d.Key, err)
		}
		out = append(out, s)
	}
	return out, nil
}

// Applications are what is known of all applications.
func Applications(ctx context.Context, st *store.Store) ([]Application, error) {
	docs, err := st.ListDocs(ctx, kindApplication, "")
	if err != nil {
		return nil, err
	}
	out := []Application{}
	for _, d := range docs {
		var a Application
		if err := json.Unmarshal(d.Data, &a); err != nil {
			return nil, fmt.Errorf("application %s: %w", d.Key, err)
		}
		out = append(out, a)
	}
	return out, nil
}
