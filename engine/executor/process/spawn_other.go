//go:build !linux || !(amd64 || arm64)

package process

// canIsolate says whether this build knows how to make private roots at all.
const canIsolate = false
