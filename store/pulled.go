package store

import (
	"slices"
	"strings"

	bolt "go.etcd.io/bbolt"

	"teal/reconcile"
)

// NotePulled remembers, before an image is fetched, that it was Teal who fetched
// it. What is not remembered, as after a lost store, is never removed: so is the
// oldest when there are more than 10,000.
func (d *DB) NotePulled(p reconcile.PulledImage) error {
	return d.update("note a pulled image", func(tx *txn) error {
		b := tx.Bucket(bucketPulled)
		key := pulledKey(p)
		if b.Get(key) == nil {
			if err := makeRoom(b); err != nil {
				return err
			}
		}
		return put(b, key, p)
	})
}

// makeRoom forgets the oldest of the pulled images if there are too many.
func makeRoom(b *bucket) error {
	all, err := pulledIn(b)
	if err != nil || len(all) < maxPulled {
		return err
	}
	oldest := slices.MinFunc(all, func(x, y reconcile.PulledImage) int { return x.At.Compare(y.At) })
	return b.Delete(pulledKey(oldest))
}

// Pulled returns the images that Teal fetched and that were not forgotten.
func (d *DB) Pulled() (out []reconcile.PulledImage, err error) {
	err = d.view("list pulled images", func(tx *txn) (err error) {
		out, err = pulledIn(tx.Bucket(bucketPulled))
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// ForgetPulled forgets images that are not on their hosts any more.
func (d *DB) ForgetPulled(gone ...reconcile.PulledImage) error {
	if len(gone) == 0 {
		return nil
	}
	return d.update("forget pulled images", func(tx *txn) error {
		for _, p := range gone {
			if err := tx.Bucket(bucketPulled).Delete(pulledKey(p)); err != nil {
				return err
			}
		}
		return nil
	})
}

func pulledIn(b *bucket) (out []reconcile.PulledImage, err error) {
	err = b.ForEach(func(k, v []byte) error {
		var p reconcile.PulledImage
		if err := b.decode(k, v, &p); err != nil {
			return err
		}
		out = append(out, p)
		return nil
	})
	return out, err
}

// pulledKey is the same for the same image on the same host for the same app.
// None of its parts is empty of meaning or has a newline in it; it is cut where
// bbolt's keys end, far beyond any reference.
func pulledKey(p reconcile.PulledImage) []byte {
	key := strings.Join([]string{p.Host, p.App.String(), p.Image.Ref, p.Image.Digest}, "\n")
	return []byte(key[:min(len(key), bolt.MaxKeySize)])
}
