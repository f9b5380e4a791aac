package trial

import (
	"context"
	"time"

	"teal/cmd/load/loadgen"
)

// Traffic waits until version alone answers client, counted from its last lap,
// and returns since when that is: the later of the first request that version
// answered and the last one that another did.
func (t *Trial) Traffic(ctx context.Context, client *loadgen.Generator, version string) (time.Time, error) {
	var since time.Time
	err := t.Until(ctx, version+" alone answers", func() (bool, error) {
		var done bool
		since, done = onlyVersion(client.SinceLap(), version, time.Now())
		return done, nil
	})
	return since, err
}

// settled is how long no other version may have answered.
const settled = 200 * time.Millisecond

// onlyVersion reports since when every request was answered by version, and
// whether that was long enough before now to believe it.
func onlyVersion(seen map[string]loadgen.Seen, version string, now time.Time) (time.Time, bool) {
	mine, ok := seen[version]
	if !ok {
		return time.Time{}, false
	}
	since := mine.FirstSent
	for v, s := range seen {
		if v != version && s.LastSent.After(since) {
			since = s.LastSent
		}
	}
	return since, now.Sub(since) > settled && mine.LastSent.After(since)
}
