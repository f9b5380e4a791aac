package adopt

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// settleLimit is how long a reload is waited for.
const settleLimit = 10 * time.Second

var (
	pidDirective = regexp.MustCompile(`(?m)^\s*pid\s+([^;\s]+)\s*;`)
	pidBuiltIn   = regexp.MustCompile(`--pid-path=(\S+)`)
)

// workers are the processes of this nginx that take connections, its master
// aside; none, if that cannot be found.
func (s Switch) workers(ctx context.Context) []int {
	master := s.master(ctx)
	if master == 0 {
		return nil
	}
	tasks, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil
	}
	var out []int
	for _, task := range tasks {
		pid, _ := strconv.Atoi(filepath.Base(task))
		if parent(task) == master && takesConnections(pid) {
			out = append(out, pid)
		}
	}
	return out
}

// master is the process in nginx's file of its own number; 0 if there is none.
func (s Switch) master(ctx context.Context) int {
	file := ""
	if text, err := s.Run(ctx, "-T", "-q", "-c", s.Config); err == nil {
		file = second(pidDirective.FindStringSubmatch(text))
	}
	if file == "" {
		text, err := s.Run(ctx, "-V")
		if err != nil {
			return 0
		}
		file = second(pidBuiltIn.FindStringSubmatch(text))
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return pid
}

func second(found []string) string {
	if len(found) < 2 {
		return ""
	}
	return found[1]
}

// parent is the process that made the one in folder; 0 when it has ended. The
// name in the line is in brackets and may hold anything.
func parent(folder string) int {
	text, err := os.ReadFile(filepath.Join(folder, "stat"))
	if err != nil {
		return 0
	}
	rest := string(text)[strings.LastIndexByte(string(text), ')')+1:]
	fields := strings.Fields(rest)
	if len(fields) < 2 {
		return 0
	}
	pid, _ := strconv.Atoi(fields[1])
	return pid
}

// takesConnections reports whether pid holds a listening socket: a worker that
// was told to end closes them first.
func takesConnections(pid int) bool {
	folder := filepath.Join("/proc", strconv.Itoa(pid))
	listening := map[string]bool{}
	for _, k := range []struct {
		file      string
		at, inode int
		says      string
	}{
		{"tcp", 3, 9, "0A"}, {"tcp6", 3, 9, "0A"}, {"unix", 3, 6, "00010000"},
	} {
		text, err := os.ReadFile(filepath.Join(folder, "net", k.file))
		if err != nil {
			continue // it has ended, or there is no such family
		}
		for line := range strings.Lines(string(text)) {
			if f := strings.Fields(line); len(f) > k.inode && f[k.at] == k.says {
				listening["socket:["+f[k.inode]+"]"] = true
			}
		}
	}
	files, err := filepath.Glob(filepath.Join(folder, "fd", "*"))
	if err != nil {
		return false
	}
	return slices.ContainsFunc(files, func(file string) bool {
		to, err := os.Readlink(file)
		return err == nil && listening[to]
	})
}

// settled waits until none of the old workers takes connections, and reports
// whether that was seen. A reload is only a signal: without the wait, who
// connects next may meet a worker that is about to end.
func settled(ctx context.Context, old []int) bool {
	limited, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		busy := false
		for _, pid := range old {
			busy = busy || takesConnections(pid)
		}
		if !busy {
			return true
		}
		select {
		case <-tick.C:
		case <-limited.Done():
			return false
		}
	}
}
