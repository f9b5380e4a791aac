package store

import (
	"encoding/json"
	"testing"

	"teal/reconcile"
	"teal/spec"
)

// FuzzValue: whatever lies under a key, reading it ends and does not panic;
// damage is seen, and what is read is written the same again.
func FuzzValue(f *testing.F) {
	f.Add([]byte("web"), []byte{}, false)
	for _, v := range []any{
		reconcile.Record{}, reconcile.Rollout{ID: "r-1", App: spec.Name{Project: "p", Service: "s"}}, reconcile.Event{Message: "x"}, spec.Project{Name: "p"},
	} {
		body, err := json.Marshal(v)
		if err != nil {
			f.Fatal(err)
		}
		whole, err := encode([]byte("k"), v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add([]byte("k"), body, true)
		f.Add([]byte("k"), whole, false)
		f.Add([]byte("l"), whole, false)
		f.Add([]byte("k"), whole[:len(whole)-1], false)
	}
	f.Fuzz(func(t *testing.T, key, body []byte, wrapped bool) {
		value := body
		if wrapped { // past the checksum
			var err error
			if value, err = encode(key, json.RawMessage(body)); err != nil {
				return
			}
		}
		reads[reconcile.Record](t, key, value)
		reads[reconcile.Rollout](t, key, value)
		reads[reconcile.Event](t, key, value)
		reads[spec.Project](t, key, value)
		if checkOne(key, value) == nil && len(value) > 0 {
			changed := append([]byte{}, value...)
			changed[len(changed)-1] ^= 1
			if checkOne(key, changed) == nil {
				t.Fatal("a changed byte is not seen")
			}
		}
	})
}

func checkOne(key, value []byte) error {
	var out json.RawMessage
	return decode(key, value, &out)
}

func reads[T any](t *testing.T, key, value []byte) {
	t.Helper()
	var v T
	if decode(key, value, &v) != nil {
		return
	}
	again, err := encode(key, v)
	if err != nil {
		t.Fatalf("read, and cannot be written: %v", err)
	}
	var w T
	if err := decode(key, again, &w); err != nil {
		t.Fatalf("written, and cannot be read: %v", err)
	}
	third, err := encode(key, w)
	if err != nil || string(third) != string(again) {
		t.Fatalf("written again it is another: %v", err)
	}
}

// plain is a bucket without encryption: what lies under it is the same, but for
// whoever has the key.
var plain = &bucket{}

func encode(key []byte, v any) ([]byte, error) {
	body, err := encodeBody(key, v)
	if err != nil {
		return nil, err
	}
	return plain.wrap(key, body), nil
}

func decode(key, value []byte, v any) error { return plain.decode(key, value, v) }
