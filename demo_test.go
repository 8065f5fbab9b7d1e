package pawl

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/pawl-dev/pawl/api"
	"github.com/pawl-dev/pawl/testdata/demo"
	"github.com/pawl-dev/pawl/testdata/starter"
)

// The demo's story stands on what its training really does. These tests run the
// scripts as the WorkflowTemplate does, without the engine.

func TestTrainingGivesAGoodModel(t *testing.T) {
	got := train(t, shells(t)[0], checkout(t), "")
	if got.accuracy != "0.979167" || got.variant != "petals-only" {
		t.Errorf("accuracy %s by %s, want 0.979167 (47 of 48 flowers) by petals-only", got.accuracy, got.variant)
	}
	var metrics map[string]float64
	if err := json.Unmarshal([]byte(got.metrics), &metrics); err != nil {
		t.Errorf("metrics.json: %v", err)
	} else if metrics["accuracy"] != 0.979167 || metrics["errors"] != 1 || metrics["flowers"] != 48 {
		t.Errorf("metrics.json does not say 47 of 48: %s", got.metrics)
	}
	if first, last := losses(t, got.log); last > first/2 {
		t.Errorf("the loss went from %v to %v, want it to fall to less than half", first, last)
	}
}

func TestEveryAwkGivesTheSameModel(t *testing.T) {
	dir := checkout(t)
	setEpochs(t, dir, 30)
	all := shells(t)
	want := train(t, all[0], dir, "")
	for _, sh := range all[1:] {
		if got := train(t, sh, dir, ""); got != want {
			t.Errorf("%s leaves something else than %s:\n%+v\n%+v", sh.name, all[0].name, got, want)
		}
	}
}

func TestFewerEpochsAreClearlyWorse(t *testing.T) {
	dir := checkout(t)
	setEpochs(t, dir, 5)
	if got := train(t, shells(t)[0], dir, ""); got.accuracy != "0.854167" {
		t.Errorf("accuracy after 5 epochs is %s, want 0.854167 (41 of 48 flowers)", got.accuracy)
	}
}

// setEpochs changes the one line that the demo changes for its worse push.
func setEpochs(t *testing.T, dir string, epochs int) {
	t.Helper()
	config := filepath.Join(dir, "training/config.env")
	text := read(t, config)
	if !strings.Contains(text, "\nEPOCHS=300\n") {
		t.Fatalf("config.env has no line EPOCHS=300:\n%s", text)
	}
	write(t, config, strings.Replace(text, "EPOCHS=300", fmt.Sprintf("EPOCHS=%d", epochs), 1))
}

func TestNewDataGivesAnotherModelThatIsNoBetter(t *testing.T) {
	dir := checkout(t)
	file := filepath.Join(dir, "new.csv")
	write(t, file, string(demo.NewData()))
	old, got := train(t, shells(t)[0], dir, ""), train(t, shells(t)[0], dir, file)
	if got.model == old.model {
		t.Error("51 more flowers made the same model")
	}
	if got.accuracy != old.accuracy || got.loss >= old.loss {
		t.Errorf("with new data accuracy is %s, loss %s; the demo's text says the same accuracy (%s) and a smaller loss (%s)", got.accuracy, got.loss, old.accuracy, old.loss)
	}
}

func TestPrepareRefusesDataThatItCannotTrust(t *testing.T) {
	header := "sepal_length,sepal_width,petal_length,petal_width,species\n"
	for name, c := range map[string]struct{ data, says string }{
		"another header":           {"a,b,c,d,e\n5.1,3.5,1.4,0.2,setosa\n", "the first line must be"},
		"a field too few":          {header + "5.1,3.5,1.4,setosa\n", "line 2: not five fields"},
		"a length that is no one":  {header + "5.1,3.5,1.4,0.2,setosa\n5.1,nan,1.4,0.2,setosa\n", "line 3: not four lengths"},
		"a species nobody knows":   {header + "5.1,3.5,1.4,0.2,tulip\n", "line 2: not a species"},
		"Windows line ends":        {strings.ReplaceAll(header, "\n", "\r\n"), "the first line must be"},
		"a file that is not there": {"", "cannot read"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, out := checkout(t), t.TempDir()
			file := filepath.Join(dir, "bad.csv")
			if c.data != "" {
				write(t, file, c.data)
			}
			said, err := shells(t)[0].run(dir, "prepare.sh", file, out+"/train", out+"/test")
			if err == nil || !strings.Contains(said, c.says) {
				t.Errorf("prepare.sh: %v, said %q, want a failure that says %q", err, said, c.says)
			}
		})
	}
	t.Run("flowers that judge are left out", func(t *testing.T) {
		dir, out := checkout(t), t.TempDir()
		said, err := shells(t)[0].run(dir, "prepare.sh", filepath.Join(dir, "training/data/iris.csv"), out+"/train", out+"/test")
		if want := "102 more flowers to learn from, 48 left out"; err != nil || !strings.Contains(said, want) {
			t.Errorf("prepare.sh: %v, said %q, want %q", err, said, want)
		}
	})
}

func TestIrisIsFishersTable(t *testing.T) {
	rows, err := csv.NewReader(strings.NewReader(read(t, "testdata/demo/training/data/iris.csv"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	sum, count := [4]float64{}, map[string]int{}
	var second []string
	for _, row := range rows[1:] {
		for i := range sum {
			v, err := strconv.ParseFloat(row[i], 64)
			if err != nil {
				t.Fatal(err)
			}
			sum[i] += v
		}
		if count[row[4]]++; count[row[4]]%3 == 2 {
			second = append(second, strings.Join(row, ","))
		}
	}
	if got, want := fmt.Sprint(count), "map[setosa:50 versicolor:50 virginica:50]"; got != want {
		t.Errorf("flowers are %s, want %s", got, want)
	}
	for i, want := range [4]float64{5.843333, 3.057333, 3.758, 1.199333} {
		if math.Abs(sum[i]/150-want) > 1e-6 {
			t.Errorf("mean of column %d is %f, want %f", i+1, sum[i]/150, want)
		}
	}
	if got, want := string(demo.NewData()), strings.Join(append([]string{strings.Join(rows[0], ",")}, second...), "\n")+"\n"; got != want {
		t.Errorf("new-iris.csv is not places 2, 5, 8, … of each species of iris.csv")
	}
}

func TestTheDemoRepositoryNamesOnlyItsOwnFolder(t *testing.T) {
	repo, err := demo.Repository("/home/ann/a demo")
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"workflows/new-data.yaml":      `directory: "/home/ann/a demo/inbox"`,
		"models/iris/modeldeploy.yaml": `publish: "file:///home/ann/a demo/models/iris"`,
	} {
		if !strings.Contains(string(repo[path]), want) {
			t.Errorf("%s does not hold %s", path, want)
		}
	}
	for path, data := range repo {
		if strings.Contains(string(data), "/srv/pawl") {
			t.Errorf("%s still names /srv/pawl", path)
		}
	}
	for _, dir := range []string{"demo", `/a"b`, "/a%20b", "/a#b", "/a\nb"} {
		if _, err := demo.Repository(dir); err == nil {
			t.Errorf("a demo in %q is not refused", dir)
		}
	}
}

func TestTheShippedManifestsDecodeWithoutAWord(t *testing.T) {
	check := func(name string, data []byte) {
		if filepath.Ext(name) != ".yaml" || filepath.Base(name) == "kustomization.yaml" {
			return
		}
		objects, problems := api.Decode(name, data)
		if len(objects) == 0 || len(problems) > 0 {
			t.Errorf("%s: %d objects, problems: %v", name, len(objects), problems)
		}
	}
	repo, err := demo.Repository("/srv/demo")
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range repo {
		if !strings.Contains(name, "/overlays/") { // patches are no whole objects
			check(name, data)
		}
	}
	hello, err := starter.Files.ReadFile("hello.yaml")
	if err != nil {
		t.Fatal(err)
	}
	check("hello.yaml", hello)
}

// outcome is what a whole training leaves.
type outcome struct{ accuracy, loss, variant, metrics, model, log string }

// train runs the scripts in the order of the WorkflowTemplate train-iris.
func train(t *testing.T, sh shell, dir, data string) outcome {
	t.Helper()
	out := t.TempDir()
	at := func(parts ...string) string { return filepath.Join(append([]string{out}, parts...)...) }
	for _, d := range []string{"models", "metrics"} {
		if err := os.Mkdir(at(d), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	var log strings.Builder
	step := func(script string, args ...string) {
		t.Helper()
		said, err := sh.run(dir, script, args...)
		if err != nil {
			t.Fatalf("%s: %s: %v\n%s", sh.name, script, err, said)
		}
		log.WriteString(said)
	}
	step("prepare.sh", data, at("train"), at("test"))
	for i, variant := range []string{"all-features", "petals-only", "strong-decay"} {
		n := strconv.Itoa(i)
		step("train.sh", variant, at("train"), at("models", n))
		step("evaluate.sh", at("models", n), at("test"), at("metrics", n), at("a"), at("l"))
	}
	step("pick.sh", at("models"), at("metrics"), at("model"), at("metrics.json"), at("accuracy"), at("loss"), at("variant"))
	value := func(name string) string { return strings.TrimSuffix(read(t, at(name)), "\n") }
	return outcome{
		accuracy: value("accuracy"), loss: value("loss"), variant: value("variant"), metrics: value("metrics.json"),
		model: read(t, at("model/settings.env")) + read(t, at("model/weights.tsv")), log: log.String(),
	}
}

// losses returns the first and the last loss that training printed.
func losses(t *testing.T, log string) (first, last float64) {
	t.Helper()
	var all []float64
	for line := range strings.Lines(log) {
		if f := strings.Fields(line); len(f) == 4 && f[0] == "epoch" {
			v, err := strconv.ParseFloat(f[3], 64)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, v)
		}
	}
	if len(all) < 10 {
		t.Fatalf("training printed %d losses, want it to show its progress:\n%s", len(all), log)
	}
	return all[0], all[len(all)-1]
}

// shell is a sh and an awk to run scripts with.
type shell struct {
	name string
	sh   []string
	path string
}

// shells returns the machine's own shell and awk first, then every other awk
// that is present.
func shells(t *testing.T) []shell {
	t.Helper()
	if _, err := exec.LookPath("awk"); err != nil {
		t.Skip("no awk on this machine")
	}
	all := []shell{{name: "awk", sh: []string{"sh"}, path: os.Getenv("PATH")}}
	for _, awk := range []string{"mawk", "gawk", "original-awk", "busybox awk"} {
		program, err := exec.LookPath(strings.Fields(awk)[0])
		if err != nil {
			continue
		}
		bin := t.TempDir()
		script := fmt.Sprintf("#!/bin/sh\nexec %s %s \"$@\"\n", program, strings.TrimPrefix(awk, filepath.Base(program)))
		if err := os.WriteFile(filepath.Join(bin, "awk"), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
		s := shell{name: awk, sh: []string{"sh"}, path: bin + ":" + os.Getenv("PATH")}
		if awk == "busybox awk" {
			s.sh = []string{program, "sh"}
		}
		all = append(all, s)
	}
	return all
}

// run runs a script in the code folder of the repository in dir.
func (s shell) run(dir, script string, args ...string) (string, error) {
	cmd := exec.Command(s.sh[0], append(append(s.sh[1:len(s.sh):len(s.sh)], script), args...)...)
	cmd.Dir = filepath.Join(dir, "training")
	cmd.Env = []string{"PATH=" + s.path}
	said, err := cmd.CombinedOutput()
	return string(said), err
}

// checkout writes the demo's repository to a folder of the test.
func checkout(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	repo, err := demo.Repository(dir)
	if err != nil {
		t.Fatal(err)
	}
	for path, data := range repo {
		file := filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
			t.Fatal(err)
		}
		write(t, file, string(data))
	}
	return dir
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), fs.FileMode(0o666)); err != nil {
		t.Fatal(err)
	}
}
