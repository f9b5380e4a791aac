package api_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"testing"

	"teal/controller/api"
)

// serveBackup serves the API on a socket, with this backup.
func serveBackup(t *testing.T, backup func(io.Writer) error) *api.Client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: api.NewHandler(fake(), api.Options{Logger: slog.New(slog.DiscardHandler), Backup: backup})}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	c := api.Dial(path)
	t.Cleanup(func() {
		c.Close()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return c
}

func TestABackupIsWholeOrAnError(t *testing.T) {
	content := bytes.Repeat([]byte("records "), 100_000)
	disk := errors.New("disk fault")
	for _, c := range []struct {
		name   string
		backup func(io.Writer) error
		whole  bool
	}{
		{"whole", func(w io.Writer) error { _, err := w.Write(content); return err }, true},
		{"fails at once", func(io.Writer) error { return disk }, false},
		{"fails in the middle", func(w io.Writer) error {
			_, err := w.Write(content[:len(content)/2])
			return errors.Join(err, disk)
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got bytes.Buffer
			err := serveBackup(t, c.backup).Backup(t.Context(), &got)
			if whole := err == nil; whole != c.whole || whole && !bytes.Equal(got.Bytes(), content) {
				t.Errorf("%d of %d bytes, %v", got.Len(), len(content), err)
			}
		})
	}
}
