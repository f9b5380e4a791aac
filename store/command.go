package store

import (
	"fmt"
	"maps"
	"slices"

	"teal/reconcile"
	"teal/spec"
)

// token is what is kept of a command for as long as its token is known.
type token struct {
	App    spec.Name `json:"app"`
	Number uint64    `json:"number"` // in the app's queue, while it waits
	Done   bool      `json:"done"`
	Answer string    `json:"answer,omitempty"` // "": it took effect
}

// Command queues c for app and returns true; or returns false if its token was
// seen before, for whatever app: it is the same command. Tokens of commands that
// wait are never forgotten, those of the last 1,000 answered ones per app are
// remembered.
//
// Errors: [ErrUnknown], [ErrTooMany], [ErrInvalid] for a command without token.
func (d *DB) Command(app spec.Name, c reconcile.Command) (bool, error) {
	key, err := appKey(app)
	if err != nil {
		return false, fmt.Errorf("queue a command: %w", err)
	}
	if c.Token == "" || len(c.Token) > 255 {
		return false, fmt.Errorf("queue a command for %s: a token has 1 to 255 bytes: %w", app, ErrInvalid)
	}
	fresh := false
	err = d.update("queue a command for "+app.String(), func(tx *txn) error {
		if tx.Bucket(bucketTokens).Get([]byte(c.Token)) != nil {
			return errUnchanged
		}
		if tx.Bucket(bucketDesired).Get(key) == nil && tx.Bucket(bucketRecords).Get(key) == nil {
			return ErrUnknown
		}
		fresh = true
		return enqueue(tx, app, c)
	})
	if err != nil {
		return false, err
	}
	return fresh, nil
}

func enqueue(tx *txn, app spec.Name, c reconcile.Command) error {
	key := []byte(app.String())
	queue, err := tx.Bucket(bucketCommands).CreateBucketIfNotExists(key)
	if err != nil {
		return err
	}
	left, err := waiting(tx, key)
	if err != nil {
		return err
	}
	if len(left) >= maxWaiting {
		return ErrTooMany
	}
	n, err := push(queue, c)
	if err != nil {
		return err
	}
	return put(tx.Bucket(bucketTokens), []byte(c.Token), token{App: app, Number: n})
}

// waiting returns the commands that wait for the app of key, oldest first.
func waiting(tx *txn, key []byte) ([]reconcile.Command, error) {
	queue := tx.Bucket(bucketCommands).Bucket(key)
	if queue == nil {
		return nil, nil
	}
	var out []reconcile.Command
	err := queue.ForEach(func(k, v []byte) error {
		var c reconcile.Command
		if err := queue.decode(k, v, &c); err != nil {
			return err
		}
		out = append(out, c)
		return nil
	})
	return out, err
}

// Answer returns what came of the command with this token: "" it took effect,
// otherwise why not; ok is false while it waits, and if it is not known (any
// more).
func (d *DB) Answer(name string) (answer string, ok bool, err error) {
	if name == "" {
		return "", false, nil
	}
	err = d.view("read an answer", func(tx *txn) error {
		var t token
		if _, err := get(tx.Bucket(bucketTokens), []byte(name), &t); err != nil {
			return err
		}
		answer, ok = t.Answer, t.Done
		return nil
	})
	if err != nil {
		return "", false, err
	}
	return answer, ok, nil
}

// answer takes commands out of the queue of the app of key and keeps the
// answers to them. It reports whether there were any.
func answer(tx *txn, key []byte, answers map[string]string) (bool, error) {
	if len(answers) == 0 {
		return false, nil
	}
	tokens := tx.Bucket(bucketTokens)
	answered, err := tx.Bucket(bucketAnswered).CreateBucketIfNotExists(key)
	if err != nil {
		return false, err
	}
	for _, name := range slices.Sorted(maps.Keys(answers)) {
		var t token
		if _, err := get(tokens, []byte(name), &t); err != nil {
			return false, err
		}
		if t.App.String() != string(key) || t.Done {
			return false, fmt.Errorf("answer command %q: %w", name, ErrCommand)
		}
		if err := tx.Bucket(bucketCommands).Bucket(key).Delete(number(t.Number)); err != nil {
			return false, err
		}
		if err := put(tokens, []byte(name), token{App: t.App, Done: true, Answer: answers[name]}); err != nil {
			return false, err
		}
		if _, err := push(answered, name); err != nil {
			return false, err
		}
	}
	return true, trim(answered, maxAnswers, func(k, v []byte) error {
		var name string
		if err := answered.decode(k, v, &name); err != nil {
			return err
		}
		return tokens.Delete([]byte(name))
	})
}
