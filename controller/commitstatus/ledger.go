package commitstatus

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// mostKept is how many commits of one app are kept in mind that are not settled.
const mostKept = 20

// ledger is what was written, oldest first, by what the status is about: an app,
// or a project. It is one file that is replaced at once.
type ledger struct {
	file    string
	entries map[string][]Written
}

// openLedger reads the file; whatever is wrong, what it returns can be used.
func openLedger(file string) (*ledger, error) {
	l := &ledger{file: file, entries: map[string][]Written{}}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return l, err
	}
	if err := json.Unmarshal(data, &l.entries); err != nil || l.entries == nil {
		l.entries = map[string][]Written{}
		return l, err
	}
	return l, nil
}

// of returns what was written of a commit; nil: nothing.
func (l *ledger) of(about, commit string) *Written {
	for i, w := range l.entries[about] {
		if w.Origin.Commit == commit {
			return &l.entries[about][i]
		}
	}
	return nil
}

// note keeps what was written; what is settled and not the newest is forgotten.
func (l *ledger) note(about string, w Written, newest string) error {
	had := l.of(about, w.Origin.Commit)
	if had != nil {
		*had = w
	} else {
		l.entries[about] = append(l.entries[about], w)
	}
	l.entries[about] = slices.DeleteFunc(l.entries[about], func(x Written) bool {
		return x.State.final() && x.Origin.Commit != newest
	})
	if over := len(l.entries[about]) - mostKept; over > 0 {
		l.entries[about] = slices.Delete(l.entries[about], 0, over)
	}
	if len(l.entries[about]) == 0 {
		delete(l.entries, about)
	}
	return l.save()
}

func (l *ledger) save() (err error) {
	data, err := json.Marshal(l.entries)
	if err != nil {
		return err
	}
	fresh, err := os.CreateTemp(filepath.Dir(l.file), filepath.Base(l.file)+".*") // mode 0600
	if err != nil {
		return err
	}
	_, err = fresh.Write(data)
	err = errors.Join(err, fresh.Sync(), fresh.Close())
	if err == nil {
		err = os.Rename(fresh.Name(), l.file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(fresh.Name()))
	}
	return nil
}
