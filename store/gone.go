package store

import (
	"bytes"
	"fmt"
)

// bury notes that the app of key is gone, and forgets the leftovers of those
// that are gone for long.
func bury(tx *txn, key []byte) error {
	if _, err := push(tx.Bucket(bucketGone), string(key)); err != nil {
		return err
	}
	return dig(tx)
}

// dig walks the apps that are gone, newest first: the first maxGoneHistory keep
// everything, the first maxGone their generation. An app that is back is as new
// as can be and is left out; so is a second mention.
func dig(tx *txn) error {
	gone := tx.Bucket(bucketGone)
	seen := map[string]bool{}
	var drop [][]byte // entries that say nothing any more
	c := gone.Cursor()
	for k, v := c.Last(); k != nil; k, v = c.Prev() {
		var app string
		if err := gone.decode(k, v, &app); err != nil {
			return err
		}
		if seen[app] || present(tx, []byte(app)) {
			drop = append(drop, bytes.Clone(k))
			continue
		}
		seen[app] = true
		switch n := len(seen); {
		case n > maxGone:
			drop = append(drop, bytes.Clone(k))
			if err := tx.Bucket(bucketGenerations).Delete([]byte(app)); err != nil {
				return err
			}
		case n > maxGoneHistory:
			if err := forgetPast(tx, []byte(app)); err != nil {
				return err
			}
		}
	}
	for _, k := range drop {
		if err := gone.Delete(k); err != nil {
			return err
		}
	}
	return nil
}

// present reports whether the app of key is wanted or recorded.
func present(tx *txn, key []byte) bool {
	return tx.Bucket(bucketDesired).Get(key) != nil || tx.Bucket(bucketRecords).Get(key) != nil
}

// forgetPast deletes history and answers of the app of key.
func forgetPast(tx *txn, key []byte) error {
	if answered := tx.Bucket(bucketAnswered).Bucket(key); answered != nil {
		err := answered.ForEach(func(k, v []byte) error {
			var name string
			if err := answered.decode(k, v, &name); err != nil {
				return err
			}
			return tx.Bucket(bucketTokens).Delete([]byte(name))
		})
		if err != nil {
			return err
		}
	}
	for _, parent := range [][]byte{bucketAnswered, bucketHistory, bucketStables, bucketCommands} {
		b := tx.Bucket(parent)
		if b.Bucket(key) == nil {
			continue
		}
		if err := b.DeleteBucket(key); err != nil {
			return fmt.Errorf("forget the past of %s: %w", key, err)
		}
	}
	return nil
}

// bringUpToDate adds what a store of an older Teal does not have. The apps that
// left a generation and nothing else in it are gone.
func bringUpToDate(tx *txn) error {
	missing := false
	for _, name := range laterBuckets {
		missing = missing || tx.Bucket(name) == nil
	}
	if !missing {
		return errUnchanged
	}
	fresh := tx.Bucket(bucketGone) == nil
	for _, name := range laterBuckets {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	if !fresh {
		return nil
	}
	var left [][]byte
	err := tx.Bucket(bucketGenerations).ForEach(func(k, _ []byte) error {
		if !present(tx, k) {
			left = append(left, bytes.Clone(k))
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, key := range left {
		if _, err := push(tx.Bucket(bucketGone), string(key)); err != nil {
			return err
		}
	}
	return dig(tx)
}
