package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Marks in the names of stores that were moved aside.
const (
	markAside   = ".aside-"
	markDamaged = ".damaged-"
)

// maxDamaged is how many damaged stores are kept: a disk that damages one after
// the other must not fill up with them.
const maxDamaged = 5

// MoveAside renames the store at path, whatever its condition, so that the next
// [Open] makes an empty one, and returns the name it is kept under. It refuses
// with a [LockedError] while any process, this one too, has it open.
func MoveAside(path string) (kept string, err error) { return moveAside(path, markAside) }

// MoveDamagedAside is MoveAside for a store that [Open] found damaged: it is kept
// under a name that [Damaged] lists. Of the files kept so, the newest five stay.
func MoveDamagedAside(path string) (kept string, err error) {
	if kept, err = moveAside(path, markDamaged); err != nil {
		return "", err
	}
	list, err := Damaged(path)
	if err != nil {
		return kept, err
	}
	for _, old := range list[:max(0, len(list)-maxDamaged)] {
		if info, err := os.Lstat(old); err != nil || !info.Mode().IsRegular() {
			continue // what was put in the store's place is not ours
		}
		if err := os.Remove(old); err != nil {
			return kept, fmt.Errorf("remove the oldest damaged store: %w", err)
		}
	}
	return kept, nil
}

// Damaged lists the damaged stores that are kept beside path, oldest first.
func Damaged(path string) ([]string, error) {
	list, err := filepath.Glob(globbed(path) + markDamaged + "*")
	if err != nil {
		return nil, fmt.Errorf("list damaged stores: %w", err)
	}
	slices.Sort(list)
	return list, nil
}

// globbed is path for a pattern that is to match it alone.
func globbed(path string) string {
	var out []byte
	for i := range len(path) {
		if c := path[i]; c == '*' || c == '?' || c == '[' || c == '\\' {
			out = append(out, '\\')
		}
		out = append(out, path[i])
	}
	return string(out)
}

func moveAside(path, mark string) (kept string, err error) {
	lock, err := acquire(path, DefaultLockTimeout)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, lock.release()) }()
	return renameAside(path, mark)
}

// renameAside does it while this process holds the lock.
func renameAside(path, mark string) (kept string, err error) {
	if _, err := os.Lstat(path); err != nil {
		return "", fmt.Errorf("move the store aside: %w", err)
	}
	kept, err = asideName(path, mark)
	if err != nil {
		return "", fmt.Errorf("move %s aside: %w", path, err)
	}
	if err := os.Rename(path, kept); err != nil {
		return "", fmt.Errorf("move %s aside: %w", path, err)
	}
	if err := syncFolder(path); err != nil {
		return kept, fmt.Errorf("move %s aside: %w", path, err)
	}
	return kept, nil
}

// asideName is a free name to keep the store at path under.
func asideName(path, mark string) (string, error) {
	return freeName(path + mark + time.Now().UTC().Format("20060102T150405.000000Z"))
}

// freeName returns name, or name-2, name-3 … if it is taken.
func freeName(name string) (string, error) {
	for n := 1; ; n++ {
		candidate := name
		if n > 1 {
			candidate = fmt.Sprintf("%s-%d", name, n)
		}
		_, err := os.Lstat(candidate)
		if errors.Is(err, fs.ErrNotExist) {
			return candidate, nil
		}
		if err != nil {
			return "", err
		}
	}
}
