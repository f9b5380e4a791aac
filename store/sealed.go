package store

import (
	"encoding/binary"
	"encoding/json"
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// txn is a transaction whose buckets keep values encrypted.
type txn struct {
	*bolt.Tx
	key *hostKey // nil: values are plain, or are not looked into
}

// Bucket returns a top-level bucket; nil if there is none.
func (t *txn) Bucket(name []byte) *bucket {
	b := bucketIn(t.Tx.Bucket(name), nil, name, t.key)
	if b != nil && string(name) == string(bucketMeta) {
		b.key = nil // which key the others need stands there
	}
	return b
}

// CreateBucketIfNotExists makes a top-level bucket.
func (t *txn) CreateBucketIfNotExists(name []byte) (*bucket, error) {
	if _, err := t.Tx.CreateBucketIfNotExists(name); err != nil {
		return nil, err
	}
	return t.Bucket(name), nil
}

type inner = bolt.Bucket

// bucket is one that keeps values encrypted. Its keys, names of apps, images and
// tokens, and numbers, are not.
type bucket struct {
	*inner
	place []byte // the names that lead here, each after its length
	key   *hostKey
}

func bucketIn(b *bolt.Bucket, parent, name []byte, key *hostKey) *bucket {
	if b == nil {
		return nil
	}
	return &bucket{inner: b, place: placed(parent, name), key: key}
}

func placed(parent, name []byte) []byte {
	out := append([]byte{}, parent...)
	return append(binary.BigEndian.AppendUint16(out, uint16(len(name))), name...)
}

// Bucket returns the bucket called name in b; nil if there is none.
func (b *bucket) Bucket(name []byte) *bucket {
	return bucketIn(b.inner.Bucket(name), b.place, name, b.key)
}

// CreateBucketIfNotExists makes a bucket in b.
func (b *bucket) CreateBucketIfNotExists(name []byte) (*bucket, error) {
	made, err := b.inner.CreateBucketIfNotExists(name)
	return bucketIn(made, b.place, name, b.key), err
}

// wrap returns what is kept under key for body.
func (b *bucket) wrap(key, body []byte) []byte {
	if b.key == nil {
		return withHeader(versionPlain, key, body)
	}
	return withHeader(versionSealed, key, b.key.seal(placed(b.place, key), body))
}

// body returns what wrap was given. What was moved from another place, or written
// without the key, is damaged. Without a key only the checksum is looked at, and
// the body of an encrypted value is empty.
func (b *bucket) body(key, value []byte) ([]byte, error) {
	if err := checkValue(key, value); err != nil {
		return nil, err
	}
	switch sealed := value[0] == versionSealed; {
	case !sealed && b.key == nil:
		return value[valueHeader:], nil
	case !sealed:
		return nil, damagedf("the value of %q is not encrypted", key)
	case b.key == nil:
		return nil, nil
	}
	body, ok := b.key.open(placed(b.place, key), value[valueHeader:])
	if !ok {
		return nil, damagedf("the value of %q was not written here with the host key", key)
	}
	return body, nil
}

// decode reads the value kept under key into v.
func (b *bucket) decode(key, value []byte, v any) error {
	body, err := b.body(key, value)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("decode %q: %w", key, err)
	}
	return nil
}

// reseal encrypts every value with the key to. from is the one before; nil: they
// are plain.
func reseal(tx *txn, from, to *hostKey) error {
	before, after := &txn{tx.Tx, from}, &txn{tx.Tx, to}
	return tx.ForEach(func(name []byte, _ *bolt.Bucket) error {
		if string(name) == string(bucketMeta) {
			return nil
		}
		return resealBucket(before.Bucket(name), after.Bucket(name))
	})
}

func resealBucket(before, after *bucket) error {
	var values, buckets [][]byte // a bucket must not change while it is walked
	err := before.ForEach(func(k, v []byte) error {
		if k = append([]byte{}, k...); v == nil {
			buckets = append(buckets, k)
		} else {
			values = append(values, k)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, k := range values {
		value := before.Get(k)
		body, err := before.body(k, value)
		if err != nil {
			return err
		}
		if before.key == nil && value[0] == versionSealed {
			return damagedf("the value of %q is encrypted, and the store does not say so", k)
		}
		if err := after.Put(k, after.wrap(k, body)); err != nil {
			return err
		}
	}
	for _, k := range buckets {
		if err := resealBucket(before.Bucket(k), after.Bucket(k)); err != nil {
			return err
		}
	}
	return nil
}
