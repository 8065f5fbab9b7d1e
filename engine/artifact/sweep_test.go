package artifact

import (
	"errors"
	"testing"
	"time"
)

func TestSweepRemovesWhatNobodyKeeps(t *testing.T) {
	s := open(t)
	kept, gone := put(t, s, file(t, "kept")), put(t, s, tree{"d/a": "gone"}.write(t))
	keep := func(digest string) bool { return digest == kept.Digest }
	removed, err := s.Sweep(t.Context(), time.Now().Add(-time.Hour), keep)
	if err != nil || len(removed) > 0 {
		t.Errorf("what is young was removed: %v, %v", removed, err)
	}
	removed, err = s.Sweep(t.Context(), time.Now().Add(time.Hour), keep)
	if err != nil || len(removed) != 1 || removed[0] != gone.Digest {
		t.Errorf("removed %v, %v, want %s", removed, err, gone.Digest)
	}
	if _, err := s.Path(gone); !errors.Is(err, ErrNotFound) {
		t.Errorf("Path of a swept artifact: %v", err)
	}
	must(t, s.Verify(t.Context(), kept))
	if again := put(t, s, tree{"d/a": "gone"}.write(t)); again != gone {
		t.Errorf("put again it is %+v, want %+v", again, gone)
	}
}
