package notify

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// position is how far a target was told.
type position struct {
	After uint64    `json:"after"` // number of the last event that it was told of, or did not want
	At    time.Time `json:"at"`    // when that happened
	// Skip: events until then were told before the records were rebuilt or restored.
	Skip time.Time `json:"skip,omitzero"`
}

// positions are those of all targets, in one file that is replaced at once.
type positions struct {
	file    string
	mu      sync.Mutex
	targets map[string]position
}

// readPositions reads the file; whatever is wrong, what it returns can be used.
func readPositions(file string) (*positions, error) {
	p := &positions{file: file, targets: map[string]position{}}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal(data, &p.targets); err != nil || p.targets == nil {
		p.targets = map[string]position{}
		return p, err
	}
	return p, nil
}

// keep forgets targets that are none any more, and begins with those that are new.
func (p *positions) keep(names []string, fresh position) {
	p.mu.Lock()
	defer p.mu.Unlock()
	had := p.targets
	p.targets = map[string]position{}
	for _, n := range names {
		at, known := had[n]
		if !known {
			at = fresh
		}
		p.targets[n] = at
	}
}

func (p *positions) of(name string) position {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.targets[name]
}

// set moves a target on; it is on the disk when it returns without an error.
func (p *positions) set(name string, at position) error {
	p.mu.Lock()
	p.targets[name] = at
	p.mu.Unlock()
	return p.write()
}

func (p *positions) write() (err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	data, err := json.Marshal(p.targets)
	if err != nil {
		return err
	}
	fresh, err := os.CreateTemp(filepath.Dir(p.file), filepath.Base(p.file)+".*") // mode 0600
	if err != nil {
		return err
	}
	_, err = fresh.Write(data)
	err = errors.Join(err, fresh.Sync(), fresh.Close())
	if err == nil {
		err = os.Rename(fresh.Name(), p.file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(fresh.Name()))
	}
	return nil
}
