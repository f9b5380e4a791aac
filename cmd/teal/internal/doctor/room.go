package doctor

import (
	"context"
	"errors"

	"github.com/docker/go-units"

	"teal/deploy/docker"
)

// Room checks that there is room for a pull: more free space where an engine
// keeps its images than a pull must leave. Where that cannot be known, pulls are
// not guarded, and it says so.
func Room(ctx context.Context, check string, room func(context.Context) (docker.Space, uint64, error)) Finding {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	space, least, err := room(ctx)
	switch {
	case errors.Is(err, docker.ErrSpaceUnknown):
		return good(check, "pulls are not guarded: %v; there: df -h /var/lib/docker", err)
	case err != nil:
		return wrong(check, "teal doctor, once the engine answers", "%v", err)
	case least == 0:
		return good(check, "%s free; pulls are not guarded: --disk-reserve is 0", units.BytesSize(float64(space.Free)))
	case space.Free < least:
		return wrong(check, "docker system df; docker image prune -a", "%s free, and a pull must leave %s: nothing is pulled until there is room",
			units.BytesSize(float64(space.Free)), units.BytesSize(float64(least)))
	}
	return good(check, "%s free, of which a pull must leave %s", units.BytesSize(float64(space.Free)), units.BytesSize(float64(least)))
}

// Records tells how large the records are; none are small.
func Records(path string) Finding {
	size, err := sizeOf(path)
	switch {
	case err != nil:
		return wrong("records", "ls -l "+path, "%v", err)
	case size > mostRecords:
		return wrong("records", "teal events, and look for what repeats", "%s has %s, far more than history needs", path, units.BytesSize(float64(size)))
	}
	return good("records", "%s, %s", path, units.BytesSize(float64(size)))
}
