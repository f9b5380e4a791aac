package api

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// ErrSocketInUse says that something answers at the socket already.
var ErrSocketInUse = errors.New("another process answers at the socket")

// maxSocketPath is what the system's socket addresses can hold (108 bytes with
// the final zero on Linux, 104 elsewhere).
const maxSocketPath = 103

// Listen returns a listener on a unix socket at path that only this user can
// connect to. The folder is made if it is missing, for this user only. A socket
// that nobody answers is replaced, one that somebody answers is
// [ErrSocketInUse], and anything else at path is left alone and is an error.
// The socket is removed when the listener is closed.
func Listen(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make the socket's folder: %w", err)
	}
	if err := checkFree(path); err != nil {
		return nil, err
	}
	// The socket is made where nobody else can reach it and moved into place once
	// its mode is set: there is no moment at which others could connect.
	private, err := os.MkdirTemp(filepath.Dir(path), ".s")
	if err != nil {
		return nil, fmt.Errorf("make the socket's folder: %w", err)
	}
	l, err := bind(filepath.Join(private, "s"), path)
	return l, errors.Join(err, os.RemoveAll(private))
}

// checkFree refuses a path that is in use.
func checkFree(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at the socket: %w", err)
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("listen on %s: there is a file that is not a socket; it was left alone", path)
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		return errors.Join(fmt.Errorf("listen on %s: %w", path, ErrSocketInUse), c.Close())
	}
	if !isRefused(err) {
		return fmt.Errorf("look whether somebody answers at %s: %w", path, err)
	}
	return nil
}

func bind(temporary, path string) (net.Listener, error) {
	if len(temporary) > maxSocketPath {
		return nil, fmt.Errorf("listen on %s: the path is too long for a socket (with the folder it is made in, %d bytes of %d); name a shorter one with --socket",
			path, len(temporary), maxSocketPath)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: temporary, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	l.SetUnlinkOnClose(false)
	err = os.Chmod(temporary, 0o600)
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listen on %s: %w", path, err), l.Close())
	}
	return &socket{UnixListener: l, path: path}, nil
}

// socket is a listener that removes its own path once.
type socket struct {
	*net.UnixListener
	path string
}

func (s *socket) Close() error {
	if err := s.UnixListener.Close(); err != nil {
		return err
	}
	return os.Remove(s.path)
}

// stoppingKey holds, in a request's context, the context that ends when the
// server begins to stop.
type stoppingKey struct{}

// Serve answers requests at l with h until ctx ends. Then streams are ended,
// other requests may finish for up to grace, and l is closed. The error is nil
// after such a stop.
func Serve(ctx context.Context, l net.Listener, h http.Handler, grace time.Duration, logger *slog.Logger) error {
	stopping, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	base := context.WithValue(context.WithoutCancel(ctx), stoppingKey{}, stopping)
	level := slog.LevelWarn
	if l.Addr().Network() != "unix" {
		level = slog.LevelDebug // whoever scans the network could fill the log
	}
	server := &http.Server{
		Handler:           h,
		BaseContext:       func(net.Listener) context.Context { return base },
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), level),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve the API: %w", err)
	case <-ctx.Done():
	}
	stop()
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	err := server.Shutdown(limit)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close()
	}
	if gone := <-served; !errors.Is(gone, http.ErrServerClosed) {
		err = errors.Join(err, gone)
	}
	return err
}

// streamContext returns a context that ends with the request or, if earlier,
// when the server begins to stop.
func streamContext(ctx context.Context) (context.Context, context.CancelFunc) {
	out, cancel := context.WithCancel(ctx)
	stopping, ok := ctx.Value(stoppingKey{}).(context.Context)
	if !ok {
		return out, cancel
	}
	unhook := context.AfterFunc(stopping, cancel)
	return out, func() { unhook(); cancel() }
}
