package modelrepository

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pawl-dev/pawl/promotion/modelfiles"
	"github.com/pawl-dev/pawl/promotion/modelfiles/modelfilestest"
)

const deployerVariable = "PAWL_TEST_DEPLOYER"

// TestMain lets the test binary be the process that is killed.
func TestMain(m *testing.M) {
	if args := os.Getenv(deployerVariable); args != "" {
		deployForEver(strings.Split(args, "\n"))
	}
	os.Exit(m.Run())
}

// deployForEver deploys two models in turn and prints each version when Deploy
// has returned.
func deployForEver(args []string) {
	r := &Repository{Dir: args[0], Hash: modelfilestest.Hash, Now: time.Now}
	for i := 0; ; i++ {
		source, digest := args[1+i%2*2], args[2+i%2*2]
		v, _, err := r.Deploy(context.Background(), "iris", source, Origin{Digest: digest})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(v.Number)
	}
}

// Killed at any moment: every version on disk is whole and has its record, what
// Deploy had returned is there, and no number is given twice.
func TestKilledAtAnyMomentEveryVersionIsWhole(t *testing.T) {
	kills := 8
	if os.Getenv("PAWL_LONG") != "" {
		kills = 200
	}
	files := map[string]string{}
	for i := range 5 {
		files[fmt.Sprintf("part/%d", i)] = strings.Repeat("x", 1000*i)
	}
	a, digestA := modelfilestest.Model(t, files)
	files["part/0"] = "y"
	b, digestB := modelfilestest.Model(t, files)
	r := open(t)
	for range kills {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), deployerVariable+"="+strings.Join([]string{r.Dir, a, digestA, b, digestB}, "\n"))
		var said strings.Builder
		cmd.Stdout = &said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(time.Duration(5+rand.IntN(100))*time.Millisecond, func() { cmd.Process.Kill() })
		err := cmd.Wait()
		timer.Stop()
		if err == nil || err.Error() != "signal: killed" {
			t.Fatalf("deploying ended with %v: %s", err, said.String())
		}
		checkVersions(t, r, []string{digestA, digestB}, strings.Fields(said.String()))
	}
}

func checkVersions(t *testing.T, r *Repository, digests, returned []string) {
	t.Helper()
	all, err := r.Versions("iris")
	if err != nil {
		t.Fatal(err)
	}
	present := map[string]bool{}
	for _, v := range all {
		present[fmt.Sprint(v.Number)] = true
		if !slices.Contains(digests, v.Digest) {
			t.Fatalf("version %d has the record %+v", v.Number, v)
		}
		if err := modelfiles.Check(t.Context(), r.Path(v), v.Digest, modelfilestest.Hash); err != nil {
			t.Fatalf("version %d: %v", v.Number, err)
		}
	}
	for _, n := range returned {
		if !present[n] {
			t.Fatalf("version %s was reported and is not there", n)
		}
	}
	entries, err := os.ReadDir(filepath.Join(r.Dir, "iris"))
	if err != nil && len(returned) > 0 {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != records && !present[e.Name()] {
			t.Fatalf("%s lies where versions are", e.Name())
		}
	}
}
