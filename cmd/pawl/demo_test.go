package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestACommandOfTheDemoCanBePasted(t *testing.T) {
	for _, word := range []string{"pawl-demo/data", "/tmp/my demo", "it's", `$HOME "x" \`, "a;b", "ünï", "", "~"} {
		out, err := exec.Command("sh", "-c", "printf %s "+quoted(word)).Output()
		if err != nil || string(out) != word {
			t.Errorf("%s reaches the command as %q (%v), want %q", quoted(word), out, err, word)
		}
	}
	if got := quoted("./pawl"); got != "./pawl" {
		t.Errorf("a plain word is quoted: %s", got)
	}
}

func TestADemoBegunAnewRemovesAllOfTheEarlierOne(t *testing.T) {
	dir := t.TempDir()
	model := filepath.Join(dir, "models", "iris")
	if err := os.MkdirAll(model, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{filepath.Join(dir, demoMark), filepath.Join(model, "weights.tsv")} {
		if err := os.WriteFile(f, nil, 0o444); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(model, 0o555); err != nil {
		t.Fatal(err)
	}
	if err := prepareDemo(t.Context(), dir, true); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "models")); !os.IsNotExist(err) {
		t.Errorf("models is still there: %v", err)
	}
	for _, name := range []string{demoMark, "inbox", "data"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Errorf("%s is not there: %v", name, err)
		}
	}
}
