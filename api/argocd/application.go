// Package argocd has Argo CD's Application as far as pawl reads it: what to
// sync from where to where.
package argocd

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Application says which folder of which repository goes to which destination.
type Application struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec ApplicationSpec `json:"spec"`
	// Operation and Status are Argo CD's own records; they are not read.
	Operation map[string]any `json:"operation,omitempty"`
	Status    map[string]any `json:"status,omitempty"`
}

// ApplicationSpec is the user's part of an Application.
type ApplicationSpec struct {
	Project     string      `json:"project"`
	Source      *Source     `json:"source,omitempty"`
	Sources     []Source    `json:"sources,omitempty"`
	Destination Destination `json:"destination"`
	SyncPolicy  *SyncPolicy `json:"syncPolicy,omitempty"`

	IgnoreDifferences    []map[string]any `json:"ignoreDifferences,omitempty"`
	Info                 []Info           `json:"info,omitempty"`
	RevisionHistoryLimit *int64           `json:"revisionHistoryLimit,omitempty"`
	SourceHydrator       map[string]any   `json:"sourceHydrator,omitempty"`
}

// Info is a line for people.
type Info struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Source is a folder of a repository at a revision.
type Source struct {
	RepoURL        string `json:"repoURL"`
	TargetRevision string `json:"targetRevision,omitempty"` // branch, tag or commit; empty means HEAD
	Path           string `json:"path,omitempty"`
	Name           string `json:"name,omitempty"`
	Ref            string `json:"ref,omitempty"`

	// The ways to render other than the kustomization in the folder. They are
	// kept as written so that whoever does not run them can refuse them by name.
	Chart     string         `json:"chart,omitempty"`
	Helm      map[string]any `json:"helm,omitempty"`
	Kustomize map[string]any `json:"kustomize,omitempty"`
	Directory map[string]any `json:"directory,omitempty"`
	Plugin    map[string]any `json:"plugin,omitempty"`
}

// Destination is a cluster, by address or by name, and the namespace for
// objects that name none.
type Destination struct {
	Server    string `json:"server,omitempty"`
	Name      string `json:"name,omitempty"`
	Namespace string `json:"namespace,omitempty"`
}

// SyncPolicy says when and how to sync.
type SyncPolicy struct {
	Automated   *Automated     `json:"automated,omitempty"`
	SyncOptions []string       `json:"syncOptions,omitempty"` // such as CreateNamespace=true
	Retry       *Retry         `json:"retry,omitempty"`
	Managed     map[string]any `json:"managedNamespaceMetadata,omitempty"`
}

// Automated syncs without being asked.
type Automated struct {
	Enabled    *bool `json:"enabled,omitempty"` // nil means true
	Prune      bool  `json:"prune,omitempty"`
	SelfHeal   bool  `json:"selfHeal,omitempty"`
	AllowEmpty bool  `json:"allowEmpty,omitempty"`
}

// Retry says how often a failed sync is tried again.
type Retry struct {
	Limit   int64    `json:"limit,omitempty"`
	Refresh bool     `json:"refresh,omitempty"`
	Backoff *Backoff `json:"backoff,omitempty"`
}

// Backoff is the wait between two tries: Duration, multiplied by Factor each
// time, at most MaxDuration.
type Backoff struct {
	Duration    string `json:"duration,omitempty"`
	Factor      *int64 `json:"factor,omitempty"`
	MaxDuration string `json:"maxDuration,omitempty"`
}
