package reconcile

import (
	"context"
	"time"

	"github.com/pawl-dev/pawl/store"
)

// Store is what the loop keeps in the store, and reads of runs there.
type Store interface {
	documents
	facts
	runs
}

type documents interface {
	GetDoc(ctx context.Context, kind, key string) (d store.Doc, ok bool, err error)
	PutDoc(ctx context.Context, kind, key string, data []byte, expect int64) (version int64, err error)
	DeleteDoc(ctx context.Context, kind, key string, expect int64) error
	ListDocs(ctx context.Context, kind, prefix string) ([]store.Doc, error)
}

type facts interface {
	AddFact(ctx context.Context, kind, key string, at time.Time, data []byte) (id int64, err error)
}

type runs interface {
	KnownKey(ctx context.Context, app, namespace, workflowName, key string) (uid string, ok bool, err error)
	ListRuns(ctx context.Context, f store.RunFilter) ([]store.Run, error)
	GetRun(ctx context.Context, namespace, name string) (store.Run, error)
	RunByUID(ctx context.Context, uid string) (store.Run, error)
	Subscribe(ctx context.Context) <-chan store.Change
}
