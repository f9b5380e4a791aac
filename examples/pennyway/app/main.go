// Command app is pennyway's API, "was": a small ledger that keeps its entries in
// a MariaDB and the latest of them in a Redis.
//
//	GET  /v3/entries   the latest 20 entries
//	POST /v3/entries   adds one: {"memo": "…", "amount": 1200}, or a plain memo
//	GET  /v3/api-docs  the OpenAPI description, once database and cache answer
//
// All its settings come from the environment:
//
//	VERSION                            what it says in the header Version
//	PORT                               where it listens (8080)
//	DB_HOST, DB_PORT (3306)            the database
//	DB_NAME, DB_USER, DB_PASSWORD
//	CACHE                              the cache, host:port (cache:6379)
//	START_DELAY                        listens so long after its start, as a slow
//	                                   framework does
//	BREAK                              unhealthy: /v3/api-docs answers 503;
//	                                   later=DURATION: after that all answers are 500
//
// It makes its table itself, and when asked to stop it finishes the requests
// under way.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	log := slog.New(slog.NewTextHandler(os.Stdout, nil))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, log)
	stop()
	if err != nil {
		log.Error("ended", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, log *slog.Logger) error {
	set, err := fromEnvironment(os.Getenv)
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return nil
	case <-time.After(set.startDelay):
	}
	book, err := open(ctx, set)
	if err != nil {
		return err
	}
	err = serve(ctx, log, set, book)
	return errors.Join(err, book.close())
}

// serve answers until ctx ends, then finishes the requests under way; the
// engine's grace period is their limit.
func serve(ctx context.Context, log *slog.Logger, set settings, book *book) error {
	server := &http.Server{Addr: fmt.Sprintf(":%d", set.port), Handler: newHandler(set, book, log), ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	log.Info("started", "version", set.version, "port", set.port)
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	if err := server.Shutdown(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("finish requests: %w", err)
	}
	log.Info("stopped")
	return nil
}
