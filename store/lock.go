package store

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// lockPoll is the time between two tries to get the lock.
const lockPoll = 20 * time.Millisecond

// lockFile is an exclusive lock on a file beside the store. It exists besides
// bbolt's own lock to cover creation and moving aside, when the store's file
// comes and goes, and to name its holder where /proc/locks does not. It is never
// deleted: a deleted lock file could be locked twice.
type lockFile struct {
	file *os.File
}

// acquire locks the store at path for this process, within timeout.
func acquire(path string, timeout time.Duration) (*lockFile, error) {
	name := path + ".lock"
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	if err := flockWithin(file, timeout); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = &LockedError{PID: holder(name), Path: path}
		} else {
			err = fmt.Errorf("lock %s: %w", path, err)
		}
		return nil, errors.Join(err, file.Close())
	}
	l := &lockFile{file: file}
	if err := l.sign(); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), l.release())
	}
	return l, nil
}

// flockWithin tries to lock file until timeout has passed.
func flockWithin(file *os.File, timeout time.Duration) error {
	limit := time.NewTimer(timeout)
	defer limit.Stop()
	poll := time.NewTicker(lockPoll)
	defer poll.Stop()
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return err
		}
		select {
		case <-limit.C:
			return syscall.EWOULDBLOCK
		case <-poll.C:
		}
	}
}

// sign writes this process's id into the lock file, and in which pid namespace
// it has it: "4711 pid:[4026531836]".
func (l *lockFile) sign() error {
	if err := l.file.Truncate(0); err != nil {
		return err
	}
	_, err := l.file.WriteAt([]byte(strconv.Itoa(os.Getpid())+" "+pidNamespace()+"\n"), 0)
	return err
}

// pidNamespace names the namespace in which this process's ids mean something;
// empty if the system does not say.
func pidNamespace() string {
	name, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return ""
	}
	return name
}

// release lets another process have the lock.
func (l *lockFile) release() error {
	if err := l.file.Close(); err != nil {
		return fmt.Errorf("unlock %s: %w", l.file.Name(), err)
	}
	return nil
}

// holder returns the id of the process that has the file at name locked: in the
// kernel's words if it lists the lock, else in the holder's own, written into
// the file; 0 if neither says. The kernel does not list a process of another pid
// namespace, and lists another device number than stat on some file systems. The
// holder's own words count only in its namespace: elsewhere its id is another's.
func holder(name string) int {
	if pid := kernelHolder(name); pid > 0 {
		return pid
	}
	raw, err := os.ReadFile(name)
	if err != nil {
		return 0
	}
	id, namespace, _ := strings.Cut(strings.TrimSpace(string(raw)), " ")
	if namespace != pidNamespace() {
		return 0
	}
	pid, err := strconv.Atoi(id)
	if err != nil || pid <= 0 || errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return 0
	}
	return pid
}

// kernelHolder looks the lock of the file at name up in /proc/locks; 0 if it is
// not there.
func kernelHolder(name string) int {
	var st unix.Stat_t
	if err := unix.Stat(name, &st); err != nil {
		return 0
	}
	locks, err := os.Open("/proc/locks")
	if err != nil {
		return 0
	}
	defer func() { _ = locks.Close() }() // only read
	return findFlock(locks, fmt.Sprintf("%02x:%02x:%d", unix.Major(st.Dev), unix.Minor(st.Dev), st.Ino))
}

// findFlock returns the holder of the flock on the file id ("major:minor:inode")
// in a listing such as
//
//	3: FLOCK  ADVISORY  WRITE 4711 fe:01:131090 0 EOF
//	3: -> FLOCK  ADVISORY  WRITE 4712 fe:01:131090 0 EOF   (waits)
func findFlock(list io.Reader, id string) int {
	lines := bufio.NewScanner(list)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 6 || f[1] != "FLOCK" || f[5] != id {
			continue
		}
		if pid, err := strconv.Atoi(f[4]); err == nil {
			return pid
		}
	}
	return 0
}

// syncFolder makes a rename or creation inside the folder of path durable.
func syncFolder(path string) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
