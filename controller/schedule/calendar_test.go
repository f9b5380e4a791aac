package schedule

import (
	"errors"
	"strings"
	"testing"
	"time"

	"teal/reconcile"
	"teal/spec"
)

// when reads "2026-11-23 08:30" in Berlin.
func when(t *testing.T, text string) time.Time {
	t.Helper()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	at, err := time.ParseInLocation("2006-01-02 15:04", text, berlin)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// office is the same window in all of its forms that come again.
var office = []spec.Range{
	{Text: "Mon-Fri 09:00-17:00 Europe/Berlin"},
	{Text: "mon,tue,Wednesday,thu-fri 09:00-17:00 Europe/Berlin"},
	{Text: "0 9 * * 1-5 for 8h Europe/Berlin"},
	{Text: "CRON_TZ=Europe/Berlin 0 9 * * 1-5 for 8h"},
	{Cron: "0 9 * * 1-5", For: spec.Duration(8 * time.Hour), Zone: "Europe/Berlin"},
}

func TestWindowsOpenAndClose(t *testing.T) {
	for _, r := range office {
		calendars := []spec.Calendar{{Windows: []spec.Range{r}}}
		for now, want := range map[string]string{
			"2026-11-23 09:00": "", "2026-11-23 16:59": "", // a Monday
			"2026-11-23 08:59": "2026-11-23 09:00",
			"2026-11-23 17:00": "2026-11-24 09:00",
			"2026-11-27 18:00": "2026-11-30 09:00", // over the weekend
			"2026-03-27 18:00": "2026-03-30 09:00", // and over the change of the clock
		} {
			got := new(Book).Closed(calendars, when(t, now))
			switch {
			case want == "" && got != nil:
				t.Errorf("%s is closed at %s: %v", r, now, got)
			case want == "":
			case got == nil:
				t.Errorf("%s is open at %s", r, now)
			case !got.Next.Equal(when(t, want)) || got.Reason != reconcile.ReasonOutsideWindow:
				t.Errorf("%s at %s: next is %s (%s), want %s", r, now, got.Next, got.Reason, want)
			}
		}
	}
}

func TestFreezes(t *testing.T) {
	year := spec.Range{From: "2026-12-20", To: "2027-01-03", Zone: "Europe/Berlin", Why: "year end"}
	friday := spec.Range{Text: "Fri 14:00-24:00 Europe/Berlin"}
	own := spec.Calendar{Windows: office[:1], Freezes: []spec.Range{friday}}
	source := spec.Calendar{By: "source shop", Freezes: []spec.Range{year, {Text: "2027-01-04..2027-01-04T12:00 Europe/Berlin"}}}
	for _, c := range []struct{ now, next, words string }{
		{"2026-12-18 13:59", "", ""},
		{"2026-12-18 14:00", "2027-01-04 12:00", "frozen by Fri 14:00-24:00"},
		{"2026-12-19 10:00", "2027-01-04 12:00", "outside of its windows: Mon-Fri"},
		{"2026-12-21 10:00", "2027-01-04 12:00", "frozen (year end) by 2026-12-20..2027-01-03 Europe/Berlin (source shop)"},
		{"2027-01-03 23:59", "2027-01-04 12:00", "year end"}, // its last day is part of it
		{"2027-01-04 00:00", "2027-01-04 12:00", "frozen by 2027-01-04"},
		{"2027-01-04 12:00", "", ""},
	} {
		got := new(Book).Closed([]spec.Calendar{own, source}, when(t, c.now))
		switch {
		case c.next == "" && got != nil:
			t.Errorf("closed at %s: %v", c.now, got)
		case c.next == "":
		case got == nil || !got.Next.Equal(when(t, c.next)) || !strings.Contains(got.Message, c.words):
			t.Errorf("at %s: %v, want %s, %q", c.now, got, c.next, c.words)
		}
	}
}

func TestWhatNeverOpensSaysSo(t *testing.T) {
	for _, c := range []spec.Calendar{
		{Freezes: []spec.Range{{From: "2026-01-01"}}},
		{Windows: []spec.Range{{To: "2026-01-01"}}},
		{Windows: []spec.Range{{Text: "Mon 10:00-11:00"}}, Freezes: []spec.Range{{Text: "daily 00:00-24:00"}}},
		{Windows: []spec.Range{{Text: "gibberish"}}}, // refused at acceptance; here it must not open
	} {
		got := new(Book).Closed([]spec.Calendar{c}, when(t, "2026-11-23 10:30"))
		if got == nil || !got.Next.IsZero() || got.Message == "" {
			t.Errorf("%v: %v", c, got)
		}
	}
	if got := new(Book).Closed(nil, time.Now()); got != nil {
		t.Errorf("without a calendar: %v", got)
	}
}

// The clock in Berlin is put forward from 02:00 to 03:00 on 2026-03-29, and back
// from 03:00 to 02:00 on 2026-10-25.
func TestWindowsWhenTheClockIsPutForwardAndBack(t *testing.T) {
	cron := []spec.Calendar{{Windows: []spec.Range{{Text: "30 2 * * * for 1h Europe/Berlin"}}}}
	wall := []spec.Calendar{{Windows: []spec.Range{{Text: "daily 02:30-03:30 Europe/Berlin"}}}}
	open := func(calendars []spec.Calendar, from time.Time) (minutes int) {
		var b Book
		for m := range 24 * 60 {
			if b.Closed(calendars, from.Add(time.Duration(m)*time.Minute)) == nil {
				minutes++
			}
		}
		return minutes
	}
	for _, c := range []struct {
		day        string
		cron, wall int
	}{
		{"2026-03-28 12:00", 0, 0}, // 02:30 is left out
		{"2026-06-01 12:00", 60, 60},
		{"2026-10-24 12:00", 120, 60}, // 02:30 comes twice
	} {
		if got := open(cron, when(t, c.day)); got != c.cron {
			t.Errorf("cron, the night after %s: open for %d minutes, want %d", c.day, got, c.cron)
		}
		if got := open(wall, when(t, c.day)); got != c.wall {
			t.Errorf("on the wall, the night after %s: open for %d minutes, want %d", c.day, got, c.wall)
		}
	}
}

func TestNextIsTheFirstOpenMinute(t *testing.T) {
	calendars := []spec.Calendar{
		{Windows: []spec.Range{{Text: "Mon-Fri 22:00-02:00 America/New_York"}, {Text: "15 */6 * * * for 20m"}}},
		{By: "source shop", Windows: []spec.Range{{Text: "daily 03:00-12:30 Asia/Seoul"}}, Freezes: []spec.Range{{Text: "Tue,Thu 00:00-24:00 UTC"}}},
	}
	var b Book
	at := when(t, "2026-10-20 00:00")
	for range 500 {
		if c := b.Closed(calendars, at); c != nil && !c.Next.IsZero() {
			for m := at; m.Before(c.Next); m = m.Add(7 * time.Minute) {
				if b.Closed(calendars, m) == nil {
					t.Fatalf("at %s the next is %s, and it is open at %s", at, c.Next, m)
				}
			}
			if again := b.Closed(calendars, c.Next); again != nil {
				t.Fatalf("at %s the next is %s, where it is closed: %v", at, c.Next, again)
			}
		}
		at = at.Add(11 * time.Minute)
	}
}

func TestRangesAreRefused(t *testing.T) {
	for text, words := range map[string]string{
		"09:00-17:00":                           "days",
		"Mon-Fri 9-17":                          "time of day",
		"Mon-Fri 09:00-17:00 Berlin":            "no time zone",
		"Mon-Fri 09:00-17:00 Local":             "name the zone",
		"Mon-Fry 09:00-17:00":                   "no day",
		"Mon 09:00-09:00":                       "time of day",
		"Mon 24:00-09:00":                       "time of day",
		"Mon 09:00-25:00":                       "time of day",
		"Mon 09:00-17:00 UTC UTC":               "write days",
		"0 9 * * 1-5 for 8":                     "write 0 9",
		"0 9 * * 1-5 for 0s":                    "lasts",
		"0 9 * * 1-5 for 9000h":                 "lasts",
		"0 9 30 2 * for 1h":                     "never comes",
		"61 9 * * * for 1h":                     "end of range",
		"@every 1h for 1m":                      "@every",
		"CRON_TZ=UTC 0 9 * * 1-5 for 8h UTC":    "two time zones",
		"TZ= for 8h":                            "",
		"2026-12-20..2026-12-01":                "ends before",
		"..":                                    "neither",
		"2026-13-20..2026-12-01":                "no date",
		"2026-12-20..2027-01-03 UTC and others": "too much",
	} {
		err := Check(spec.Range{Text: text})
		if !errors.Is(err, ErrRange) || !strings.Contains(err.Error(), words) {
			t.Errorf("%q: %v, want words like %q", text, err, words)
		}
	}
}

func TestParseRanges(t *testing.T) {
	got, err := ParseRanges("Mon,Wed 09:00-17:00 Europe/Berlin, 0 9,17 * * 1,3 for 2h, 2026-12-20..2027-01-03,Sat 10:00-12:00")
	if err != nil || len(got) != 4 || got[1].Text != "0 9,17 * * 1,3 for 2h" || got[0].Text != "Mon,Wed 09:00-17:00 Europe/Berlin" {
		t.Errorf("%q, %v", got, err)
	}
	for _, text := range []string{"Mon", "Mon-Fri 09:00-12:00,13:00-17:00", "Mon-Fri 09:00-17:00,"} {
		if got, err := ParseRanges(text); (err == nil) != strings.HasSuffix(text, "17:00,") || err == nil && len(got) != 1 {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}

func FuzzRange(f *testing.F) {
	for _, s := range []string{"Mon-Fri 09:00-17:00 Europe/Berlin", "0 9 * * 1-5 for 8h", "2026-12-20..2027-01-03 UTC", "TZ= for 1h", "..", "a b c"} {
		f.Add(s)
	}
	at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		r := spec.Range{Text: text}
		if strings.TrimSpace(text) == "" || Check(r) != nil {
			return
		}
		for _, c := range []spec.Calendar{{Windows: []spec.Range{r}}, {Freezes: []spec.Range{r}}} {
			got := new(Book).Closed([]spec.Calendar{c}, at)
			if got != nil && !got.Next.IsZero() && !got.Next.After(at) {
				t.Errorf("%q: next %s is not after %s", text, got.Next, at)
			}
		}
	})
}
