package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"
)

// killTeal ends the controller with SIGKILL, mostly in the middle of something,
// and starts it again after a while in which the world goes on.
func (s *soaker) killTeal(ctx context.Context) error {
	s.journal.write("kill teal", "", "SIGKILL, life %d", s.teal.lives)
	if err := s.teal.end(ctx, "KILL"); err != nil {
		return err
	}
	if err := s.meanwhile(ctx); err != nil {
		return err
	}
	return s.teal.start(ctx)
}

// killTealTwice kills it again while it starts.
func (s *soaker) killTealTwice(ctx context.Context) error {
	s.journal.write("kill teal", "", "SIGKILL, life %d, and again soon after the next start", s.teal.lives)
	if err := s.teal.end(ctx, "KILL"); err != nil {
		return err
	}
	if err := s.teal.begin(ctx); err != nil {
		return err
	}
	if err := pause(ctx, 30*time.Millisecond+time.Duration(s.rng.IntN(700))*time.Millisecond); err != nil {
		return err
	}
	s.journal.write("kill teal", "", "SIGKILL, life %d", s.teal.lives)
	if err := s.teal.end(ctx, "KILL"); err != nil {
		return err
	}
	return s.teal.start(ctx)
}

func (s *soaker) stopTeal(ctx context.Context) error {
	s.journal.write("stop teal", "", "SIGTERM, life %d", s.teal.lives)
	if err := s.teal.end(ctx, "TERM"); err != nil {
		return err
	}
	if err := s.meanwhile(ctx); err != nil {
		return err
	}
	return s.teal.start(ctx)
}

// meanwhile is what happens while the controller is away: often nothing, else an
// edit of the watched file or a hand on a container.
func (s *soaker) meanwhile(ctx context.Context) error {
	switch s.rng.IntN(4) {
	case 0:
		p := s.projects[0]
		a := p.apps[s.rng.IntN(len(p.apps))]
		if a.absent {
			break
		}
		return s.edit(ctx, a, p, "edit good", func() { a.next(good) })
	case 1:
		return s.hand(ctx)
	}
	return pause(ctx, time.Duration(s.rng.IntN(2500))*time.Millisecond)
}

// secondTeal starts another controller on the same records: it must be refused.
func (s *soaker) secondTeal(ctx context.Context) error {
	s.journal.write("second teal", "", "")
	out, err := s.teal.command(ctx, s.teal.path("pid-second"), s.teal.binary, "run", "-f", s.teal.path("shop.yaml"),
		"--docker", "unix:///run/docker.sock", "--controller", controllerID, "--http", fmt.Sprintf(":%d", listenPort)).CombinedOutput()
	if code(err) != 1 || !strings.Contains(string(out), "lock") {
		s.find("S13", "a second controller on the same records ended with %v: %s", err, out)
	}
	return nil
}

// freezeEngine stops the engine in its tracks for seconds.
func (s *soaker) freezeEngine(ctx context.Context) error {
	d := time.Duration(1000+s.rng.IntN(6000)) * time.Millisecond
	s.journal.write("freeze engine", "", "for %s", d)
	if err := s.stage.host.Freeze(ctx); err != nil {
		return err
	}
	err := pause(ctx, d)
	if thawed := s.stage.host.Thaw(context.WithoutCancel(ctx)); thawed != nil {
		return thawed
	}
	return err
}

// killEngine ends the engine with SIGKILL; containers go on, and it is started
// again.
func (s *soaker) killEngine(ctx context.Context) error {
	s.journal.write("kill engine", "", "SIGKILL, live-restore")
	return s.restartEngine(ctx, s.stage.host.KillEngine)
}

// stopEngine restarts it in good order; containers go on.
func (s *soaker) stopEngine(ctx context.Context) error {
	s.journal.write("restart engine", "", "SIGTERM, live-restore")
	return s.restartEngine(ctx, s.stage.host.StopEngine)
}

func (s *soaker) restartEngine(ctx context.Context, end func(context.Context) error) error {
	if err := end(ctx); err != nil {
		return err
	}
	if err := pause(ctx, time.Duration(s.rng.IntN(3000))*time.Millisecond); err != nil {
		return err
	}
	return s.stage.host.StartEngine(ctx)
}

// slowProxy puts a slow go-between in front of the proxy's control socket.
func (s *soaker) slowProxy(ctx context.Context) error {
	if s.set.proxy != "embedded" {
		return nil
	}
	delay := time.Duration(100+s.rng.IntN(1500)) * time.Millisecond
	d := time.Duration(2000+s.rng.IntN(5000)) * time.Millisecond
	s.journal.write("slow proxy", "", "each call %s later, for %s", delay, d)
	path := s.teal.admin()
	real := path + ".real"
	if err := os.Rename(path, real); err != nil {
		return fmt.Errorf("step in front of the proxy's socket: %w", err)
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return fmt.Errorf("step in front of the proxy's socket: %w", err)
	}
	listener.(*net.UnixListener).SetUnlinkOnClose(false) // the real one takes its place
	var calls sync.WaitGroup
	calls.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // closed
			}
			calls.Go(func() { forward(conn, real, delay) })
		}
	})
	defer calls.Wait()
	waited := s.edits(ctx, d)
	if err := os.Rename(real, path); err != nil {
		return fmt.Errorf("step away from the proxy's socket: %w", err)
	}
	if err := listener.Close(); err != nil {
		return err
	}
	return waited
}

// edits makes good edits for a while.
func (s *soaker) edits(ctx context.Context, d time.Duration) error {
	for end := time.Now().Add(d); time.Now().Before(end); {
		if err := version(good)(s, ctx); err != nil {
			return err
		}
		if err := pause(ctx, time.Second); err != nil {
			return err
		}
	}
	return nil
}

// forward carries one connection, after a delay.
func forward(conn net.Conn, to string, delay time.Duration) {
	defer conn.Close()
	time.Sleep(delay)
	far, err := net.Dial("unix", to)
	if err != nil {
		return // as if nobody listened: the caller's call fails
	}
	defer far.Close()
	var there sync.WaitGroup
	there.Go(func() {
		_, _ = io.Copy(far, conn) // its end is the caller's
		_ = far.(*net.UnixConn).CloseWrite()
	})
	_, _ = io.Copy(conn, far)
	_ = conn.(*net.UnixConn).CloseRead()
	there.Wait()
}
