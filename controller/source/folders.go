package source

import (
	"log/slog"
	"path/filepath"
	"sync"

	"github.com/fsnotify/fsnotify"
)

// folders tells that something happened in the folders of watched files. It
// watches folders, not files: editors replace a file by renaming another over
// it. Without the system's help it is silent, and polling remains.
type folders struct {
	log     *slog.Logger
	watcher *fsnotify.Watcher // nil: the system gave none
	signals chan struct{}
	pumping sync.WaitGroup
}

func newFolders(log *slog.Logger) *folders {
	f := &folders{log: log, signals: make(chan struct{}, 1)}
	w, err := fsnotify.NewWatcher()
	if err != nil {
		log.Warn("file events were not available, polling only", "error", err)
		return f
	}
	f.watcher = w
	f.pumping.Go(f.pump)
	return f
}

// events receives when something happened in a watched folder.
func (f *folders) events() <-chan struct{} { return f.signals }

// watch adds the folders of paths, and of what they are links to. It is called
// again and again: a folder that was away is watched once it is back.
func (f *folders) watch(paths []string) {
	if f.watcher == nil {
		return
	}
	seen := map[string]bool{}
	for _, p := range paths {
		seen[filepath.Dir(p)] = true
		if target, err := filepath.EvalSymlinks(p); err == nil {
			seen[filepath.Dir(target)] = true
		}
	}
	for dir := range seen {
		if err := f.watcher.Add(dir); err != nil {
			f.log.Debug("folder was not watched, polling only", "folder", dir, "error", err)
		}
	}
	for _, dir := range f.watcher.WatchList() {
		if !seen[dir] {
			// It may have gone by itself meanwhile; then there is nothing to end.
			_ = f.watcher.Remove(dir)
		}
	}
}

// pump turns events, and errors such as a lost batch, into signals. A mere
// change of attributes, which reading a file can be, is none.
func (f *folders) pump() {
	for {
		select {
		case e, ok := <-f.watcher.Events:
			if !ok {
				return
			}
			if e.Op == fsnotify.Chmod {
				continue
			}
		case err, ok := <-f.watcher.Errors:
			if !ok {
				return
			}
			f.log.Debug("file events were lost", "error", err)
		}
		select {
		case f.signals <- struct{}{}:
		default:
		}
	}
}

// close ends watching and waits for its goroutine.
func (f *folders) close() {
	if f.watcher == nil {
		return
	}
	if err := f.watcher.Close(); err != nil {
		f.log.Debug("file events were not closed", "error", err)
	}
	f.pumping.Wait()
}
