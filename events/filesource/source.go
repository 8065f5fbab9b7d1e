// Package filesource is the event source of kind file: it watches a folder and
// says which files came, changed or went. What it has seen is kept in a Cursor,
// so that a file that came while nobody watched is noticed, once.
//
// The folder's listing is the truth; notifications of the system only say when
// to look, and polling looks anyway. A file is announced when it is settled:
// closed by all who write to it where the system can tell, else quiet for a
// while; one that is renamed into place is settled at once.
package filesource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"path/filepath"
	"strconv"
	"time"

	eventsv1 "github.com/argoproj/argo-events/pkg/apis/events/v1alpha1"

	"github.com/pawl-dev/pawl/events"
)

// Kind is the type of the events.
const Kind = "file"

// Cursor is the memory of a Source, kept as JSON. The zero Cursor is that of a
// source that never ran: it takes the files that are there as known.
type Cursor struct {
	// Watch says which files are meant; when that changes, those there are known.
	Watch eventsv1.WatchPathConfig `json:"watch"`
	Files map[string]File          `json:"files"`
}

// Config is what a Source needs. Source, Event, Spec, Emit and Save are required.
type Config struct {
	// Source and Event name the EventSource and the event in it.
	Source, Event string
	Spec          eventsv1.FileEventSource
	// Cursor is what Save was given last, before a restart.
	Cursor Cursor
	// Emit takes an event and returns when it is durable. It may be given an
	// event again, with the same ID. After an error it is tried again.
	Emit func(context.Context, events.Event) error
	// Save keeps the cursor; after an error it is called again. The cursor is its
	// own until it returns.
	Save func(context.Context, Cursor) error
	// Now tells the time; default time.Now.
	Now func() time.Time
	// Quiet is how long a file must not change to be settled where the system
	// cannot tell that it is closed; default 2 s.
	Quiet time.Duration
	// Poll is how often a folder is listed that polling is asked for, or that
	// the system does not watch; default 1 s.
	Poll time.Duration
	// Log is where trouble with the folder is said; default nowhere.
	Log *slog.Logger
}

// Source watches one file event of an EventSource.
type Source struct {
	cfg    Config
	match  matcher
	cursor Cursor
	saved  bool
	// unsettled is the files that changed and may change more.
	unsettled map[string]unsettled
	// listed is the last listing by inode, with the names that do not match: a
	// file that is renamed into place was there under another name.
	listed map[uint64]namedFile
	said   hints
}

type namedFile struct {
	name string
	File
}

type unsettled struct {
	file  File
	since time.Time
}

// New checks the configuration.
func New(cfg Config) (*Source, error) {
	m, problems := matcherOf("spec.file."+cfg.Event, cfg.Spec)
	if err := problems.Err(); err != nil {
		return nil, fmt.Errorf("event source %s: %w", cfg.Source, err)
	}
	if cfg.Source == "" || cfg.Event == "" || cfg.Emit == nil || cfg.Save == nil {
		return nil, errors.New("file source: Source, Event, Emit and Save are required")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Quiet <= 0 {
		cfg.Quiet = 2 * time.Second
	}
	if cfg.Poll <= 0 {
		cfg.Poll = time.Second
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	cfg.Log = cfg.Log.With("eventSource", cfg.Source, "event", cfg.Event, "directory", m.directory)
	known := maps.Clone(cfg.Cursor.Files)
	if known == nil {
		known = map[string]File{}
	}
	return &Source{
		cfg: cfg, match: m, unsettled: map[string]unsettled{}, said: hints{}, saved: true,
		cursor: Cursor{Watch: cfg.Cursor.Watch, Files: known},
	}, nil
}

// pass lists the folder once, announces what is settled and saves the cursor.
// With an error nothing is lost: the next pass finds the same again.
func (s *Source) pass(ctx context.Context) error {
	found, err := scan(s.match.directory)
	first := s.cursor.Watch != s.cfg.Spec.WatchPathConfig
	if err != nil && !(first && errors.Is(err, fs.ErrNotExist)) {
		return err // a folder that cannot be read says nothing about its files
	}
	if first { // a folder that is not there yet is an empty one
		s.cursor = Cursor{Watch: s.cfg.Spec.WatchPathConfig, Files: s.matching(found)}
		s.listed = byInode(found)
		return errors.Join(err, s.save(ctx))
	}
	for _, c := range diff(s.cursor.Files, found, s.match.matches, s.said) {
		if c.op&(events.FileCreate|events.FileWrite) != 0 && !s.settled(c) {
			continue
		}
		if err := s.announce(ctx, c); err != nil {
			return err
		}
	}
	maps.DeleteFunc(s.unsettled, func(name string, _ unsettled) bool { _, ok := found[name]; return !ok })
	s.listed, s.said = byInode(found), s.stillSaid()
	if !s.saved {
		return s.save(ctx)
	}
	return nil
}

// stillSaid keeps what was said of files that are not settled yet.
func (s *Source) stillSaid() hints {
	said := hints{}
	for name := range s.unsettled {
		if op := s.said[name]; op != 0 {
			said[name] = op
		}
	}
	return said
}

func (s *Source) matching(found map[string]File) map[string]File {
	m := map[string]File{}
	for name, f := range found {
		if s.match.matches(name) {
			m[name] = f
		}
	}
	return m
}

// settled reports whether a new or changed file is complete.
func (s *Source) settled(c change) bool {
	now := s.cfg.Now()
	u, ok := s.unsettled[c.name]
	if !ok || !u.file.sameContent(c.file) {
		u = unsettled{file: c.file, since: now}
		s.unsettled[c.name] = u
	}
	open, known := writers(filepath.Join(s.match.directory, c.name))
	switch {
	case known && open:
		return false
	case s.renamed(c):
		return true
	case known && c.file.Size > 0:
		return true
	}
	// An empty file is meant so, or somebody is about to fill it.
	quiet := now.Sub(u.since)
	if old := now.Sub(c.file.ModTime); old > quiet {
		quiet = old
	}
	return quiet >= s.cfg.Quiet
}

// renamed reports whether the file was there before under another name.
func (s *Source) renamed(c change) bool {
	was, ok := s.listed[c.file.Inode]
	return ok && was.name != c.name && was.sameContent(c.file)
}

// byInode indexes a listing, without files that have no inode.
func byInode(found map[string]File) map[uint64]namedFile {
	index := make(map[uint64]namedFile, len(found))
	for name, f := range found {
		index[f.Inode] = namedFile{name, f}
	}
	delete(index, 0)
	return index
}

// announce emits the event of a change, if it is of the kind asked for, and
// moves the cursor on.
func (s *Source) announce(ctx context.Context, c change) error {
	if c.op&s.match.op != 0 {
		e, err := s.event(c)
		if err != nil {
			return err
		}
		if err := s.cfg.Emit(ctx, e); err != nil {
			return fmt.Errorf("emitting the event of file %s: %w", c.name, err)
		}
	}
	if c.op&(events.FileRemove|events.FileRename) != 0 {
		delete(s.cursor.Files, c.name)
	} else {
		s.cursor.Files[c.name] = c.file
	}
	delete(s.unsettled, c.name)
	s.saved = false
	return nil
}

// event has the payload of Argo Events. The ID is made of what the file is, so
// that one occurrence has one ID however often it is found.
func (s *Source) event(c change) (events.Event, error) {
	op := c.op & s.match.op
	data, err := json.Marshal(struct {
		Name     string            `json:"name"`
		Op       events.FileOp     `json:"op"`
		Metadata map[string]string `json:"metadata"`
	}{filepath.Join(s.match.directory, c.name), op, s.cfg.Spec.Metadata})
	if err != nil {
		return events.Event{}, fmt.Errorf("encoding the event of file %s: %w", c.name, err)
	}
	return events.Event{
		ID: events.NewID(Kind, s.cfg.Source, s.cfg.Event, s.match.directory, c.name, op.String(),
			strconv.FormatInt(c.file.Size, 10), strconv.FormatInt(c.file.ModTime.UnixNano(), 10)),
		Source: s.cfg.Source, Type: Kind, Subject: s.cfg.Event, Time: s.cfg.Now().UTC(), Data: data,
	}, nil
}

func (s *Source) save(ctx context.Context) error {
	if err := s.cfg.Save(ctx, Cursor{Watch: s.cursor.Watch, Files: maps.Clone(s.cursor.Files)}); err != nil {
		return fmt.Errorf("saving the cursor of folder %s: %w", s.match.directory, err)
	}
	s.saved = true
	return nil
}
