package webhook

import (
	"crypto/sha256"
	"os"
	"strings"
	"sync"
	"time"
)

// Of the calls that are remembered.
const (
	remembers = 24 * time.Hour
	mostSeen  = 4096 // of one source
)

// seen remembers calls by what was signed. The zero value is ready.
type seen struct {
	mu    sync.Mutex
	at    map[[sha256.Size]byte]time.Time
	order [][sha256.Size]byte // oldest first
}

// again reports whether sum was seen already, and remembers it.
func (s *seen) again(sum [sha256.Size]byte, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at == nil {
		s.at = map[[sha256.Size]byte]time.Time{}
	}
	for len(s.order) > 0 && (len(s.order) >= mostSeen || now.Sub(s.at[s.order[0]]) > remembers) {
		delete(s.at, s.order[0])
		s.order = s.order[1:]
	}
	if _, ok := s.at[sum]; ok {
		return true
	}
	s.at[sum] = now
	s.order = append(s.order, sum)
	return false
}

// has reports whether sum was seen, and remembers nothing.
func (s *seen) has(sum [sha256.Size]byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.at[sum]
	return ok
}

// bucket lets so many through at once, and one more each time.
type bucket struct {
	burst int
	each  time.Duration

	mu    sync.Mutex
	level map[string]time.Duration
	at    map[string]time.Time
}

// mostNames bounds what a bucket remembers; further names share one place.
const mostNames = 4096

// lets reports whether name may go on.
func (b *bucket) lets(name string, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.at == nil {
		b.level, b.at = map[string]time.Duration{}, map[string]time.Time{}
	}
	if _, known := b.at[name]; !known && len(b.at) >= mostNames {
		for other, at := range b.at {
			if now.Sub(at) >= b.level[other] {
				delete(b.at, other)
				delete(b.level, other)
			}
		}
		if len(b.at) >= mostNames {
			name = ""
		}
	}
	level := max(0, b.level[name]-now.Sub(b.at[name]))
	b.at[name], b.level[name] = now, level
	if level+b.each > time.Duration(b.burst)*b.each {
		return false
	}
	b.level[name] = level + b.each
	return true
}

// Of a file with secrets.
const (
	maxSecrets  = 64 << 10
	leastSecret = 16 // bytes: shorter ones can be tried out
)

// readSecrets returns the secrets of a file, one in each line.
func readSecrets(file string) ([]string, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var out []string
	for line := range strings.Lines(string(raw[:min(len(raw), maxSecrets)])) {
		if line = strings.TrimSpace(line); len(line) >= leastSecret {
			out = append(out, line)
		}
	}
	return out, nil
}
