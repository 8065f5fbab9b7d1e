// Package gitsync knows git and nothing of what is in the files: it resolves a
// Source to the Revision it is at, lays the files of a commit down as an
// immutable Snapshot, watches for pushes, and pushes a Change.
//
// Repositories on this machine are read and written directly: no process is
// started, no hook is run, no configuration of the machine or the user matters
// (HOME, safe.directory), and a poll costs well under a millisecond. References
// are changed under git's own lock files, so that a git push at the same moment
// and we never overwrite each other. Repositories over http and https are
// spoken to with git's smart protocol; every fetch is a fresh, shallow one of a
// single commit.
package gitsync
