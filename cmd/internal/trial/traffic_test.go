package trial

import (
	"testing"
	"time"

	"teal/cmd/load/loadgen"
)

func TestOnlyVersion(t *testing.T) {
	at := func(ms int) time.Time { return time.UnixMilli(int64(1_000_000 + ms)) }
	seen := func(first, last int) loadgen.Seen {
		return loadgen.Seen{Count: 1, FirstSent: at(first), LastSent: at(last)}
	}
	for name, c := range map[string]struct {
		seen  map[string]loadgen.Seen
		since int
		done  bool
	}{
		"the new one has not answered":           {map[string]loadgen.Seen{"v1": seen(0, 990)}, 0, false},
		"both answer":                            {map[string]loadgen.Seen{"v1": seen(0, 990), "v2": seen(500, 995)}, 990, false},
		"the old one may come back":              {map[string]loadgen.Seen{"v1": seen(0, 900), "v2": seen(905, 995)}, 905, false},
		"the old one is gone":                    {map[string]loadgen.Seen{"v1": seen(0, 500), "v2": seen(505, 995)}, 505, true},
		"the old one answered after the new one": {map[string]loadgen.Seen{"v1": seen(0, 600), "v2": seen(505, 995)}, 600, true},
		"nothing was sent since":                 {map[string]loadgen.Seen{"v1": seen(0, 600), "v2": seen(505, 600)}, 600, false},
	} {
		since, done := onlyVersion(c.seen, "v2", at(1000))
		if done != c.done || (c.since > 0 && !since.Equal(at(c.since))) {
			t.Errorf("%s: since %s, done %t", name, since, done)
		}
	}
}
