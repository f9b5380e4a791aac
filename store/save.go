package store

import (
	"fmt"
	"slices"
	"strings"

	"teal/reconcile"
	"teal/spec"
)

// What is kept, at most.
const (
	maxEvents   = 5000 // in all
	maxHistory  = 50   // rollouts per app
	maxAnswers  = 1000 // answered commands per app
	maxWaiting  = 256  // commands per app
	maxLogLines = 100  // per container, in history
	maxLogLine  = 1024 // bytes
	maxMessage  = 4096 // bytes of an event's message

	maxGoneHistory = 100    // removed apps whose history and answers are kept
	maxGone        = 10_000 // removed apps whose generation is kept
	maxPulled      = 10_000 // pulled images
)

// Save records a decision in one transaction: the record, the events, the
// history and the answers to commands. With Gone it deletes the record, the
// desired state and the commands that wait, and keeps events and history.
// Nothing is written, and no disk touched, if d says nothing new.
//
// Errors: [ErrGeneration] if the record's generation is older than the recorded
// one, [ErrCommand] if Taken names a command that does not wait, [ErrWanted] if
// the app is Gone but its desired state, by now, is not to be removed.
func (d *DB) Save(app spec.Name, decision reconcile.Decision) error {
	key, err := appKey(app)
	if err != nil {
		return fmt.Errorf("save: %w", err)
	}
	return d.update("save "+app.String(), func(tx *txn) error {
		answered, err := answer(tx, key, decision.Taken)
		if err != nil {
			return err
		}
		recorded, err := record(tx, app, decision)
		if err != nil {
			return err
		}
		if err := appendHistory(tx, key, decision.History); err != nil {
			return err
		}
		if err := appendEvents(tx, decision.Events); err != nil {
			return err
		}
		if !answered && !recorded && len(decision.History)+len(decision.Events) == 0 {
			return errUnchanged
		}
		return nil
	})
}

// Note appends events that no decision made.
func (d *DB) Note(events ...reconcile.Event) error {
	if len(events) == 0 {
		return nil
	}
	return d.update("note events", func(tx *txn) error { return appendEvents(tx, events) })
}

// record writes or deletes the record and reports whether that changed anything.
func record(tx *txn, app spec.Name, decision reconcile.Decision) (changed bool, err error) {
	key := []byte(app.String())
	if decision.Gone {
		return true, forget(tx, key)
	}
	next := decision.Record
	if next.Name == (spec.Name{}) {
		next.Name = app
	}
	if next.Name != app {
		return false, fmt.Errorf("record of %s: %w", next.Name, ErrInvalid)
	}
	b := tx.Bucket(bucketRecords)
	var had reconcile.Record
	if _, err := get(b, key, &had); err != nil {
		return false, err
	}
	if next.Generation < had.Generation {
		return false, fmt.Errorf("generation %d after %d: %w", next.Generation, had.Generation, ErrGeneration)
	}
	return putNew(b, key, next)
}

// forget deletes what is kept of an app that is gone. Its generation stays, so
// that it goes on from there if the app comes back.
func forget(tx *txn, key []byte) error {
	var wish reconcile.Desired
	wanted, err := get(tx.Bucket(bucketDesired), key, &wish)
	if err != nil {
		return err
	}
	if wanted && !wish.Pruned {
		return ErrWanted
	}
	left, err := waiting(tx, key)
	if err != nil {
		return err
	}
	answers := map[string]string{}
	for _, c := range left {
		answers[c.Token] = "the app was removed"
	}
	if _, err := answer(tx, key, answers); err != nil {
		return err
	}
	if err := tx.Bucket(bucketDesired).Delete(key); err != nil {
		return err
	}
	if err := tx.Bucket(bucketRecords).Delete(key); err != nil {
		return err
	}
	return bury(tx, key)
}

func appendEvents(tx *txn, events []reconcile.Event) error {
	b := tx.Bucket(bucketEvents)
	for _, e := range events {
		if len(e.Message) > maxMessage {
			e.Message = strings.ToValidUTF8(e.Message[:maxMessage], "") + "…"
		}
		if _, err := push(b, e); err != nil {
			return err
		}
	}
	return trim(b, maxEvents, nil)
}

func appendHistory(tx *txn, key []byte, rollouts []reconcile.Rollout) error {
	if len(rollouts) == 0 {
		return nil
	}
	history, err := tx.Bucket(bucketHistory).CreateBucketIfNotExists(key)
	if err != nil {
		return err
	}
	stables, err := tx.Bucket(bucketStables).CreateBucketIfNotExists(key)
	if err != nil {
		return err
	}
	for _, r := range rollouts {
		r.Evidence = bounded(r.Evidence)
		n, err := push(history, r)
		if err != nil {
			return err
		}
		if !wayBack(r) {
			continue
		}
		if err := put(stables, number(n), r.Revision.ID); err != nil {
			return err
		}
	}
	return trim(history, maxHistory, func(k, _ []byte) error { return stables.Delete(k) })
}

// wayBack reports whether r's revision became stable and can be made again.
func wayBack(r reconcile.Rollout) bool {
	return (r.Result == reconcile.Succeeded || r.Result == reconcile.Adopted) && r.Revision.Known()
}

// bounded returns e with at most the last maxLogLines lines per container, each
// cut at maxLogLine bytes.
func bounded(e *reconcile.Evidence) *reconcile.Evidence {
	if e == nil {
		return nil
	}
	out := *e
	out.Test = boundedLines(e.Test)
	out.Containers = slices.Clone(e.Containers)
	for i := range out.Containers {
		out.Containers[i].Logs = boundedLines(out.Containers[i].Logs)
	}
	return &out
}

func boundedLines(lines []string) []string {
	lines = slices.Clone(lines[max(0, len(lines)-maxLogLines):])
	for i, line := range lines {
		if len(line) > maxLogLine {
			lines[i] = strings.ToValidUTF8(line[:maxLogLine], "") + "…"
		}
	}
	return lines
}
