package store

import (
	"testing"

	"teal/reconcile"
	"teal/spec"
)

// BenchmarkSave measures one pass's write: record, event, and the disk's sync.
func BenchmarkSave(b *testing.B) {
	db := open(b, storePath(b))
	accept(b, db, map[spec.Name]string{was: "was:1"}, false)
	record := reconcile.Record{Name: was, Generation: 1, Stable: &reconcile.Placement{Revision: revision("a")}}
	events := []reconcile.Event{{At: t0, App: was, Reason: reconcile.ReasonHeld, Message: "held"}}
	for b.Loop() {
		record.Rollouts++
		if err := db.Save(was, reconcile.Decision{Record: record, Events: events}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSaveNothingNew measures what an unchanged record costs.
func BenchmarkSaveNothingNew(b *testing.B) {
	db := open(b, storePath(b))
	record := reconcile.Record{Name: was, Generation: 1, Stable: &reconcile.Placement{Revision: revision("a")}}
	for b.Loop() {
		if err := db.Save(was, reconcile.Decision{Record: record}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLoad measures one pass's read, with a full history of failures.
func BenchmarkLoad(b *testing.B) {
	db := open(b, storePath(b))
	accept(b, db, map[spec.Name]string{was: "was:1"}, false)
	logs := make([]string, 50)
	for i := range logs {
		logs[i] = "2026-11-22T12:00:00Z a line of a log of ordinary length, as applications write them"
	}
	var history []reconcile.Rollout
	for range maxHistory {
		history = append(history, reconcile.Rollout{Result: reconcile.Failed, Evidence: &reconcile.Evidence{
			Containers: []reconcile.ContainerEvidence{{Logs: logs}, {Logs: logs}},
		}})
	}
	save(b, db, was, reconcile.Decision{Record: reconcile.Record{Generation: 1}, History: history})
	for b.Loop() {
		if _, _, err := db.Load(was); err != nil {
			b.Fatal(err)
		}
	}
}
