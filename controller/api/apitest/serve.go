package apitest

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"teal/controller/api"
)

// Server is a served controller on a real socket.
type Server struct {
	Socket string
	stop   func() error
}

// Stop ends the server as a controller that is told to stop does, and waits.
func (s *Server) Stop() error { return s.stop() }

// Serve serves c on a unix socket in a short temporary folder until the test
// ends, or Stop is called.
func Serve(t testing.TB, c api.Controller) *Server {
	t.Helper()
	folder, err := os.MkdirTemp("", "teal")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(folder); err != nil {
			t.Error(err)
		}
	})
	return ServeAt(t, c, filepath.Join(folder, "teal.sock"))
}

// ServeAt is [Serve] on a given path.
func ServeAt(t testing.TB, c api.Controller, socket string) *Server {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	l, err := api.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	h := api.NewHandler(c, api.Options{Logger: logger, Gap: time.Millisecond, Refresh: 50 * time.Millisecond})
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- api.Serve(ctx, l, h, 5*time.Second, logger) }()
	stop := sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-served:
			return err
		case <-time.After(10 * time.Second):
			return errors.New("the server did not stop")
		}
	})
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return &Server{Socket: socket, stop: stop}
}
