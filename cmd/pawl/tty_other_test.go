//go:build !linux

package main

import "github.com/rogpeppe/go-internal/testscript"

// tty is there on Linux only; scripts that use it begin with [!linux] skip.
func tty(ts *testscript.TestScript, _ bool, _ []string) { ts.Fatalf("no terminal to test with") }
