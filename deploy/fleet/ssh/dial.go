package ssh

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/crypto/ssh"
)

// dial makes a connection over all hops.
func (c *Client) dial(ctx context.Context) (*link, error) {
	l := &link{since: time.Now(), sessions: make(chan struct{}, maxSessions)}
	for _, hop := range append(append([]Address{}, c.opts.Jumps...), c.opts.Target) {
		next, err := c.hop(ctx, l.last(), hop)
		if err != nil {
			l.close()
			if hop != c.opts.Target {
				err = fmt.Errorf("%s: through %w", c, err)
			}
			return nil, err
		}
		l.hops = append(l.hops, next)
	}
	return l, nil
}

// hop connects to one host, by way of the one before it if there is one. Its
// errors begin with the address.
func (c *Client) hop(ctx context.Context, via *ssh.Client, to Address) (*ssh.Client, error) {
	keys, err := c.keys(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", to, err)
	}
	defer keys.close()
	hosts, err := readKnownHosts(c.opts.KnownHosts, to)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", to, err)
	}
	conn, err := reach(ctx, via, to)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", to, err)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() }) // the handshake knows no context
	raw, channels, requests, err := ssh.NewClientConn(conn, to.Host, &ssh.ClientConfig{
		User:              to.User,
		Auth:              []ssh.AuthMethod{ssh.PublicKeys(keys.signers...)},
		HostKeyCallback:   hosts.check,
		HostKeyAlgorithms: hosts.algorithms(),
	})
	if !stop() && err == nil { // closed under our hands
		err = errors.Join(ctx.Err(), raw.Close())
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("%s: %w", to, explain(ctx, err, hosts, keys, to))
	}
	return ssh.NewClient(raw, channels, requests), nil
}

func reach(ctx context.Context, via *ssh.Client, to Address) (net.Conn, error) {
	if via != nil {
		conn, err := via.DialContext(ctx, "tcp", to.Host)
		if refusal, ok := errors.AsType[*ssh.OpenChannelError](err); ok {
			return nil, fmt.Errorf("the jump host could not connect: %s", refusal.Message)
		}
		return conn, err
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", to.Host)
}

// explain puts a failed handshake into words that help.
func explain(ctx context.Context, err error, hosts *knownHosts, keys *keyring, to Address) error {
	switch {
	case hosts.refused != nil:
		return hosts.refused
	case ctx.Err() != nil:
		return fmt.Errorf("no answer in time: %w", ctx.Err())
	case errors.As(err, new(*ssh.AlgorithmNegotiationError)):
		return fmt.Errorf("the host has no key of a kind that known_hosts has of it, or speaks no method that is still safe: %w", err)
	case hosts.accepted: // what follows the host's key is about ours
		return fmt.Errorf("none of the keys was accepted for user %s (tried %s): %w", to.User, keys.words(), err)
	}
	return err
}
