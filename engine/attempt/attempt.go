// Package attempt holds the values that cross between the scheduler, which
// decides what to run, and the executors, which run it: what one try at a node
// is to do (Spec), how it is known for all time (Key) and how it ended (Result).
// It is pure and imports nothing of the module.
package attempt

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Key names one attempt, unique for all time: the run's UID, the node's full
// name as Argo spells it, and the number of the try, from 0.
type Key struct {
	Run     string `json:"run"`
	Node    string `json:"node"`
	Attempt int    `json:"attempt"`
}

func (k Key) String() string { return fmt.Sprintf("%s/%s#%d", k.Run, k.Node, k.Attempt) }

// Hash is 128 bits of the sha256 of the whole key, in hex: what folders,
// processes, containers and pods of the attempt are called. Whoever adopts a
// resource by this name compares the full Key kept with it.
func (k Key) Hash() string {
	h := sha256.New()
	for _, part := range []string{k.Run, k.Node, strconv.Itoa(k.Attempt)} {
		fmt.Fprintf(h, "%d:%s,", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// Spec is everything an executor needs to run one attempt. All tags are
// resolved; what is left for the executor are path tokens (see PathToken).
type Spec struct {
	Key       Key    `json:"key"`
	Namespace string `json:"namespace,omitempty"`
	Workflow  string `json:"workflow"` // name of the run
	Template  string `json:"template"` // name of the template, for messages

	Image      string   `json:"image,omitempty"`
	Command    []string `json:"command,omitempty"`
	Args       []string `json:"args,omitempty"`
	Script     *string  `json:"script,omitempty"` // source of a script template: written to a file whose path follows Command
	Env        []EnvVar `json:"env,omitempty"`    // in the manifest's order, a later one wins
	WorkingDir string   `json:"workingDir,omitempty"`

	Mounts           []Mount           `json:"mounts,omitempty"`
	Inputs           []InputArtifact   `json:"inputs,omitempty"`
	Outputs          []OutputArtifact  `json:"outputs,omitempty"`
	OutputParameters []OutputParameter `json:"outputParameters,omitempty"`
	CaptureResult    bool              `json:"captureResult,omitempty"` // somebody reads outputs.result

	Resources Resources `json:"resources,omitzero"`
	// MaxRun ends the attempt that long after its command started, as Failed
	// with Argo's deadline message (template activeDeadlineSeconds). 0: no limit.
	MaxRun time.Duration `json:"maxRun,omitempty"`
	// CodeDir is the code folder's snapshot on the host, the working directory
	// below the attempt's writable layer. Empty: none. Set by the engine.
	CodeDir string `json:"codeDir,omitempty"`
	// Visible are folders of this machine that the attempt sees read-only at
	// their own place, even where a private root masks what is around them (the
	// folder that a file event source watches). Set by the engine.
	Visible []string `json:"visible,omitempty"`
}

// EnvVar is one variable of the attempt's environment.
type EnvVar struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Mount puts a volume into the attempt.
type Mount struct {
	Volume   string `json:"volume"`
	Path     string `json:"path"`
	SubPath  string `json:"subPath,omitempty"`
	ReadOnly bool   `json:"readOnly,omitempty"`
	// Shared volumes (volumeClaimTemplates) are one folder a run; the others
	// (emptyDir) are one folder an attempt.
	Shared bool `json:"shared,omitempty"`
	// Files, when not nil, is the whole content of a read-only volume made from
	// a ConfigMap: relative path to text.
	Files map[string]string `json:"files,omitempty"`
}

// InputArtifact is placed at Path before the command starts. Exactly one of
// Ref, Raw and Items is set.
type InputArtifact struct {
	Name string       `json:"name"`
	Path string       `json:"path"`
	Ref  *ArtifactRef `json:"ref,omitempty"`
	Raw  *string      `json:"raw,omitempty"`
	// Items is a fan-in: Path becomes a folder with one entry an item, in item
	// order; entry i is called "<i>" zero-padded to the width of the last index.
	Items []ArtifactRef `json:"items,omitempty"`
	Mode  *int32        `json:"mode,omitempty"`
}

// ArtifactRef points into the content-addressed store.
type ArtifactRef struct {
	Digest string `json:"digest"` // "sha256:<64 hex>"
	Size   int64  `json:"size"`   // bytes of content
	Dir    bool   `json:"dir,omitempty"`
	// SubPath selects a file or folder within Dir ("" is all of it).
	SubPath string `json:"subPath,omitempty"`
}

// OutputArtifact is taken from Path after the command ended.
type OutputArtifact struct {
	Name     string `json:"name"`
	Path     string `json:"path"`
	Optional bool   `json:"optional,omitempty"`
}

// OutputParameter is read from the file Path after the command ended, one
// trailing newline removed. Default stands in for a file that is not there.
type OutputParameter struct {
	Name    string  `json:"name"`
	Path    string  `json:"path"`
	Default *string `json:"default,omitempty"`
}

// Resources are what the attempt asks of the machine: the larger of request
// and limit for GPUs, the request for the rest. Zero means not said.
type Resources struct {
	MilliCPU    int64 `json:"milliCPU,omitempty"`
	Memory      int64 `json:"memory,omitempty"`      // bytes requested
	MemoryLimit int64 `json:"memoryLimit,omitempty"` // bytes
	GPUs        int64 `json:"gpus,omitempty"`        // nvidia.com/gpu
}

// Outcome is how an attempt ended, in Argo's words.
type Outcome string

// Failed means that the user's command ended badly, ran too long or could not
// be executed (a command that does not exist, as in a container); Error that
// something around it did (a missing output); Lost that the attempt cannot be found again.
const (
	Succeeded Outcome = "Succeeded"
	Failed    Outcome = "Failed"
	Error     Outcome = "Error"
	Lost      Outcome = "Lost"
)

// Result is how an attempt ended and what it left.
type Result struct {
	Outcome    Outcome                `json:"outcome"`
	Message    string                 `json:"message,omitempty"`  // empty when Succeeded
	ExitCode   *int                   `json:"exitCode,omitempty"` // nil if no command ran
	StartedAt  time.Time              `json:"startedAt,omitzero"` // of the command
	FinishedAt time.Time              `json:"finishedAt,omitzero"`
	Result     *string                `json:"result,omitempty"` // stdout, one trailing newline removed, the last 256 KiB
	Parameters map[string]string      `json:"parameters,omitempty"`
	Artifacts  map[string]ArtifactRef `json:"artifacts,omitempty"`
	// Notes are things a user should hear once a run ("memory limit not set: …").
	Notes []string `json:"notes,omitempty"`
}

// PathKind says which list of a Spec a path token points into.
type PathKind string

// The kinds of path token.
const (
	InputArtifactPath   PathKind = "ia"
	OutputArtifactPath  PathKind = "oa"
	OutputParameterPath PathKind = "op"
)

// PathToken stands for the place of an artifact or parameter file in Command,
// Args, Script and Env values, where the manifest has Argo's placeholder (such
// as {{inputs.artifacts.NAME.path}}). Only the executor knows the place. The
// token holds NUL bytes, which no argument, variable or script can.
func PathToken(kind PathKind, name string) string {
	return "\x00" + string(kind) + ":" + name + "\x00"
}

// ExpandPaths replaces every path token in s by what place returns for it.
func ExpandPaths(s string, place func(kind PathKind, name string) string) string {
	if !strings.Contains(s, "\x00") {
		return s
	}
	parts := strings.Split(s, "\x00")
	var b strings.Builder
	for i, p := range parts {
		kind, name, ok := strings.Cut(p, ":")
		if i%2 == 1 && ok {
			b.WriteString(place(PathKind(kind), name))
			continue
		}
		b.WriteString(p)
	}
	return b.String()
}
