package fleet

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"teal/deploy/docker"
	"teal/deploy/fleet/ssh"
)

// dialTime bounds the opening of one connection, handshakes included.
const dialTime = 20 * time.Second

// dialler returns what opens connections to the host's engine, and its ssh
// connection if it has one. Without a dialler the client connects by itself, as
// the environment says.
func (h Host) dialler(log *slog.Logger) (docker.DialFunc, *ssh.Client, error) {
	scheme, rest, _ := strings.Cut(h.URL, "://")
	switch {
	case scheme == "ssh":
		return h.sshDialler(log)
	case h.Name == "" && h.CA == "" && !h.Insecure:
		return nil, nil, nil
	case scheme == "unix":
		return h.plain("unix", rest), nil, nil
	case h.Insecure:
		return h.plain("tcp", strings.TrimSuffix(rest, "/")), nil, nil
	}
	return h.tlsDialler(strings.TrimSuffix(rest, "/")), nil, nil
}

// plain ignores where the client wants to go: there is one way only.
func (h Host) plain(network, address string) docker.DialFunc {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		conn, err := (&net.Dialer{Timeout: dialTime}).DialContext(ctx, network, address)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", h.URL, err)
		}
		return conn, nil
	}
}

func (h Host) sshDialler(log *slog.Logger) (docker.DialFunc, *ssh.Client, error) {
	target, socket, err := ssh.ParseAddress(h.URL)
	if err != nil {
		return nil, nil, err
	}
	if socket == "" {
		socket = defaultSocket
	}
	var jumps []ssh.Address
	for _, text := range h.Jumps {
		jump, _, err := ssh.ParseAddress(text)
		if err != nil {
			return nil, nil, fmt.Errorf("jump: %w", err)
		}
		jumps = append(jumps, jump)
	}
	client := ssh.New(ssh.Options{
		Target: target, Jumps: jumps, Identities: h.Identities, KnownHosts: h.KnownHosts, Logger: log,
	})
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, dialTime)
		defer cancel()
		return client.Dial(ctx, "unix", socket)
	}, client, nil
}
