package schedule

import (
	"errors"
	"testing"
	"time"
)

func TestScheduleNext(t *testing.T) {
	from := time.Date(2026, 11, 22, 10, 2, 30, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"30s":                             from.Add(30 * time.Second),
		" 1h30m ":                         from.Add(90 * time.Minute),
		"@every 1m":                       from.Add(time.Minute),
		"CRON_TZ=UTC */5 * * * *":         time.Date(2026, 11, 22, 10, 5, 0, 0, time.UTC),
		"CRON_TZ=Asia/Seoul 0 9 * * *":    time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC),
		"CRON_TZ=UTC @hourly":             time.Date(2026, 11, 22, 11, 0, 0, 0, time.UTC),
		"CRON_TZ=UTC 0 0 29 2 *":          time.Date(2028, 2, 29, 0, 0, 0, 0, time.UTC),
		"TZ=UTC 15 10 * * mon-fri":        time.Date(2026, 11, 23, 10, 15, 0, 0, time.UTC),
		"CRON_TZ=America/New_York @daily": time.Date(2026, 11, 23, 5, 0, 0, 0, time.UTC),
	} {
		s, err := Parse(text)
		if err != nil {
			t.Errorf("Parse(%q): %v", text, err)
			continue
		}
		if got := s.Next(from); !got.Equal(want) {
			t.Errorf("%q: next is %s, want %s", text, got, want)
		}
	}
}

func TestScheduleRefuses(t *testing.T) {
	for _, text := range []string{
		"", "   ", "0s", "10ms", "-5s", "@every 0s", "@every -1m", "@every", "@every soon", "@never",
		"TZ=", "TZ=UTC", "CRON_TZ=", "CRON_TZ=Nowhere/City * * * * *", "* * * *", "* * * * * *",
		"61 * * * *", "*/0 * * * *", "0 0 31 2 *", "0 0 30 2 *", "CRON_TZ=UTC 0 0 31 4 *", "\x00",
	} {
		if s, err := Parse(text); !errors.Is(err, ErrSchedule) {
			t.Errorf("Parse(%q) = %v, %v; want ErrSchedule", text, s, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"30s", "TZ=", "@every 1s", "*/5 * * * *", "CRON_TZ=UTC 1 2 3 4 5", "1-2/3,4 * * * *"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if err != nil {
			return
		}
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		if next := s.Next(now); !next.After(now) {
			t.Errorf("%q: next %s is not after %s", text, next, now)
		}
	})
}
