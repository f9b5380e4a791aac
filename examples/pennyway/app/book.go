package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/redis/go-redis/v9"
)

// entry is one line of the ledger.
type entry struct {
	ID      int64     `json:"id"`
	Memo    string    `json:"memo"`
	Amount  int64     `json:"amount"`
	Version string    `json:"version"` // that wrote it
	At      time.Time `json:"at"`
}

// book is the ledger: the database has it, the cache its latest page.
type book struct {
	db    *sql.DB
	cache *redis.Client
}

const (
	schema = `CREATE TABLE IF NOT EXISTS entries (
	id BIGINT AUTO_INCREMENT PRIMARY KEY, memo VARCHAR(1024) NOT NULL, amount BIGINT NOT NULL,
	version VARCHAR(64) NOT NULL, at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3))`
	add    = `INSERT INTO entries (memo, amount, version) VALUES (?, ?, ?)`
	latest = `SELECT id, memo, amount, version, at FROM entries ORDER BY id DESC LIMIT 20`

	pageKey  = "entries:latest"
	pageLife = time.Second

	schemaPause = 500 * time.Millisecond
	pingLimit   = time.Second
)

// open connects and makes the table. A database that is away is waited for until
// ctx ends: it may start at the same moment.
func open(ctx context.Context, set settings) (*book, error) {
	connector, err := mysql.NewConnector(set.database)
	if err != nil {
		return nil, fmt.Errorf("read the database's settings: %w", err)
	}
	b := &book{db: sql.OpenDB(connector), cache: redis.NewClient(&redis.Options{Addr: set.cache})}
	b.db.SetMaxOpenConns(32)
	b.db.SetMaxIdleConns(32)
	b.db.SetConnMaxLifetime(5 * time.Minute)
	for {
		_, err := b.db.ExecContext(ctx, schema)
		if err == nil {
			return b, nil
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("make the table: %w", err), b.close())
		case <-time.After(schemaPause):
		}
	}
}

func (b *book) close() error { return errors.Join(b.db.Close(), b.cache.Close()) }

// reachable returns an error that says which of the two does not answer.
func (b *book) reachable(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pingLimit)
	defer cancel()
	if err := b.db.PingContext(ctx); err != nil {
		return fmt.Errorf("reach the database: %w", err)
	}
	if err := b.cache.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("reach the cache: %w", err)
	}
	return nil
}

// add writes an entry and forgets the cached page.
func (b *book) add(ctx context.Context, e entry) (entry, error) {
	done, err := b.db.ExecContext(ctx, add, e.Memo, e.Amount, e.Version)
	if err != nil {
		return e, fmt.Errorf("add entry: %w", err)
	}
	if e.ID, err = done.LastInsertId(); err != nil {
		return e, fmt.Errorf("number of the added entry: %w", err)
	}
	if err := b.cache.Del(ctx, pageKey).Err(); err != nil {
		return e, fmt.Errorf("forget the cached page: %w", err)
	}
	return e, nil
}

// page returns the latest entries as JSON, from the cache if it has them.
func (b *book) page(ctx context.Context) ([]byte, error) {
	page, err := b.cache.Get(ctx, pageKey).Bytes()
	if err == nil {
		return page, nil
	}
	if !errors.Is(err, redis.Nil) {
		return nil, fmt.Errorf("read the cached page: %w", err)
	}
	entries, err := b.latest(ctx)
	if err != nil {
		return nil, err
	}
	if page, err = json.Marshal(entries); err != nil {
		return nil, err
	}
	if err := b.cache.Set(ctx, pageKey, page, pageLife).Err(); err != nil {
		return nil, fmt.Errorf("cache the page: %w", err)
	}
	return page, nil
}

func (b *book) latest(ctx context.Context) ([]entry, error) {
	rows, err := b.db.QueryContext(ctx, latest)
	if err != nil {
		return nil, fmt.Errorf("read entries: %w", err)
	}
	defer rows.Close() //nolint:errcheck // Err below has what went wrong
	entries := []entry{}
	for rows.Next() {
		var e entry
		if err := rows.Scan(&e.ID, &e.Memo, &e.Amount, &e.Version, &e.At); err != nil {
			return nil, fmt.Errorf("read entry: %w", err)
		}
		entries = append(entries, e)
	}
	return entries, rows.Err()
}
