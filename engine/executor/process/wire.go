package process

import (
	"encoding/json"
	"time"

	"github.com/pawl-dev/pawl/engine/attempt"
)

// The protocol between an executor and its holder: one JSON value a line over
// one connection, requests answered by id in any order, and events, which
// answer nothing. list, stop, forget, retire and the ended event never change
// their meaning, so that an executor can look after the attempts of an older
// holder; wireVersion grows when anything else does.
const wireVersion = 1

type op string

const (
	opHello  op = "hello"  // answer: hello
	opStart  op = "start"  // begin an attempt; a known hash changes nothing
	opStop   op = "stop"   // TERM, and KILL after grace
	opList   op = "list"   // answer: every attempt that runs
	opForget op = "forget" // drop what is remembered of an ended attempt
	opRetire op = "retire" // accept nothing new, exit when nothing runs
)

type request struct {
	ID    uint64        `json:"id"`
	Op    op            `json:"op"`
	Hash  string        `json:"hash,omitempty"`
	Grace time.Duration `json:"grace,omitempty"`
	Start *order        `json:"start,omitempty"`
}

type response struct {
	ID      uint64    `json:"id,omitempty"`
	Err     string    `json:"err,omitempty"`
	Hello   *hello    `json:"hello,omitempty"`
	Running []running `json:"running,omitempty"`
	Ended   *exit     `json:"ended,omitempty"` // an event
}

// hello is what a holder says of itself.
type hello struct {
	Wire  int    `json:"wire"`
	Build string `json:"build"` // of the binary, see buildID
	PID   int    `json:"pid"`
	features
}

// features are what the holder found that it can do, by trying.
type features struct {
	Namespaces bool   `json:"namespaces"`
	Why        string `json:"why,omitempty"` // if not Namespaces
	Overlay    bool   `json:"overlay"`       // overlay file systems above the data folder
	Memory     string `json:"memory"`        // how memory limits are kept: a cgroup folder, or ""
}

// running is an attempt that has not ended.
type running struct {
	Hash string      `json:"hash"`
	Key  attempt.Key `json:"key"`
	Need need        `json:"need"`
}

// order is all that a holder must know to run an attempt. What it names lies
// ready on disk.
type order struct {
	Hash string      `json:"hash"`
	Key  attempt.Key `json:"key"`
	Need need        `json:"need"`

	Paths []string `json:"paths"` // tried in turn for the program
	Argv  []string `json:"argv"`
	Env   []string `json:"env"`
	Dir   string   `json:"dir"` // working directory, as the attempt sees it
	Log   string   `json:"log"`

	// Root is the attempt's own folder of its private root; empty: no
	// namespaces. With Skeleton, which is what lies below, it is the writable
	// layer of an overlay that has Work for its workings.
	Root     string `json:"root,omitempty"`
	Skeleton string `json:"skeleton,omitempty"`
	Work     string `json:"work,omitempty"`
	// Skip are the host's top-level folders that Mounts have a layer over; the
	// others are in every root.
	Skip   []string `json:"skip,omitempty"`
	Mounts []mount  `json:"mounts,omitempty"`

	Capture     bool          `json:"capture,omitempty"`
	MaxRun      time.Duration `json:"maxRun,omitempty"`
	MemoryLimit int64         `json:"memoryLimit,omitempty"`
	// Record is where the exit record is written; empty: nowhere.
	Record string `json:"record,omitempty"`

	fence *fence // the holder's own
}

// mount is one step in building a private root. At is an absolute path in it.
type mount struct {
	Kind mountKind `json:"kind"`
	At   string    `json:"at"`
	From string    `json:"from,omitempty"` // on the host; of an overlay the lower folder
	// NoLinks says that From was found to lead through no symbolic link, and that
	// other attempts could have put one there since: then it is not mounted.
	NoLinks bool `json:"noLinks,omitempty"`
	// Upper and Work are an overlay's writable folders.
	Upper string `json:"upper,omitempty"`
	Work  string `json:"work,omitempty"`
}

type mountKind string

const (
	mountBind    mountKind = "bind"    // writable
	mountRead    mountKind = "read"    // bind, read-only
	mountOverlay mountKind = "overlay" // a writable layer over a folder that is not changed
)

// exit is how the command ended, before anything was made of it.
type exit struct {
	Hash     string      `json:"hash"`
	Key      attempt.Key `json:"key"`
	Started  time.Time   `json:"started"`
	Finished time.Time   `json:"finished"`
	Code     int         `json:"code"` // 128+n for signal n
	// Setup says why the attempt's surroundings could not be made; no command ran.
	Setup string `json:"setup,omitempty"`
	// Errno is why no program of Paths could be executed.
	Errno   int     `json:"errno,omitempty"`
	Stdout  *string `json:"stdout,omitempty"`
	TooLong bool    `json:"tooLong,omitempty"` // MaxRun was over
	OOM     bool    `json:"oom,omitempty"`     // the memory limit killed it
	Note    string  `json:"note,omitempty"`
}

func encodeLine(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("process: value of the wire cannot be encoded: " + err.Error())
	}
	return append(b, '\n')
}
