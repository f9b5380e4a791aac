package spec

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

const calendarFile = `name: shop
x-teal-windows: Mon-Fri 09:00-17:00 Europe/Berlin
services:
  web:
    image: web:1
    x-teal:
      route: {port: 80}
      windows:
        - {cron: "0 9 * * 1-5", for: 8h, zone: Europe/Berlin}
        - Sat 10:00-12:00
      freezes:
        - {from: 2026-12-20, to: 2027-01-03, why: year end}
  db:
    image: db:1
    x-teal-freezes: [daily 00:00-06:00 UTC]
`

func TestCalendarsAreRead(t *testing.T) {
	p := mustCompose(t, calendarFile)
	want := map[string][]Calendar{
		"web": {{
			Windows: []Range{{Cron: "0 9 * * 1-5", For: Duration(8 * time.Hour), Zone: "Europe/Berlin"}, {Text: "Sat 10:00-12:00"}},
			Freezes: []Range{{From: "2026-12-20", To: "2027-01-03", Why: "year end"}},
		}},
		"db": {{
			Windows: []Range{{Text: "Mon-Fri 09:00-17:00 Europe/Berlin"}},
			Freezes: []Range{{Text: "daily 00:00-06:00 UTC"}},
		}},
	}
	for _, s := range p.Services {
		if got := s.Calendars; !reflect.DeepEqual(got, want[s.Name.Service]) {
			t.Errorf("%s: %+v, want %+v", s.Name.Service, got, want[s.Name.Service])
		}
	}
}

func TestCalendarsThatAreNotUnderstood(t *testing.T) {
	for edit, wanted := range map[string]string{
		"windows: [soon]":              "compose.yaml:7: services.web.x-teal.windows[0]",
		"windows: soon":                "compose.yaml:7: services.web.x-teal.windows",
		"windows: [{cron: 0 9 * * *}]": "needs for",
		"windows: [{for: 8h}]":         "no cron",
		"windows: [{cron: 0 9 * * *, from: 2026-01-01, for: 1h}]": "more than one",
		"windows: [{zone: UTC}]":                                  "none of a text",
		"freezes: [{form: 2026-01-01}]":                           "unknown key",
		"freezes: [3]":                                            "must be a mapping",
		"freeze: []":                                              `did you mean "freezes"?`,
	} {
		text := "name: shop\nservices:\n  web:\n    image: web:1\n    x-teal:\n      route: {port: 80}\n      " + edit + "\n"
		_, err := Load(t.Context(), Options{Dir: files(t, map[string]string{"compose.yaml": text}), Policy: Policy{CheckRange: func(r Range) error {
			if r.Text == "soon" {
				return errors.New("not a time range")
			}
			return nil
		}}})
		if err == nil || !strings.Contains(err.Error(), wanted) {
			t.Errorf("%s: %v, want words like %q", edit, err, wanted)
		}
	}
}

func TestCalendarsAreNoneOfTheRevision(t *testing.T) {
	p := mustCompose(t, calendarFile)
	bare := mustCompose(t, strings.NewReplacer("x-teal-windows: Mon-Fri 09:00-17:00 Europe/Berlin\n", "").Replace(calendarFile))
	for i, s := range p.Services {
		o := bare.Services[i]
		if RevisionID(s.Container, 80, "d") != RevisionID(o.Container, 80, "d") {
			t.Errorf("%s has another revision", s.Name)
		}
		if same := Fingerprint(s) == Fingerprint(o); same != (s.Name.Service == "web") {
			t.Errorf("%s: the same wish: %t", s.Name, same)
		}
	}
	c := Calendar{By: "source shop", Freezes: []Range{{From: "2026-12-20"}}}
	if got := p.Restricted(c); len(got.Services[1].Calendars) != 2 || len(p.Services[1].Calendars) != 1 || got.Services[1].Calendars[1].By != "source shop" {
		t.Errorf("restricted: %+v, before: %+v", got.Services[1].Calendars, p.Services[1].Calendars)
	}
	if got := p.Restricted(Calendar{By: "x"}); !reflect.DeepEqual(got, *p) {
		t.Errorf("an empty calendar changed it")
	}
}
