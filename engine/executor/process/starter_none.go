//go:build !linux || !(amd64 || arm64)

package process

import "runtime"

// newStarter knows one isolation on this system.
func newStarter(cfg holderConfig) (starter, features) {
	why := cfg.Why
	if why == "" {
		why = "not on " + runtime.GOOS + "/" + runtime.GOARCH
	}
	return plainStarter{}, features{Why: why}
}
