package rig

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Listen listens on an address of the host, its loopback for example, in this
// program: what it serves there, only the host's processes and its neighbours
// reach.
func (h *Host) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	type result struct {
		l   net.Listener
		err error
	}
	done := make(chan result, 1)
	go func() {
		// The thread is the host's from now on, and ends with this goroutine.
		runtime.LockOSThread()
		l, err := h.listenHere(ctx, network, address)
		done <- result{l, err}
	}()
	r := <-done
	if r.err != nil {
		return nil, fmt.Errorf("listen on %s at %s: %w", h.Name, address, r.err)
	}
	return r.l, nil
}

func (h *Host) listenHere(ctx context.Context, network, address string) (net.Listener, error) {
	space, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", h.holder.pid()))
	if err != nil {
		return nil, err
	}
	defer space.Close() //nolint:errcheck // it was only entered
	if err := unix.Setns(int(space.Fd()), unix.CLONE_NEWNET); err != nil {
		return nil, fmt.Errorf("enter the host's network: %w", err)
	}
	var config net.ListenConfig
	return config.Listen(ctx, network, address)
}
