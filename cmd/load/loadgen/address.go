package loadgen

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// ErrForeignAddress is returned for a target outside this machine and private
// networks: load is for one's own hosts only.
var ErrForeignAddress = errors.New("neither a loopback nor a private address")

// CheckHost resolves host and returns [ErrForeignAddress] unless every address
// it stands for is a loopback or private one.
func CheckHost(ctx context.Context, host string) error {
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return fmt.Errorf("resolve %s: %w", host, err)
	}
	for _, a := range addresses {
		if !allowed(a) {
			return fmt.Errorf("%s is %s: %w", host, a, ErrForeignAddress)
		}
	}
	return nil
}

func allowed(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsLoopback() || a.IsPrivate()
}

// dialer refuses foreign addresses at the moment of dialling, so that no name
// can change its meaning in between.
func dialer() *net.Dialer {
	return &net.Dialer{Control: func(_, address string, _ syscall.RawConn) error {
		ap, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("read address %s: %w", address, err)
		}
		if !allowed(ap.Addr()) {
			return fmt.Errorf("dial %s: %w", address, ErrForeignAddress)
		}
		return nil
	}}
}
