package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// backup sends a copy of the records. What fails after the first byte ends the
// connection: half a copy is never taken for a whole one.
func (h *handler) backup(w http.ResponseWriter, r *http.Request) {
	out := &patient{w: w, limit: h.Timeout}
	err := h.Backup(out)
	switch {
	case err == nil:
	case !out.begun:
		h.fail(w, r, err)
	default:
		h.Logger.Error("backup was broken off", "error", err)
		panic(http.ErrAbortHandler)
	}
}

// patient gives every write the time of a request anew.
type patient struct {
	w     http.ResponseWriter
	limit time.Duration
	begun bool
}

// Write implements io.Writer.
func (p *patient) Write(data []byte) (int, error) {
	if err := deadlines(p.w, p.limit); err != nil {
		return 0, err
	}
	if !p.begun {
		p.begun = true
		p.w.Header().Set("Content-Type", "application/octet-stream")
	}
	return p.w.Write(data)
}

// Backup copies the controller's records, as they are at one moment, to w. An
// error means that what was written is not whole.
func (c *Client) Backup(ctx context.Context, w io.Writer) (err error) {
	res, err := c.do(ctx, http.MethodGet, "/v1/backup", nil, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, res.Body.Close()) }()
	from := &broken{from: res.Body, ctx: ctx}
	if _, err := io.Copy(w, from); err != nil {
		return fmt.Errorf("copy the records: %w", err)
	}
	return nil
}

// broken says of a failed read that it was the connection.
type broken struct {
	from io.Reader
	ctx  context.Context //nolint:containedctx // of the one call that reads
}

// Read implements io.Reader.
func (b *broken) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	if err != nil && !errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return n, lost(b.ctx, err)
	}
	return n, err
}
