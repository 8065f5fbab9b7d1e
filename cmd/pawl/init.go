package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/pawl-dev/pawl/testdata/starter"
)

func newInit(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:     "init DIR",
		Short:   "Write a starter repository that runs",
		Example: "  pawl init my-pipelines && cd my-pipelines && pawl run -f .",
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			dir := a[0]
			entries, err := os.ReadDir(dir)
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("init: %w", err)
			}
			if len(entries) > 0 {
				return withHint(fmt.Errorf("init: %s is not empty", dir), "name a folder that does not exist yet; nothing was written")
			}
			var names []string
			err = fs.WalkDir(starter.Files, ".", func(p string, d fs.DirEntry, err error) error {
				if err != nil || d.IsDir() {
					return err
				}
				data, err := starter.Files.ReadFile(p)
				if err != nil {
					return err
				}
				dst := filepath.Join(dir, filepath.FromSlash(p))
				if err := os.MkdirAll(filepath.Dir(dst), 0o755); err != nil {
					return err
				}
				names = append(names, p)
				return os.WriteFile(dst, data, 0o644)
			})
			if err != nil {
				return fmt.Errorf("init: %w", err)
			}
			fmt.Fprintf(g.out, "%s:\n", dir)
			for _, n := range names {
				fmt.Fprintf(g.out, "  %s\n", n)
			}
			fmt.Fprintf(g.out, "\nRun it:\n  cd %s && pawl run -f .\n", dir)
			return nil
		},
	}
}
