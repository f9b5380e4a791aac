package main

import (
	"context"
	"fmt"
	"strings"
)

// endOrphans ends the processes of containers that a killed engine was starting
// and knows nothing of any more, as the restart of a host would: they keep
// addresses that the engine gives out again. While there were some, a good
// version may have failed because of it.
func (s *soaker) endOrphans(ctx context.Context) error {
	const shims = `for d in /proc/[0-9]*; do tr '\0' ' ' <$d/cmdline 2>/dev/null | grep -q '^[^ ]*containerd-shim' && echo "${d#/proc/} $(tr '\0' ' ' <$d/cmdline)"; done; true`
	out, err := s.stage.host.Run(ctx, "sh", "-c", shims)
	if err != nil {
		return fmt.Errorf("look for orphans: %w", err)
	}
	list, err := s.stage.bench.All(ctx)
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, c := range list {
		known[c.ID] = true
	}
	for line := range strings.Lines(string(out)) {
		pid, argv, _ := strings.Cut(strings.TrimSpace(line), " ")
		_, rest, ok := strings.Cut(argv, " -id ")
		id, _, _ := strings.Cut(rest, " ")
		if !ok || known[id] {
			continue
		}
		s.journal.write("end orphan", "", "%.12s, process %s", id, pid)
		if _, err := s.stage.host.Run(ctx, "sh", "-c", `kill -KILL $(cat /proc/$0/task/*/children) $0; true`, pid); err != nil {
			return fmt.Errorf("end an orphan: %w", err)
		}
		s.mu.Lock()
		for _, a := range all(s.projects) {
			a.sure = false
		}
		s.mu.Unlock()
	}
	return nil
}
