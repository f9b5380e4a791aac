package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Listeners are handed over from a proxy to its successor as file descriptors
// (SCM_RIGHTS): both then accept from one queue, and nothing in it is lost when
// the old one stops. Two sockets on one address (SO_REUSEPORT) do not do: the
// kernel resets what waits in the queue of the one that closes, unless
// net.ipv4.tcp_migrate_req is set (measured: 1 to 5 of some 5,000 connections),
// and a stranger's process could listen beside the proxy without anybody noticing.
//
// A handover is a conversation on one connection, so that there is one table and
// one count although two proxies serve for a while:
//
//  1. The successor connects. The proxy refuses tables from now on, and sends
//     its listeners.
//  2. The successor reads the table, opens everything, begins to serve and says
//     so. If the connection ends before that, the proxy goes on as it was.
//  3. The proxy accepts nobody any more and lets its clients finish (end.go).
//     Until it ends, the successor sends it every table and asks it what it has
//     in flight (forerunner.go).

const (
	handoverSuffix = ".handover" // of the unix socket beside the admin socket
	handoverTime   = 5 * time.Second
	startTime      = 30 * time.Second // for the successor to serve once it has the listeners
	maxHandedOver  = 64
	maxUnixPath    = 107 // bytes, by the kernel
)

// handed describes one descriptor of a handover, in the order they are sent.
type handed struct {
	Listen  string `json:"listen"`  // as configured
	Address string `json:"address"` // as bound
}

// inherited are listeners taken over from a running proxy.
type inherited struct {
	about     []handed
	listeners []*net.TCPListener
	line      *net.UnixConn // to that proxy, which waits for word; nil: there is none
}

// inherit asks the proxy that owns the admin socket for its listeners. Without
// one there is nothing to inherit, which is no error.
func inherit(ctx context.Context, admin string) (*inherited, error) {
	ctx, cancel := context.WithTimeout(ctx, handoverTime)
	defer cancel()
	var d net.Dialer
	nc, err := d.DialContext(ctx, "unix", admin+handoverSuffix)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ECONNREFUSED) {
		return &inherited{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("take over listeners: %w", err)
	}
	in, err := receiveListeners(nc.(*net.UnixConn))
	if err != nil {
		return nil, fmt.Errorf("take over listeners: %w", errors.Join(err, nc.Close()))
	}
	in.line = nc.(*net.UnixConn)
	return in, nil
}

func receiveListeners(nc *net.UnixConn) (*inherited, error) {
	if err := nc.SetDeadline(time.Now().Add(handoverTime)); err != nil {
		return nil, err
	}
	data, rights := make([]byte, 64<<10), make([]byte, unix.CmsgSpace(4*maxHandedOver))
	n, nr, flags, _, err := nc.ReadMsgUnix(data, rights)
	if err != nil {
		return nil, err
	}
	files, err := filesIn(rights[:nr])
	if err != nil {
		return nil, err
	}
	defer closeFiles(files)
	if flags&unix.MSG_CTRUNC != 0 {
		return nil, errors.New("descriptors were lost on the way")
	}
	in := &inherited{}
	if err := json.Unmarshal(data[:n], &in.about); err != nil {
		return nil, err
	}
	if len(in.about) != len(files) {
		return nil, fmt.Errorf("%d listeners were announced, %d came", len(in.about), len(files))
	}
	for _, f := range files {
		ln, err := net.FileListener(f)
		if err != nil {
			return nil, errors.Join(err, in.close())
		}
		tcp, ok := ln.(*net.TCPListener)
		if !ok {
			return nil, errors.Join(fmt.Errorf("%s is no TCP listener", ln.Addr()), ln.Close(), in.close())
		}
		in.listeners = append(in.listeners, tcp)
	}
	return in, nil
}

func filesIn(rights []byte) ([]*os.File, error) {
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil {
		return nil, err
	}
	var files []*os.File
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			closeFiles(files)
			return nil, err
		}
		for _, fd := range fds {
			unix.CloseOnExec(fd)
			files = append(files, os.NewFile(uintptr(fd), "listener"))
		}
	}
	return files, nil
}

// numbersOf returns the descriptors' numbers. [os.File.Fd] would make the sockets
// blocking, here and in the successor.
func numbersOf(files []*os.File) ([]int, error) {
	fds := make([]int, len(files))
	for i, f := range files {
		raw, err := f.SyscallConn()
		if err != nil {
			return nil, err
		}
		if err := raw.Control(func(fd uintptr) { fds[i] = int(fd) }); err != nil {
			return nil, err
		}
	}
	return fds, nil
}

func closeFiles(files []*os.File) {
	for _, f := range files {
		_ = f.Close() // a duplicate of what is in use: nothing can be lost
	}
}

// take returns the listener for addr, or nil.
func (in *inherited) take(addr string) *net.TCPListener {
	for i, about := range in.about {
		if ln := in.listeners[i]; ln != nil && (about.Listen == addr || about.Address == addr) {
			in.listeners[i] = nil
			return ln
		}
	}
	return nil
}

// close gives back what was not taken.
func (in *inherited) close() error {
	var errs []error
	for _, ln := range in.listeners {
		if ln != nil {
			errs = append(errs, ln.Close())
		}
	}
	return errors.Join(errs...)
}
