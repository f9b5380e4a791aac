package schedule

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // a host without zone files must not lose its windows

	"teal/spec"
)

// ErrRange is what every error about a deploy window or a freeze wraps.
var ErrRange = errors.New("not a time range")

// Limits of a cron expression's length of time.
const (
	shortestRange = time.Minute
	longestRange  = 366 * 24 * time.Hour
)

// Check says what is wrong with a deploy window or a freeze, for
// [spec.Policy].CheckRange.
func Check(r spec.Range) error {
	_, err := parseRange(r)
	return err
}

// ParseRanges reads several ranges of text form, with commas between them:
// "Mon-Fri 09:00-17:00 Europe/Berlin, Sat 10:00-12:00". Beside days and times of
// day, it reads "0 9 * * 1-5 for 8h Europe/Berlin" and
// "2026-12-20..2027-01-03 Europe/Berlin". Without a zone, UTC is meant.
func ParseRanges(list string) ([]spec.Range, error) {
	var out []spec.Range
	text := ""
	for item := range strings.SplitSeq(list, ",") {
		if text += item; !whole(text) { // the comma was one of "Mon,Wed" or "0 9,17 * * *"
			text += ","
			continue
		}
		r := spec.Range{Text: strings.Join(strings.Fields(text), " ")}
		if err := Check(r); err != nil {
			return nil, err
		}
		out, text = append(out, r), ""
	}
	if rest := strings.Trim(text, ", "); rest != "" {
		return nil, fmt.Errorf("%w: %q; write Mon-Fri 09:00-17:00 Europe/Berlin", ErrRange, rest)
	}
	return out, nil
}

// whole reports whether text says both when it begins and when it ends.
func whole(text string) bool {
	return strings.Contains(text, " for ") || strings.Contains(text, "..") || strings.Count(text, ":") >= 2
}

// parseRange reads r, in any of its forms.
func parseRange(r spec.Range) (span, error) {
	var s span
	var err error
	switch {
	case r.Text != "":
		s, err = parseText(strings.Fields(r.Text))
	case r.Cron != "":
		s, err = parseRecurring(r.Cron, r.For.D(), r.Zone)
	default:
		s, err = parseOnce(r.From, r.To, r.Zone)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %q: %w", ErrRange, r.String(), err)
	}
	return s, nil
}

func parseText(words []string) (span, error) {
	if from, to, ok := strings.Cut(words[0], ".."); ok {
		if len(words) > 2 {
			return nil, fmt.Errorf("%q is too much", strings.Join(words[2:], " "))
		}
		return parseOnce(from, to, strings.Join(words[1:], ""))
	}
	for i, w := range words {
		if w != "for" || i+1 == len(words) {
			continue
		}
		d, err := time.ParseDuration(words[i+1])
		if err != nil || len(words) > i+3 {
			return nil, errors.New("write 0 9 * * 1-5 for 8h Europe/Berlin")
		}
		return parseRecurring(strings.Join(words[:i], " "), d, strings.Join(words[i+2:], ""))
	}
	return parseWeekly(words)
}

// zone returns the place of a name; UTC without one.
func zone(name string) (*time.Location, error) {
	if strings.EqualFold(name, "local") {
		return nil, errors.New("a file means the same wherever it is read: name the zone, such as Europe/Berlin")
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("there is no time zone %q; write one such as Europe/Berlin or UTC", name)
	}
	return loc, nil
}

func parseRecurring(text string, lasts time.Duration, name string) (span, error) {
	prefixed := strings.HasPrefix(text, "CRON_TZ=") || strings.HasPrefix(text, "TZ=")
	loc, err := zone(name)
	switch {
	case err != nil:
		return nil, err
	case prefixed && name != "":
		return nil, errors.New("names two time zones")
	case strings.HasPrefix(text, "@every"):
		return nil, errors.New("@every has no beginning; write five fields, such as 0 9 * * 1-5")
	case lasts < shortestRange || lasts > longestRange:
		return nil, fmt.Errorf("lasts %s, which is not from 1m to %s", lasts, longestRange)
	case !prefixed:
		text = "CRON_TZ=" + loc.String() + " " + text
	}
	begins, err := parseCron(text)
	if err != nil {
		return nil, err
	}
	if begins.Next(someDay).IsZero() {
		return nil, errors.New("names a date that never comes")
	}
	return recurring{begins, lasts}, nil
}

func parseOnce(from, to, name string) (span, error) {
	loc, err := zone(name)
	if err != nil {
		return nil, err
	}
	var o once
	if from != "" {
		if o.from, err = moment(from, loc, 0); err != nil {
			return nil, err
		}
	}
	if to != "" {
		if o.to, err = moment(to, loc, 1); err != nil {
			return nil, err
		}
	}
	switch {
	case from == "" && to == "":
		return nil, errors.New("neither begins nor ends")
	case to != "" && !o.from.Before(o.to):
		return nil, errors.New("ends before it begins")
	}
	return o, nil
}

// moment reads a date, of which so many days are added, or a date and a time.
func moment(text string, loc *time.Location, days int) (time.Time, error) {
	if t, err := time.ParseInLocation(time.DateOnly, text, loc); err == nil {
		return t.AddDate(0, 0, days), nil
	}
	for _, form := range []string{"2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02T15:04:05", time.RFC3339} {
		if t, err := time.ParseInLocation(form, text, loc); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no date; write 2026-12-20, or 2026-12-20T18:00", text)
}

// weekdays by the first three letters, in the order of [time.Weekday].
var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

func parseWeekly(words []string) (span, error) {
	if len(words) < 2 || len(words) > 3 {
		return nil, errors.New("write days, times and a zone: Mon-Fri 09:00-17:00 Europe/Berlin, or daily 22:00-06:00 UTC")
	}
	var w weekly
	for item := range strings.SplitSeq(strings.ToLower(words[0]), ",") {
		if err := w.add(item); err != nil {
			return nil, err
		}
	}
	begin, end, ok := strings.Cut(words[1], "-")
	var err1, err2 error
	w.begin, err1 = minutes(begin)
	w.end, err2 = minutes(end)
	if !ok || err1 != nil || err2 != nil || w.begin == w.end || w.begin == 24*60 || w.end == 0 {
		return nil, fmt.Errorf("%q is no time of day; write 09:00-17:00, 22:00-06:00 or 00:00-24:00", words[1])
	}
	var err error
	w.zone, err = zone(strings.Join(words[2:], ""))
	return w, err
}

// add reads Mon, Mon-Fri or daily.
func (w *weekly) add(item string) error {
	if item == "daily" {
		item = "mon-sun"
	}
	first, last, isRange := strings.Cut(item, "-")
	if !isRange {
		last = first
	}
	from, to := weekday(first), weekday(last)
	if from < 0 || to < 0 {
		return fmt.Errorf("%q is no day; write Mon, Mon-Fri, Mon,Wed or daily", item)
	}
	for d := from; ; d = (d + 1) % 7 {
		w.days[d] = true
		if d == to {
			return nil
		}
	}
}

func weekday(name string) int {
	for i, short := range weekdays {
		full := strings.ToLower(time.Weekday(i).String())
		if name == short || name == full {
			return i
		}
	}
	return -1
}

// minutes reads 17:00.
func minutes(text string) (int, error) {
	h, m, _ := strings.Cut(text, ":")
	hours, err1 := strconv.Atoi(h)
	mins, err2 := strconv.Atoi(m)
	if err1 != nil || err2 != nil || len(h) != 2 || len(m) != 2 || hours < 0 || mins < 0 || mins > 59 || hours*60+mins > 24*60 {
		return 0, ErrRange
	}
	return hours*60 + mins, nil
}
