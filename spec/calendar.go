package spec

import (
	"slices"
	"strings"
	"time"
)

// Keys beside x-teal for when rollouts may begin: also for dependencies, and on
// top of a file for all its services.
const (
	keyWindows = "x-teal-windows"
	keyFreezes = "x-teal-freezes"
)

// Calendar says when a new rollout may begin: inside one of its windows, if it
// has any, and outside of all its freezes.
type Calendar struct {
	By      string  `json:"by,omitempty"` // who set it, for people: "source shop"; empty: the file itself
	Windows []Range `json:"windows,omitempty"`
	Freezes []Range `json:"freezes,omitempty"`
}

// Range is time that comes again or comes once, as it was written. It has one of
// three forms: Text alone ("Mon-Fri 09:00-17:00 Europe/Berlin"), Cron and For
// (it begins whenever Cron says), or From and To (once). What Text, Cron, From,
// To and Zone mean is known to the controller only, see [Policy.CheckRange].
type Range struct {
	Text string   `json:"text,omitempty"`
	Cron string   `json:"cron,omitempty"` // five fields
	For  Duration `json:"for,omitempty"`
	From string   `json:"from,omitempty"` // a date or a moment; empty: since ever
	To   string   `json:"to,omitempty"`   // a date, which it includes, or a moment, which it does not
	Zone string   `json:"zone,omitempty"` // "Europe/Berlin"; empty: UTC
	Why  string   `json:"why,omitempty"`  // for people: "year end"
}

// maxRanges of one list, and maxRange bytes of one text: more is a mistake.
const (
	maxRanges = 100
	maxRange  = 200
)

// String returns r as people write it, in one line.
func (r Range) String() string {
	var out string
	switch {
	case r.Text != "":
		return r.Text
	case r.Cron != "":
		out = r.Cron + " for " + strings.TrimSuffix(strings.TrimSuffix(r.For.String(), "0s"), "0m")
	default:
		out = r.From + ".." + r.To
	}
	if r.Zone != "" {
		out += " " + r.Zone
	}
	return out
}

// Restricted returns p with calendar c on every service, beside those they have:
// a rollout then begins only when all of them let it. An empty c changes nothing.
func (p Project) Restricted(c Calendar) Project {
	if len(c.Windows)+len(c.Freezes) == 0 {
		return p
	}
	services := make([]Service, len(p.Services))
	for i, s := range p.Services {
		s.Calendars = append(slices.Clip(s.Calendars), c)
		services[i] = s
	}
	p.Services = services
	return p
}

// ranges reads a list of ranges, or one.
func (l *load) ranges(v value) []Range {
	items, ok := v.raw.([]any)
	if !ok {
		items = []any{v.raw}
		if v.raw == nil {
			return nil
		}
	}
	if len(items) > maxRanges {
		v.refuse("has more than 100 entries", "")
		return nil
	}
	var out []Range
	for i, raw := range items {
		at := v.at
		if ok {
			at = v.at.item(i)
		}
		wrong := false
		item := value{at, raw, func(f finding) { wrong = true; v.report(f) }}
		r := item.timeRange()
		if wrong {
			continue
		}
		if message := r.problem(l.opts.Policy); message != "" {
			item.refuse(message, rangeHint)
			continue
		}
		out = append(out, r)
	}
	return out
}

const rangeHint = `write "Mon-Fri 09:00-17:00 Europe/Berlin", {cron: "0 9 * * 1-5", for: 8h, zone: Europe/Berlin} or {from: 2026-12-20, to: 2027-01-03}`

// timeRange reads one range in any of its forms.
func (v value) timeRange() Range {
	if text, ok := v.raw.(string); ok {
		return Range{Text: strings.Join(strings.Fields(text), " ")}
	}
	var r Range
	f := v.fields("cron", "for", "from", "to", "zone", "why")
	for key, to := range map[string]*string{"cron": &r.Cron, "from": &r.From, "to": &r.To, "zone": &r.Zone, "why": &r.Why} {
		if x, ok := f[key]; ok {
			*to = strings.TrimSpace(x.moment())
		}
	}
	if d, ok := f["for"]; ok {
		r.For = d.positive()
	}
	return r
}

// moment is text that a YAML parser may have taken for a date.
func (v value) moment() string {
	at, ok := v.raw.(time.Time)
	switch {
	case !ok:
		return v.text()
	case at.Equal(at.Truncate(24 * time.Hour)):
		return at.Format(time.DateOnly)
	}
	return at.Format("2006-01-02T15:04:05Z07:00")
}

// problem says what is wrong with r; empty: nothing.
func (r Range) problem(p Policy) string {
	forms := 0
	for _, has := range []bool{r.Text != "", r.Cron != "" || r.For != 0, r.From != "" || r.To != ""} {
		if has {
			forms++
		}
	}
	switch {
	case forms != 1:
		return "is none of a text, {cron, for} and {from, to}, or more than one of them"
	case r.Text != "" && r.Zone != "":
		return "says its zone in the text"
	case r.Cron == "" && r.For != 0:
		return "has for, but no cron"
	case r.Cron != "" && r.For <= 0:
		return "needs for beside cron: how long it lasts"
	case len(r.String()) > maxRange || len(r.Why) > maxRange:
		return "is longer than 200 bytes"
	case p.CheckRange == nil:
		return ""
	}
	if err := p.CheckRange(r); err != nil {
		return err.Error()
	}
	return ""
}

// calendars reads when a service's rollouts may begin.
func (l *load) calendars(report func(finding), at path, service map[string]any) []Calendar {
	var c Calendar
	block := mapping(service["x-teal"])
	for _, k := range []struct {
		inside, beside string
		to             *[]Range
	}{{"windows", keyWindows, &c.Windows}, {"freezes", keyFreezes, &c.Freezes}} {
		inside, within := block[k.inside]
		beside, without := service[k.beside]
		switch {
		case within && without:
			report(finding{at: at.with(k.beside), message: "is there beside x-teal." + k.inside, hint: "write one of them"})
		case within:
			*k.to = l.ranges(value{at.with("x-teal", k.inside), inside, report})
		case without:
			*k.to = l.ranges(value{at.with(k.beside), beside, report})
		}
	}
	if len(c.Windows)+len(c.Freezes) == 0 {
		return nil
	}
	return []Calendar{c}
}

// calendars checks those of a service that came as JSON; those of files were
// checked as they were read.
func (c *checker) calendars(at path, s Service) {
	c.must(len(s.Calendars) <= maxRanges, at, "has more than 100 calendars")
	for _, calendar := range s.Calendars {
		c.must(len(calendar.By) <= maxRange, at, "a calendar's owner is longer than 200 bytes")
		for key, list := range map[string][]Range{keyWindows: calendar.Windows, keyFreezes: calendar.Freezes} {
			c.must(len(list) <= maxRanges, at.with(key), "has more than 100 entries")
			for i, r := range list {
				if message := r.problem(c.policy); message != "" {
					c.refuse(at.with(key).item(i), message, rangeHint)
				}
			}
		}
	}
}
