package nginx

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"
)

const (
	// busyPoll and idlePoll are how often lines are fetched. A receiver that
	// sleeps in the kernel would have to be woken by every single one, and nginx
	// would pay for that: 3 µs per request, a tenth of all it spends.
	busyPoll = 5 * time.Millisecond
	idlePoll = 50 * time.Millisecond
	// lineBuffer is what the kernel keeps between two looks, in bytes.
	lineBuffer = 8 << 20
	// certificatePoll is how often certificates are looked at.
	certificatePoll = time.Minute
)

// listener receives nginx' lines. It is a plain socket that Go's network poller
// does not know.
type listener struct {
	fd         int
	advertised string
}

func listen(s Syslog) (*listener, error) {
	resolved, err := net.ResolveUDPAddr("udp", s.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen for log lines on %s: %w", s.Listen, err)
	}
	address := resolved.AddrPort()
	family, sockaddr := syscall.AF_INET6, syscall.Sockaddr(&syscall.SockaddrInet6{Port: int(address.Port()), Addr: address.Addr().As16()})
	if a := address.Addr().Unmap(); a.Is4() {
		family, sockaddr = syscall.AF_INET, &syscall.SockaddrInet4{Port: int(address.Port()), Addr: a.As4()}
	} else if !address.Addr().IsValid() {
		sockaddr = &syscall.SockaddrInet6{Port: int(address.Port())}
	}
	fd, err := syscall.Socket(family, syscall.SOCK_DGRAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("listen for log lines on %s: %w", s.Listen, err)
	}
	l := &listener{fd: fd, advertised: s.Advertise}
	if err := l.open(sockaddr); err != nil {
		return nil, errors.Join(fmt.Errorf("listen for log lines on %s: %w", s.Listen, err), l.close())
	}
	return l, nil
}

func (l *listener) open(sockaddr syscall.Sockaddr) error {
	if err := syscall.SetsockoptInt(l.fd, syscall.SOL_SOCKET, syscall.SO_RCVBUFFORCE, lineBuffer); err != nil {
		if err := syscall.SetsockoptInt(l.fd, syscall.SOL_SOCKET, syscall.SO_RCVBUF, lineBuffer); err != nil {
			return err
		}
	}
	if err := syscall.Bind(l.fd, sockaddr); err != nil {
		return err
	}
	bound, err := syscall.Getsockname(l.fd)
	if err != nil || l.advertised != "" {
		return err
	}
	switch a := bound.(type) {
	case *syscall.SockaddrInet4:
		l.advertised = netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port)).String()
	case *syscall.SockaddrInet6:
		l.advertised = netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port)).String()
	}
	return nil
}

func (l *listener) close() error {
	if err := syscall.Close(l.fd); err != nil {
		return fmt.Errorf("close the socket for log lines: %w", err)
	}
	return nil
}

// fetch hands over all lines that have come, and reports whether there were any.
func (l *listener) fetch(buffer []byte, use func(message string)) (bool, error) {
	any := false
	for {
		n, _, err := syscall.Recvfrom(l.fd, buffer, 0)
		switch {
		case errors.Is(err, syscall.EAGAIN):
			return any, nil
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return any, fmt.Errorf("receive log lines: %w", err)
		default:
			any = true
			use(string(buffer[:n]))
		}
	}
}

// Run receives the figures of the traffic and loads changed certificates until
// ctx ends. Without it nginx serves all the same.
func (d *Driver) Run(ctx context.Context) error {
	lines := time.NewTimer(idlePoll)
	defer lines.Stop()
	certificates := time.NewTicker(certificatePoll)
	defer certificates.Stop()
	buffer := make([]byte, 4096)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-lines.C:
			next := idlePoll
			if d.syslog == nil {
				continue // the timer stays silent
			}
			some, err := d.syslog.fetch(buffer, func(m string) {
				if l, ok := parseLine(m); ok {
					d.counts.add(l)
				}
			})
			if err != nil {
				return err
			}
			if some {
				next = busyPoll
			}
			lines.Reset(next)
		case <-certificates.C:
			d.refresh(ctx)
		}
	}
}

func (d *Driver) refresh(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, d.o.Close+d.o.Settle+askLimit)
	defer cancel()
	if err := d.Refresh(limited); err != nil && ctx.Err() == nil {
		d.o.Logger.Warn("certificate was not refreshed", "place", d.o.Place.String(), "error", err)
	}
}

// Close gives the socket for figures back. Nothing of the driver may be used
// after it, or beside it.
func (d *Driver) Close() error {
	if d.syslog == nil {
		return nil
	}
	return d.syslog.close()
}
