package store

import (
	"fmt"
	"testing"
	"time"

	"teal/reconcile"
)

func pulledImage(n int) reconcile.PulledImage {
	return reconcile.PulledImage{
		Host: "app-1", App: was, At: t0.Add(time.Duration(n) * time.Minute),
		Image: reconcile.Image{Ref: fmt.Sprint("was:", n), Digest: fmt.Sprint("sha256:", n)},
	}
}

func TestPulledImagesAreRememberedUntilTheyAreForgotten(t *testing.T) {
	path := storePath(t)
	db := open(t, path)
	elsewhere := pulledImage(1)
	elsewhere.Host = "app-2"
	for _, p := range []reconcile.PulledImage{pulledImage(1), pulledImage(1), elsewhere, pulledImage(2)} {
		if err := db.NotePulled(p); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.ForgetPulled(pulledImage(2), pulledImage(3)); err != nil {
		t.Fatal(err)
	}
	got, err := db.Pulled()
	if err != nil || len(got) != 2 || got[0].Host != "app-1" || got[1].Host != "app-2" || !got[0].At.Equal(pulledImage(1).At) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestTheOldestPulledImageIsForgottenWhenThereAreTooMany(t *testing.T) {
	db := open(t, storePath(t))
	err := db.update("fill", func(tx *txn) error {
		for n := range maxPulled {
			if err := put(tx.Bucket(bucketPulled), pulledKey(pulledImage(n+1)), pulledImage(n+1)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{maxPulled + 1, maxPulled + 1} { // a second time is no more
		if err := db.NotePulled(pulledImage(n)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := db.Pulled()
	if err != nil || len(got) != maxPulled {
		t.Fatalf("%d are remembered, %v", len(got), err)
	}
	for _, p := range got {
		if p.Image.Ref == "was:1" {
			t.Error("the oldest is still there")
		}
	}
}

// A store of the first version has no buckets for this; its apps that are gone
// are known by their generation.
func TestAnOlderStoreIsBroughtUpToDate(t *testing.T) {
	path := storePath(t)
	db := open(t, path)
	save(t, db, rdb, reconcile.Decision{Record: reconcile.Record{Generation: 1}})
	err := db.update("make it an old one", func(tx *txn) error {
		for n := range maxGoneHistory + 1 {
			key := []byte(fmt.Sprintf("branch/app-%03d", n))
			if err := put(tx.Bucket(bucketGenerations), key, 7); err != nil {
				return err
			}
			if _, err := tx.Bucket(bucketHistory).CreateBucket(key); err != nil {
				return err
			}
		}
		for _, name := range laterBuckets {
			if err := tx.DeleteBucket(name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open(t, path)
	if err := db.NotePulled(pulledImage(1)); err != nil {
		t.Fatal(err)
	}
	err = db.view("look", func(tx *txn) error {
		if n := newest(tx.Bucket(bucketGone)); n != maxGoneHistory+1 {
			t.Errorf("%d apps are known to be gone", n)
		}
		left := 0
		for n := range maxGoneHistory + 1 {
			if tx.Bucket(bucketHistory).Bucket([]byte(fmt.Sprintf("branch/app-%03d", n))) != nil {
				left++
			}
		}
		if left != maxGoneHistory {
			t.Errorf("%d of them have a history", left)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
