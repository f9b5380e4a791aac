package ssh

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// misses is after how many unanswered questions a connection is given up.
const misses = 3

// maxSessions is how many commands run at once: sshd allows ten by default, of
// one connection, and somebody may need one.
const maxSessions = 8

// errSilent ends a connection whose host does not answer any more.
var errSilent = errors.New("the host does not answer any more")

// link is one established connection.
type link struct {
	hops     []*ssh.Client // the last one is the host
	since    time.Time
	sessions chan struct{} // a place for each command that runs
	once     sync.Once
}

func (l *link) last() *ssh.Client {
	if len(l.hops) == 0 {
		return nil
	}
	return l.hops[len(l.hops)-1]
}

// close ends all hops, the far ones first. Errors of a connection that is given
// up say nothing.
func (l *link) close() {
	l.once.Do(func() {
		for i := range l.hops {
			_ = l.hops[len(l.hops)-1-i].Close()
		}
	})
}

// attend asks the host again and again whether it is there, and returns why the
// connection ended.
func (l *link) attend(every time.Duration) error {
	defer l.close()
	ended := make(chan error, 1)
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() { ended <- l.last().Wait() })
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	answered, waiting, missed := make(chan struct{}, 1), false, 0
	for {
		select {
		case err := <-ended:
			return err
		case <-answered:
			waiting, missed = false, 0
		case <-ticks.C:
			if !waiting {
				waiting = true
				running.Go(func() { l.ask(answered) })
				continue
			}
			if missed++; missed >= misses {
				l.close() // ends the question and the wait for the end
				return errSilent
			}
		}
	}
}

// ask sends one question. A refusal is an answer, too.
func (l *link) ask(answered chan<- struct{}) {
	if _, _, err := l.last().SendRequest("keepalive@openssh.com", true, nil); err == nil {
		answered <- struct{}{}
	}
}

// Dial connects to an address as seen from the host: network is unix, with the
// path of a socket, or tcp, with host:port. Many connections share the one to
// the host.
func (c *Client) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	l, err := c.connected(ctx)
	if err != nil {
		return nil, err
	}
	conn, err := l.last().DialContext(ctx, network, address)
	if err == nil {
		return conn, nil
	}
	refusal, ok := errors.AsType[*ssh.OpenChannelError](err)
	switch {
	case ok && refusal.Reason == ssh.Prohibited:
		return nil, fmt.Errorf("%s: sshd does not let %s connect to %s (AllowTcpForwarding, PermitOpen): %w", c, c.opts.Target.User, address, err)
	case ok && network == "unix":
		return nil, fmt.Errorf("%s: sshd could not open %s; is Docker running there, is %s in its group (docker), and does sshd allow it (AllowStreamLocalForwarding)? %w", c, address, c.opts.Target.User, err)
	}
	return nil, fmt.Errorf("%s: connect to %s: %w", c, address, err)
}

// DialTCP connects to host:port as seen from the host.
func (c *Client) DialTCP(ctx context.Context, address string) (net.Conn, error) {
	return c.Dial(ctx, "tcp", address)
}
