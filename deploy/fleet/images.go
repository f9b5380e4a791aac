package fleet

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"teal/deploy/docker"
	"teal/deploy/fleet/ssh"
	"teal/reconcile"
)

// Images lists what the hosts that answer have of images, in the order in which
// they are configured. It is an error if none does.
func (f *Fleet) Images(ctx context.Context) ([]reconcile.HostImages, error) {
	found := make([][]reconcile.HostImages, len(f.members))
	errs := make([]error, len(f.members))
	var wg sync.WaitGroup
	for i, m := range f.members {
		if words, is := m.absent(); is && f.single == nil {
			errs[i] = errors.New(m.named("does not answer: " + words))
			continue
		}
		wg.Go(func() { found[i], errs[i] = m.engine.Images(ctx) })
	}
	wg.Wait()
	var out []reconcile.HostImages
	for i := range f.members {
		if errs[i] == nil {
			out = append(out, found[i]...)
		}
	}
	if len(out) == 0 {
		return nil, joined(errs)
	}
	return out, nil
}

// RemoveImage removes an image from the host that it names, never by force; gone
// is false if it is in use and stays.
func (f *Fleet) RemoveImage(ctx context.Context, r reconcile.ImageRemoval) (gone bool, err error) {
	m := f.find(r.Host)
	if m == nil {
		return false, errors.New(f.unknown(r.Host))
	}
	return m.engine.RemoveImage(ctx, r)
}

// Space returns what asks for the free space of a host's disk: this machine, or
// df behind ssh; nil where nobody can be asked.
func (h Host) Space(remote *ssh.Client) func(context.Context, string) (docker.Space, error) {
	switch {
	case strings.HasPrefix(h.URL, "unix://"):
		return docker.LocalSpace
	case remote == nil:
		return nil
	}
	return func(ctx context.Context, folder string) (docker.Space, error) {
		out, _, err := remote.Run(ctx, "df -P -k '"+strings.ReplaceAll(folder, "'", `'\''`)+"'", nil)
		if err != nil {
			return docker.Space{}, fmt.Errorf("df: %w", err)
		}
		return available(string(out))
	}
}

// available reads what df -P -k wrote: a headline, then device, size, used and
// available in KiB, share, folder.
func available(text string) (docker.Space, error) {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	fields := strings.Fields(lines[len(lines)-1])
	if len(lines) < 2 || len(fields) < 6 {
		return docker.Space{}, fmt.Errorf("df wrote %q", text)
	}
	total, errTotal := strconv.ParseUint(fields[1], 10, 53)
	free, errFree := strconv.ParseUint(fields[3], 10, 53)
	if errTotal != nil || errFree != nil {
		return docker.Space{}, fmt.Errorf("df wrote %q", text)
	}
	return docker.Space{Free: free << 10, Total: total << 10}, nil
}
