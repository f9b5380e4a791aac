package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"teal/spec"
)

// schemaVersion is the version of the layout below. In version 1 values were
// not encrypted.
const schemaVersion = 2

// Buckets. An app's key is "project/service"; numbers are 8 bytes, big-endian,
// so that they sort.
var (
	bucketMeta        = []byte("meta")        // "schema" → schema, not encrypted
	bucketProjects    = []byte("projects")    // project → spec.Project
	bucketDesired     = []byte("desired")     // app → reconcile.Desired
	bucketRecords     = []byte("records")     // app → reconcile.Record
	bucketGenerations = []byte("generations") // app → int64, the newest ever; outlives the app
	bucketCommands    = []byte("commands")    // app → bucket: number → reconcile.Command
	bucketTokens      = []byte("tokens")      // token → token
	bucketAnswered    = []byte("answered")    // app → bucket: number → token
	bucketEvents      = []byte("events")      // number → reconcile.Event
	bucketHistory     = []byte("history")     // app → bucket: number → reconcile.Rollout
	bucketStables     = []byte("stables")     // app → bucket: number in history → id of a revision that became stable
	bucketPulled      = []byte("pulled")      // host, image, app → reconcile.PulledImage
	bucketGone        = []byte("gone")        // number → app that was removed

	keySchema = []byte("schema")
)

var allBuckets = [][]byte{
	bucketMeta, bucketProjects, bucketDesired, bucketRecords, bucketGenerations,
	bucketCommands, bucketTokens, bucketAnswered, bucketEvents, bucketHistory, bucketStables,
}

// laterBuckets came after the first stores were written: Open adds them. An
// older Teal leaves them alone.
var laterBuckets = [][]byte{bucketPulled, bucketGone}

// schema is the store's own record.
type schema struct {
	Version int `json:"version"`
	// Key is the id of the host key that values are encrypted with.
	Key string `json:"key,omitempty"`
	// Traces says that values which were not encrypted may be left on free pages.
	Traces bool `json:"traces,omitempty"`
}

// layOut makes an empty store, encrypted with the key of tx.
func layOut(tx *txn) error {
	for _, name := range slices.Concat(allBuckets, laterBuckets) {
		if _, err := tx.CreateBucket(name); err != nil {
			return fmt.Errorf("create bucket %s: %w", name, err)
		}
	}
	return put(tx.Bucket(bucketMeta), keySchema, schema{Version: schemaVersion, Key: tx.key.id})
}

// readSchema returns the store's own record, if this version of Teal can work
// with it.
func readSchema(tx *txn) (s schema, err error) {
	meta := tx.Bucket(bucketMeta)
	if meta == nil {
		return s, damagedf("it has no schema record")
	}
	if ok, err := get(meta, keySchema, &s); err != nil {
		return s, err
	} else if !ok {
		return s, damagedf("it has no schema record")
	}
	if s.Version > schemaVersion {
		return s, fmt.Errorf("schema %d: %w", s.Version, ErrNewer)
	}
	return s, nil
}

// verify reads every value: with the key of tx, or, if that is missing, as far
// as a checksum goes.
func verify(tx *txn) error {
	for _, name := range allBuckets {
		if tx.Bucket(name) == nil {
			return damagedf("bucket %s is missing", name)
		}
		if err := verifyBucket(tx.Bucket(name)); err != nil {
			return err
		}
	}
	for _, name := range laterBuckets {
		if b := tx.Bucket(name); b != nil {
			if err := verifyBucket(b); err != nil {
				return err
			}
		}
	}
	return nil
}

func verifyBucket(b *bucket) error {
	return b.ForEach(func(k, v []byte) error {
		if v == nil {
			return verifyBucket(b.Bucket(k))
		}
		_, err := b.body(k, v)
		return err
	})
}

// put keeps v under key.
func put(b *bucket, key []byte, v any) error {
	body, err := encodeBody(key, v)
	if err != nil {
		return err
	}
	return b.Put(key, b.wrap(key, body))
}

// putNew keeps v under key and reports whether that is new.
func putNew(b *bucket, key []byte, v any) (changed bool, err error) {
	body, err := encodeBody(key, v)
	if err != nil {
		return false, err
	}
	if value := b.Get(key); value != nil {
		had, err := b.body(key, value)
		if err != nil || bytes.Equal(had, body) {
			return false, err
		}
	}
	return true, b.Put(key, b.wrap(key, body))
}

// get reads the value under key into v; ok is false if there is none.
func get(b *bucket, key []byte, v any) (ok bool, err error) {
	value := b.Get(key)
	if value == nil {
		return false, nil
	}
	return true, b.decode(key, value, v)
}

// appKey returns the key of app.
func appKey(app spec.Name) ([]byte, error) {
	for _, part := range []string{app.Project, app.Service} {
		if part == "" || len(part) > 255 || strings.Contains(part, "/") {
			return nil, fmt.Errorf("name %q: %w", app.String(), ErrInvalid)
		}
	}
	return []byte(app.String()), nil
}

// appOf is the reverse of appKey.
func appOf(key []byte) spec.Name {
	project, service, _ := strings.Cut(string(key), "/")
	return spec.Name{Project: project, Service: service}
}

// number returns the key of entry n of a growing list.
func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// newest returns the number of the newest entry of the growing list b; 0 if it
// has none. It is read from the keys: bbolt's sequence of a bucket is covered by
// no checksum.
func newest(b *bucket) uint64 {
	k, _ := b.Cursor().Last()
	if k == nil {
		return 0
	}
	return binary.BigEndian.Uint64(k)
}

// push appends v to the growing list b, under the next number.
func push(b *bucket, v any) (uint64, error) {
	n := newest(b) + 1
	return n, put(b, number(n), v)
}

// trim deletes entries of the growing list b, oldest first, until at most keep
// are left. dropped, if not nil, is told about each.
func trim(b *bucket, keep uint64, dropped func(key, value []byte) error) error {
	last := newest(b)
	if last <= keep {
		return nil
	}
	c := b.Cursor()
	for k, v := c.First(); k != nil && binary.BigEndian.Uint64(k) <= last-keep; k, v = c.First() {
		if dropped != nil {
			if err := dropped(k, v); err != nil {
				return err
			}
		}
		if err := b.Delete(k); err != nil {
			return err
		}
	}
	return nil
}
