package service

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// manager is a service manager's socket: it hears what it is told.
type manager struct {
	conn  *net.UnixConn
	ended chan struct{}

	mu    sync.Mutex
	lines []string
}

func newManager(h *house) *manager {
	h.t.Helper()
	path := filepath.Join(h.folder, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		h.t.Fatal(err)
	}
	m := &manager{conn: conn, ended: make(chan struct{})}
	go func() {
		defer close(m.ended)
		buf := make([]byte, 8<<10)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			m.mu.Lock()
			m.lines = append(m.lines, strings.Split(string(buf[:n]), "\n")...)
			m.mu.Unlock()
		}
	}()
	h.t.Cleanup(func() {
		_ = conn.Close()
		<-m.ended
	})
	h.env = append(h.env, "NOTIFY_SOCKET="+path, fmt.Sprintf("WATCHDOG_USEC=%d", (2*time.Second).Microseconds()))
	return m
}

// count is how many lines begin with text.
func (m *manager) count(text string) (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.lines {
		if strings.HasPrefix(l, text) {
			n++
		}
	}
	return n
}

func (h *house) told(m *manager, text string, times int) {
	h.t.Helper()
	h.until(fmt.Sprintf("%q is told %d times", text, times), func() error {
		if m.count(text) < times {
			m.mu.Lock()
			defer m.mu.Unlock()
			return errors.New(strings.Join(m.lines, " | "))
		}
		return nil
	})
}

func TestTheServiceManagerIsTold(t *testing.T) {
	v1 := image(t, "v1")
	h := newHouse(t)
	m := newManager(h)
	h.edit(h.wants(v1))
	h.start()
	h.told(m, "READY=1", 1)
	h.told(m, "WATCHDOG=1", 3)
	h.told(m, "STATUS=1 of 1 apps and dependencies serve", 1)
	if m.count("STOPPING=1") > 0 {
		t.Error("it is told to stop before it does")
	}
	// A process that does nothing any more feeds nobody.
	if err := h.process.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	h.until("it has stopped", func() error {
		before := m.count("WATCHDOG=1")
		time.Sleep(2 * time.Second)
		if now := m.count("WATCHDOG=1"); now > before {
			return fmt.Errorf("it was fed %d times", now-before)
		}
		return nil
	})
	if err := h.process.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	h.told(m, "WATCHDOG=1", m.count("WATCHDOG=1")+1)
	before := h.running()
	h.stop()
	if m.count("STOPPING=1") != 1 {
		t.Error("its end was not told")
	}
	if now := h.running(); now != before || before == "" {
		t.Errorf("after the stop there runs %q, before %q", now, before)
	}
}

// An engine that takes connections and never answers: the controller says that
// it is ready, that the engine does not answer, and goes on feeding the watchdog.
func TestAFrozenEngineKeepsNobodyFromStarting(t *testing.T) {
	h := newHouse(t)
	m := newManager(h)
	socket := filepath.Join(h.folder, "frozen.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() }) // the queue of connections is the kernel's: nobody answers
	h.flags = []string{"--docker", "unix://" + socket}
	h.edit(h.wants("teal-test-none:v1"))
	h.start()
	h.told(m, "EXTEND_TIMEOUT_USEC=60000000", 1)
	h.told(m, "READY=1", 1)
	h.told(m, "STATUS=0 of 0 apps and dependencies serve; the Docker Engine does not answer", 1)
	h.told(m, "WATCHDOG=1", m.count("WATCHDOG=1")+3)
	h.stop()
}
