package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

// globals are the flags that every command has, and what they resolve to.
type globals struct {
	*streams
	configFile string
	data       string
	namespace  string
	output     string
}

func (g *globals) register(root *cobra.Command) {
	f := root.PersistentFlags()
	f.StringVar(&g.configFile, "config", "", "configuration file (default: $PAWL_CONFIG, else ./pawl.yaml if it exists)")
	f.StringVar(&g.data, "data", "", "data folder (default: $PAWL_DATA, else ~/.local/share/pawl)")
	f.StringVarP(&g.namespace, "namespace", "n", "", `namespace (default "default")`)
}

// outputFlag adds -o with the formats that a command has, "" being its table.
func (g *globals) outputFlag(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&g.output, "output", "o", "", "output format: json, yaml or wide")
	check := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, a []string) error {
		switch g.output {
		case "", "json", "yaml", "wide":
		default:
			return usagef("%soutput format %q is not known (json, yaml, wide)", where(cmd), g.output)
		}
		if check != nil {
			return check(cmd, a)
		}
		return nil
	}
}

// load reads the configuration: flags win over the file, the file over defaults.
func (g *globals) load() (Config, error) {
	cfg := defaultConfig()
	file := g.configFile
	if file == "" {
		file = os.Getenv("PAWL_CONFIG")
	}
	if file == "" {
		if _, err := os.Stat("pawl.yaml"); err == nil {
			file = "pawl.yaml"
		}
	}
	if file != "" {
		if err := readConfig(file, &cfg); err != nil {
			return cfg, err
		}
	}
	if g.data != "" {
		cfg.Data = g.data
	} else if env := os.Getenv("PAWL_DATA"); env != "" && cfg.Data == "" {
		cfg.Data = env
	}
	if cfg.Data == "" {
		dir, err := defaultData()
		if err != nil {
			return cfg, err
		}
		cfg.Data = dir
	}
	data, err := filepath.Abs(cfg.Data)
	if err != nil {
		return cfg, fmt.Errorf("data folder %s: %w", cfg.Data, err)
	}
	cfg.Data = data
	if g.namespace != "" {
		cfg.Namespace = g.namespace
	}
	return cfg, nil
}

// defaultData is where data goes when nobody says: the user's data folder, or,
// without a home, a folder here.
func defaultData() (string, error) {
	if dir := os.Getenv("XDG_DATA_HOME"); dir != "" {
		return filepath.Join(dir, "pawl"), nil
	}
	if home := os.Getenv("HOME"); home != "" {
		return filepath.Join(home, ".local", "share", "pawl"), nil
	}
	return ".pawl", nil
}
