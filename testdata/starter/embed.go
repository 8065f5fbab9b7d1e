// Package starter carries the repository that "pawl init" begins with.
package starter

import "embed"

// Files are the files of the repository.
//
//go:embed README.md count.sh hello.yaml kustomization.yaml
var Files embed.FS
