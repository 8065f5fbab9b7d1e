package gitsync

import (
	"fmt"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// CheckBranch refuses names that are no branch: git's own rules, and nothing
// that could climb out of refs/heads or be read as an option.
func CheckBranch(name string) error {
	if strings.HasPrefix(name, "-") || strings.HasPrefix(name, "refs/") || name == "HEAD" {
		return fmt.Errorf("%q is no branch name", name)
	}
	if err := checkRef("refs/heads/" + name); err != nil {
		return fmt.Errorf("%q is no branch name", name)
	}
	return nil
}

func checkRef(name string) error {
	bad := func(c rune) bool { return c < 0x20 || c == 0x7f }
	switch {
	case !strings.HasPrefix(name, "refs/"), len(name) > 1000, strings.ContainsFunc(name, bad),
		plumbing.ReferenceName(name).Validate() != nil:
		return fmt.Errorf("%q is no reference name", name)
	}
	return nil
}
