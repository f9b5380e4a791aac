package rig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	folderPrefix = "teal-rig-" // of every rig's folder, before its name
	lockName     = "lock"      // the file in it that is locked while the rig is in use
)

// lockMachine keeps other programs from making or sweeping rigs at this moment.
func lockMachine() (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(os.TempDir(), "teal-rig.lock"), os.O_CREATE|os.O_RDWR, 0o666)
	if err != nil {
		return nil, fmt.Errorf("open the lock of all rigs: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("wait for the lock of all rigs: %w", err), f.Close())
	}
	// Closing gives the lock back and loses nothing else.
	return func() { _ = f.Close() }, nil
}

// sweepDead removes what rigs left whose program does not run any more: nobody
// holds their lock.
func sweepDead(ctx context.Context, folder string) error {
	locks, err := filepath.Glob(filepath.Join(folder, folderPrefix+"*", lockName))
	if err != nil {
		return err
	}
	for _, lock := range locks {
		r := named(folder, strings.TrimPrefix(filepath.Base(filepath.Dir(lock)), folderPrefix))
		switch err := r.claim(); {
		case errors.Is(err, syscall.EWOULDBLOCK):
			continue
		case err != nil:
			return err
		}
		if err := r.sweep(ctx); err != nil {
			return errors.Join(fmt.Errorf("rig %s: %w", r.name, err), r.lock.Close())
		}
		if err := r.release(); err != nil {
			return err
		}
	}
	return nil
}

// claim makes the rig's folder and locks it against other processes.
func (r *Rig) claim() error {
	if err := os.MkdirAll(r.folder, 0o755); err != nil {
		return fmt.Errorf("make the rig's folder: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(r.folder, lockName), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return fmt.Errorf("open the rig's lock: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return errors.Join(fmt.Errorf("rig %s is in use by another process: %w", r.name, err), f.Close())
	}
	r.lock = f
	return nil
}

// release removes the folder while it is still locked, so that nobody can claim
// what is about to go.
func (r *Rig) release() error {
	if err := errors.Join(os.RemoveAll(r.folder), r.lock.Close()); err != nil {
		return fmt.Errorf("remove the rig's folder: %w", err)
	}
	return nil
}

// sweep removes what a rig of this name has on the machine, but for its lock.
// Processes come first: they hold the rest.
func (r *Rig) sweep(ctx context.Context) error {
	if err := r.killHolders(ctx); err != nil {
		return err
	}
	return errors.Join(r.bridgeDown(ctx), removeGroups(ctx, r.group()), r.emptyFolder(ctx))
}

// killHolders ends the first process of every host that the folder names; the
// kernel then ends all others of that host.
func (r *Rig) killHolders(ctx context.Context) error {
	files, err := filepath.Glob(filepath.Join(r.folder, "*", holderFile))
	if err != nil {
		return err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("read the pid of a host: %w", err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil || !isHolder(pid, filepath.Dir(file)) {
			continue // cut off while it was written, or long gone
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("end the processes of %s: %w", filepath.Dir(file), err)
		}
		err = until(ctx, 10*time.Second, func() error {
			if isHolder(pid, filepath.Dir(file)) {
				return fmt.Errorf("process %d of %s still runs", pid, filepath.Dir(file))
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// isHolder reports whether pid is the first process of the host in folder, and
// not another process that was given its number.
func isHolder(pid int, folder string) bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && bytes.Contains(line, append([]byte(folder), 0))
}

// emptyFolder removes the hosts' files. Mounts of a namespace that has just
// ended can hold a folder for a moment.
func (r *Rig) emptyFolder(ctx context.Context) error {
	return until(ctx, 10*time.Second, func() error {
		entries, err := os.ReadDir(r.folder)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		errs := []error{err}
		for _, e := range entries {
			if e.Name() != lockName {
				errs = append(errs, os.RemoveAll(filepath.Join(r.folder, e.Name())))
			}
		}
		return errors.Join(errs...)
	})
}

// group is the name of the control group that holds all containers of the rig.
func (r *Rig) group() string { return "teal-rig-" + r.name }

// removeGroups removes a control group and all below it, in every hierarchy.
func removeGroups(ctx context.Context, name string) error {
	var tops []string
	for _, pattern := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/*"} {
		found, err := filepath.Glob(filepath.Join(pattern, name))
		if err != nil {
			return err
		}
		tops = append(tops, found...)
	}
	for _, top := range tops {
		err := until(ctx, 10*time.Second, func() error { return removeTree(top) })
		if err != nil {
			return fmt.Errorf("remove control group %s: %w", top, err)
		}
	}
	return nil
}

// removeTree removes the folders of a control group from the bottom up; the
// files in them are the kernel's and go with them.
func removeTree(top string) error {
	entries, err := os.ReadDir(top)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		if err := removeTree(filepath.Join(top, e.Name())); err != nil {
			return err
		}
	}
	return syscall.Rmdir(top)
}

// until calls try until it returns nil, and returns its last error when limit
// or ctx ends first.
func until(ctx context.Context, limit time.Duration, try func() error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-tick.C:
		}
	}
}
