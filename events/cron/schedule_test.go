package cron

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func at(t testing.TB, s string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestNext(t *testing.T) {
	const la = "America/Los_Angeles"
	for _, test := range []struct {
		name, line, zone, after string
		want                    string // times that follow one another
	}{
		{"a wall time that the clock skips does not come that day", "30 2 * * *", la, "2020-03-08T08:00:00Z", "2020-03-09T09:30:00Z 2020-03-10T09:30:00Z"},
		{"nor do its quarters", "*/15 2 * * *", la, "2020-03-08T09:00:00Z", "2020-03-09T09:00:00Z 2020-03-09T09:15:00Z 2020-03-09T09:30:00Z"},
		{"a wall time that comes twice is due twice", "30 1 * * *", la, "2020-11-01T07:30:00Z", "2020-11-01T08:30:00Z 2020-11-01T09:30:00Z 2020-11-02T09:30:00Z"},
		{"every hour is due also in the hour that comes twice", "0 * * * *", la, "2020-11-01T07:30:00Z", "2020-11-01T08:00:00Z 2020-11-01T09:00:00Z 2020-11-01T10:00:00Z 2020-11-01T11:00:00Z"},
		{"the zone may stand in the line", "CRON_TZ=America/Los_Angeles 30 2 * * *", "", "2020-03-08T08:00:00Z", "2020-03-09T09:30:00Z"},
		{"or be called TZ", "TZ=Asia/Tokyo 0 9 * * *", "", "2024-01-01T00:00:01Z", "2024-01-02T00:00:00Z"},
		{"day of month and day of week are either", "0 0 1,15 * 1", "", "2024-01-01T00:00:01Z", "2024-01-08T00:00:00Z 2024-01-15T00:00:00Z 2024-01-22T00:00:00Z 2024-01-29T00:00:00Z"},
		{"Sunday has a name", "0 0 * * SUN", "", "2024-01-01T00:00:01Z", "2024-01-07T00:00:00Z"},
		{"every so often counts from the time given", "@every 1h30m", "", "2024-01-01T00:00:01Z", "2024-01-01T01:30:01Z 2024-01-01T03:00:01Z"},
		{"@daily is midnight", "@daily", "", "2024-01-01T00:00:01Z", "2024-01-02T00:00:00Z"},
		{"a step may start later", "5/15 * * * *", "", "2024-01-01T00:00:01Z", "2024-01-01T00:05:00Z 2024-01-01T00:20:00Z"},
		{"a question mark is any", "0 0 ? * *", "", "2024-01-01T00:00:01Z", "2024-01-02T00:00:00Z"},
	} {
		t.Run(test.name, func(t *testing.T) {
			after := at(t, test.after)
			for want := range strings.SplitSeq(test.want, " ") {
				got, err := Next(test.line, test.zone, after)
				if err != nil || !got.Equal(at(t, want)) {
					t.Fatalf("after %s: %v, %v; want %s", after, got, err, want)
				}
				after = got
			}
		})
	}
}

func TestNextRefuses(t *testing.T) {
	for _, test := range []struct{ name, line, zone, want string }{
		{"Sunday as 7", "0 0 * * 7", "", "above maximum (6)"},
		{"seconds", "*/5 * * * * *", "", "expected exactly 5 fields"},
		{"minute 60", "60 * * * *", "", "above maximum (59)"},
		{"@reboot", "@reboot", "", "unrecognized descriptor"},
		{"the last day", "0 0 L * *", "", "failed to parse int"},
		{"an unknown zone", "0 0 * * *", "Moon/Crater", `timezone "Moon/Crater"`},
		{"a zone twice", "TZ=UTC 0 0 * * *", "UTC", "keep one"},
		{"a zone alone", "TZ=UTC", "", "nothing after it"},
		{"nothing", "", "", "empty spec string"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := Next(test.line, test.zone, at(t, "2024-01-01T00:00:00Z")); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v, want %q in it", err, test.want)
			}
		})
	}
	if _, err := Next("0 0 31 2 *", "", at(t, "2024-01-01T00:00:00Z")); !errors.Is(err, ErrNever) {
		t.Errorf("31 February: %v", err)
	}
}

// The latest time found by looking back is the last one found by looking forward.
func TestLatestIsTheLastOfAll(t *testing.T) {
	until := at(t, "2024-05-05T17:03:20Z")
	for _, line := range []string{"* * * * *", "*/7 3,17 * * *", "0 0 1 * *", "@every 7m", "@hourly", "0 0 31 2 *"} {
		s, err := parse(line, "UTC")
		if strings.HasPrefix(line, "@every") {
			s, err = parse(line, "")
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, back := range []time.Duration{0, time.Second, time.Minute, 61 * time.Minute, 50 * time.Hour, 40 * 24 * time.Hour} {
			var want time.Time
			for u := s.Next(until.Add(-back)); !u.IsZero() && !u.After(until); u = s.Next(u) {
				want = u
			}
			if got := s.latest(until.Add(-back), until); !got.Equal(want) {
				t.Errorf("%s since %s: got %s, want %s", line, back, got, want)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"0 3 * * *", "TZ=", "CRON_TZ=UTC @every 1s", "*/0 * * * *", "@every -1s", "1-0 * * * *"} {
		f.Add(s, "")
	}
	f.Fuzz(func(t *testing.T, line, zone string) {
		s, err := parse(line, zone)
		if err != nil {
			return
		}
		now := time.Unix(1700000000, 0).UTC()
		if n := s.Next(now); !n.IsZero() && !n.After(now) {
			t.Errorf("%q after %s is %s", line, now, n)
		}
	})
}
