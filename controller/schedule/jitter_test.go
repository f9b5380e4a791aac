package schedule

import (
	"fmt"
	"testing"
	"time"
)

func TestJitterOfAnIntervalUsesItsWholeRange(t *testing.T) {
	s, err := Parse("30s")
	if err != nil {
		t.Fatal(err)
	}
	j := s.Jitter("shop", 0.1)
	at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	least, most, sum := time.Hour, time.Duration(0), time.Duration(0)
	const steps = 2000
	for range steps {
		next := j.Next(at)
		if again := j.Next(at); !again.Equal(next) {
			t.Fatalf("two answers to one question: %s, %s", next, again)
		}
		d := next.Sub(at)
		least, most, sum, at = min(least, d), max(most, d), sum+d, next
	}
	if least < 27*time.Second || least > 27100*time.Millisecond || most > 33*time.Second || most < 32900*time.Millisecond {
		t.Errorf("steps from %s to %s, want 27s to 33s", least, most)
	}
	if mean := sum / steps; mean < 29800*time.Millisecond || mean > 30200*time.Millisecond {
		t.Errorf("steps of %s on average", mean)
	}
	if d, ok := j.Every(); !ok || d != 30*time.Second || j.String() != "30s" {
		t.Errorf("it became %s, %s", d, j)
	}
}

func TestJitterOfCronMovesAllByTheSame(t *testing.T) {
	s, err := Parse("CRON_TZ=UTC */5 * * * *")
	if err != nil {
		t.Fatal(err)
	}
	shifts := map[time.Duration]bool{}
	for n := range 50 {
		j := s.Jitter(fmt.Sprint("source-", n), 0.1)
		at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
		first := j.Next(at)
		shift := first.Sub(first.Truncate(5 * time.Minute))
		if shift < 0 || shift > 30*time.Second {
			t.Errorf("shifted by %s, want at most a tenth of 5 minutes", shift)
		}
		shifts[shift] = true
		for at = first; at.Before(first.Add(2 * time.Hour)); {
			next := j.Next(at)
			if next.Sub(at) != 5*time.Minute {
				t.Fatalf("from %s to %s", at, next)
			}
			at = next
		}
	}
	if len(shifts) < 45 {
		t.Errorf("50 sources have %d shifts", len(shifts))
	}
}

// TestCronWhenTheClockIsPutForwardAndBack says what becomes of 02:30 in Berlin:
// it is left out on the day without it, and comes twice on the day that has two.
func TestCronWhenTheClockIsPutForwardAndBack(t *testing.T) {
	s, err := Parse("CRON_TZ=Europe/Berlin 30 2 * * *")
	if err != nil {
		t.Fatal(err)
	}
	for from, want := range map[string]int{"2026-03-28 12:00": 0, "2026-06-01 12:00": 1, "2026-10-24 12:00": 2} {
		n := 0
		begin := when(t, from)
		for at := s.Next(begin); at.Before(begin.Add(24 * time.Hour)); at = s.Next(at) {
			n++
		}
		if n != want {
			t.Errorf("in the day after %s it comes %d times, want %d", from, n, want)
		}
	}
}
