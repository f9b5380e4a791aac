package store

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	bolt "go.etcd.io/bbolt"

	"teal/spec"
)

// schemaVersion is the version of the layout below.
const schemaVersion = 1

// Buckets. An app's key is "project/service"; numbers are 8 bytes, big-endian,
// so that they sort.
var (
	bucketMeta        = []byte("meta")        // "schema" → schema
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
}

// layOut makes an empty store.
func layOut(tx *bolt.Tx) error {
	for _, name := range slices.Concat(allBuckets, laterBuckets) {
		if _, err := tx.CreateBucket(name); err != nil {
			return fmt.Errorf("create bucket %s: %w", name, err)
		}
	}
	return put(tx.Bucket(bucketMeta), keySchema, schema{Version: schemaVersion})
}

// verify reports whether this version of Teal can work with the store, and
// compares every value with its checksum.
func verify(tx *bolt.Tx) error {
	meta := tx.Bucket(bucketMeta)
	if meta == nil {
		return damagedf("it has no schema record")
	}
	var s schema
	if ok, err := get(meta, keySchema, &s); err != nil {
		return err
	} else if !ok {
		return damagedf("it has no schema record")
	}
	if s.Version > schemaVersion {
		return fmt.Errorf("schema %d: %w", s.Version, ErrNewer)
	}
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

func verifyBucket(b *bolt.Bucket) error {
	return b.ForEach(func(k, v []byte) error {
		if v == nil {
			return verifyBucket(b.Bucket(k))
		}
		return checkValue(k, v)
	})
}

// put keeps v under key.
func put(b *bolt.Bucket, key []byte, v any) error {
	value, err := encode(key, v)
	if err != nil {
		return err
	}
	return b.Put(key, value)
}

// get reads the value under key into v; ok is false if there is none.
func get(b *bolt.Bucket, key []byte, v any) (ok bool, err error) {
	value := b.Get(key)
	if value == nil {
		return false, nil
	}
	return true, decode(key, value, v)
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
func newest(b *bolt.Bucket) uint64 {
	k, _ := b.Cursor().Last()
	if k == nil {
		return 0
	}
	return binary.BigEndian.Uint64(k)
}

// push appends v to the growing list b, under the next number.
func push(b *bolt.Bucket, v any) (uint64, error) {
	n := newest(b) + 1
	return n, put(b, number(n), v)
}

// trim deletes entries of the growing list b, oldest first, until at most keep
// are left. dropped, if not nil, is told about each.
func trim(b *bolt.Bucket, keep uint64, dropped func(key, value []byte) error) error {
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
