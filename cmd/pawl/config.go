package main

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
)

// Config is the whole configuration; config-defaults.yaml documents each field.
type Config struct {
	Data      string      `yaml:"data"`
	Namespace string      `yaml:"namespace"`
	Serve     ServeConfig `yaml:"serve"`
	Process   ProcConfig  `yaml:"process"`
}

// ServeConfig is what `pawl serve` watches and where it listens.
type ServeConfig struct {
	Repo              string        `yaml:"repo"`
	Revision          string        `yaml:"revision"`
	Path              string        `yaml:"path"`
	Listen            string        `yaml:"listen"`
	Interval          time.Duration `yaml:"interval"`
	WebhookSecretFile string        `yaml:"webhookSecretFile"`
	ModelRepository   string        `yaml:"modelRepository"`
	LogLevel          string        `yaml:"logLevel"`
}

// ProcConfig configures the process executor.
type ProcConfig struct {
	Isolation string            `yaml:"isolation"`
	GPUs      int               `yaml:"gpus"`
	Images    map[string]string `yaml:"images"`
	// attached steps end with this process, as those of the demo do, which
	// leaves nothing running; no file can say so.
	attached bool
}

//go:embed config-defaults.yaml
var configDefaults []byte

// defaultConfig is config-defaults.yaml, decoded: what it says is what holds.
func defaultConfig() Config {
	var c Config
	if err := yaml.Unmarshal(configDefaults, &c); err != nil {
		panic("config-defaults.yaml: " + err.Error()) // a bug of the build, found by every test
	}
	return c
}

func readConfig(file string, into *Config) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(into); err != nil && !errors.Is(err, io.EOF) {
		return withHint(fmt.Errorf("configuration %s%s", file, yamlMessage(err)), "`pawl config --defaults` prints every field")
	}
	return nil
}

// yamlMessage is the first thing wrong with a YAML file, as ":LINE: WHAT".
func yamlMessage(err error) string {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	text = strings.TrimSpace(strings.TrimPrefix(text, "unmarshal errors:"))
	text, _, _ = strings.Cut(text, "\n")
	if field, _, ok := strings.Cut(text, " not found in type "); ok {
		text = field + " is not known" // the types of Go are no news to a user
	}
	if rest, ok := strings.CutPrefix(text, "line "); ok {
		return ":" + rest
	}
	return ": " + text
}

func newConfig(g *globals) *cobra.Command {
	var defaults bool
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Print the configuration",
		Long: `Print the configuration that is in force: flags over the file pawl.yaml
(--config, $PAWL_CONFIG) over the defaults.`,
		Example: `  pawl config --defaults > pawl.yaml   # every field, documented
  pawl config                           # what is in force here`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if defaults {
				_, err := g.out.Write(configDefaults)
				return err
			}
			cfg, err := g.load()
			if err != nil {
				return err
			}
			out, err := yaml.Marshal(cfg)
			if err != nil {
				return err
			}
			_, err = g.out.Write(out)
			return err
		},
	}
	cmd.Flags().BoolVar(&defaults, "defaults", false, "print the documented defaults")
	return cmd
}
