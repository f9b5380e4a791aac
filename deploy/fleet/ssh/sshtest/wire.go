package sshtest

import (
	"net"
	"sync"
	"testing"
)

// Wire passes bytes on to another address, until it is cut or frozen.
type Wire struct {
	Network, Address string // where to connect to

	far     func() (net.Conn, error)
	l       net.Listener
	mu      sync.Mutex
	thawed  *sync.Cond
	frozen  bool
	ended   bool
	open    map[net.Conn]bool
	opened  int
	running sync.WaitGroup
}

// NewWire listens on a loopback port, or at a socket if path is set, and passes
// on to far.
func NewWire(t testing.TB, path string, far func() (net.Conn, error)) *Wire {
	t.Helper()
	network, address := "tcp", "127.0.0.1:0"
	if path != "" {
		network, address = "unix", path
	}
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	w := &Wire{Network: network, Address: l.Addr().String(), far: far, l: l, open: map[net.Conn]bool{}}
	w.thawed = sync.NewCond(&w.mu)
	w.running.Go(w.accept)
	t.Cleanup(func() {
		l.Close()
		w.mu.Lock()
		w.ended, w.frozen = true, false
		w.mu.Unlock()
		w.thawed.Broadcast()
		w.Cut()
		w.running.Wait()
	})
	return w
}

func (w *Wire) accept() {
	for {
		near, err := w.l.Accept()
		if err != nil {
			return // it was closed
		}
		w.running.Go(func() { w.serve(near) })
	}
}

func (w *Wire) serve(near net.Conn) {
	defer near.Close()
	if !w.add(near) {
		return
	}
	far, err := w.far()
	if err != nil {
		return
	}
	defer far.Close()
	if !w.add(far) {
		return
	}
	w.mu.Lock()
	w.opened++
	w.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { w.pass(far, near) })
	both.Go(func() { w.pass(near, far) })
	both.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.open, near)
	delete(w.open, far)
}

func (w *Wire) add(c net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return false
	}
	w.open[c] = true
	return true
}

// pass copies one way, and holds what it has while the wire is frozen.
func (w *Wire) pass(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		w.mu.Lock()
		for w.frozen {
			w.thawed.Wait()
		}
		w.mu.Unlock()
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return // io.EOF or a cut
		}
	}
}

// Cut ends what passes now. Later connections pass.
func (w *Wire) Cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.open {
		c.Close()
	}
	clear(w.open)
}

// Freeze holds all bytes back, of new connections too; nothing is closed.
func (w *Wire) Freeze() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.frozen = true
}

// Thaw lets bytes pass again.
func (w *Wire) Thaw() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.frozen = false
	w.thawed.Broadcast()
}

// Opened is how many connections were passed on so far.
func (w *Wire) Opened() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.opened
}
