package notify

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"teal/reconcile"
	"teal/spec"
)

// book keeps events as the store does: numbered, the newest so many.
type book struct {
	mu     sync.Mutex
	first  uint64 // number of the first that is kept
	events []reconcile.Event
	most   int
	subs   []chan struct{}
}

func newBook(most int) *book { return &book{first: 1, most: most} }

func (b *book) Events(_ spec.Name, after uint64, limit int) ([]reconcile.Event, uint64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	last := b.first + uint64(len(b.events)) - 1
	if after >= last {
		return nil, last, nil
	}
	from := max(after+1, b.first) - b.first
	out := b.events[from:]
	if limit > 0 {
		out = out[:min(limit, len(out))]
	}
	return slices.Clone(out), b.first + from + uint64(len(out)) - 1, nil
}

func (b *book) Note(events ...reconcile.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.events = append(b.events, events...)
	if over := len(b.events) - b.most; over > 0 {
		b.events, b.first = b.events[over:], b.first+uint64(over)
	}
	for _, ch := range b.subs {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}

func (b *book) subscribe(context.Context) <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	ch := make(chan struct{}, 1)
	b.subs = append(b.subs, ch)
	return ch
}

// happens notes an event of shop/web that warns.
func (b *book) happens(words string) {
	b.Note(reconcile.Event{At: time.Now(), App: spec.Name{Project: "shop", Service: "web"}, Warning: true, Reason: reconcile.ReasonUnhealthy, Message: words})
}

// taker is a target that keeps what it is sent, and answers as it is told.
type taker struct {
	mu    sync.Mutex
	got   []message
	calls int
	reply func(call int, m message) error
}

func (k *taker) send(_ context.Context, m message) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.calls++
	if k.reply != nil {
		if err := k.reply(k.calls, m); err != nil {
			return err
		}
	}
	k.got = append(k.got, m)
	return nil
}

func (k *taker) texts() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []string
	for _, m := range k.got {
		out = append(out, m.Text)
	}
	return out
}

func (k *taker) tried() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.calls
}

// desk is a notifier in a bubble of fake time.
type desk struct {
	t    *testing.T
	book *book
	file string
	stop func()
}

func atDesk(t *testing.T, f func(d *desk)) {
	t.Helper()
	folder := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		f(&desk{t: t, book: newBook(5000), file: filepath.Join(folder, "notify.json")})
	})
}

// target is one that sends to k.
func (d *desk) target(name, query string, k *taker) Target {
	d.t.Helper()
	target, err := Parse(name, "https://example.com/?template={{.Message}}&"+query)
	if err != nil {
		d.t.Fatal(err)
	}
	target.sender = k
	return target
}

func (d *desk) run(targets ...Target) {
	d.t.Helper()
	n, err := New(Options{
		ID: "test", Targets: targets, Book: d.book, File: d.file, Subscribe: d.book.subscribe, Note: d.book.Note,
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		d.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := n.Run(ctx); err != nil {
			d.t.Error(err)
		}
	})
	d.stop = func() { cancel(); wg.Wait() }
	synctest.Wait()
}

func (d *desk) settles(k *taker, want ...string) {
	d.t.Helper()
	synctest.Wait()
	if got := k.texts(); !slices.Equal(got, want) {
		d.t.Fatalf("told %q, want %q", got, want)
	}
}

func TestANewTargetIsToldOfWhatHappensFromNowOn(t *testing.T) {
	atDesk(t, func(d *desk) {
		d.book.happens("before")
		k := &taker{}
		d.run(d.target("a", "", k))
		defer d.stop()
		d.settles(k)
		d.book.happens("one")
		d.book.happens("two")
		d.settles(k, "one", "two")
	})
}

func TestARestartGoesOnWhereItWas(t *testing.T) {
	atDesk(t, func(d *desk) {
		k := &taker{}
		d.run(d.target("a", "", k))
		d.book.happens("one")
		synctest.Wait()
		d.stop()
		d.book.happens("two")
		d.run(d.target("a", "", k))
		d.settles(k, "one", "two")
		d.stop()
		d.run(d.target("a", "", k))
		d.settles(k, "one", "two")
		d.stop()
	})
}

// TestWhatWasNotTakenIsToldAfterARestart: killed while the target does not
// answer, or before that is written down, it is told again.
func TestWhatWasNotTakenIsToldAfterARestart(t *testing.T) {
	atDesk(t, func(d *desk) {
		k := &taker{reply: func(int, message) error { return &failure{words: "away"} }}
		d.run(d.target("a", "", k))
		d.book.happens("one")
		synctest.Wait()
		d.stop()
		k.reply = nil
		d.run(d.target("a", "", k))
		d.settles(k, "one")
		first := k.got[0].ID
		before, err := os.ReadFile(d.file)
		if err != nil {
			t.Fatal(err)
		}
		d.book.happens("two")
		d.settles(k, "one", "two")
		d.stop()
		// As if it had been killed between the delivery and the note of it.
		if err := os.WriteFile(d.file, before, 0o600); err != nil {
			t.Fatal(err)
		}
		d.run(d.target("a", "", k))
		d.settles(k, "one", "two", "two")
		d.stop()
		if k.got[1].ID != k.got[2].ID || k.got[0].ID != first || first == k.got[1].ID {
			t.Errorf("ids %s, %s, %s", k.got[0].ID, k.got[1].ID, k.got[2].ID)
		}
	})
}

func TestAStormIsSummedUp(t *testing.T) {
	atDesk(t, func(d *desk) {
		k := &taker{}
		d.run(d.target("a", "limit=3/1m", k))
		defer d.stop()
		for i := range 1000 {
			d.book.happens(fmt.Sprint("event ", i))
		}
		d.settles(k, "event 0", "event 1", "event 2")
		time.Sleep(time.Minute)
		synctest.Wait()
		got := k.texts()
		if len(got) < 4 || len(got) > 6 || !strings.Contains(got[3], "× Unhealthy of shop/web, the last: event") {
			t.Fatalf("told %q", got)
		}
		told := 3
		for _, m := range k.got[3:] {
			told += m.Summary.Events
		}
		if told != 1000 {
			t.Errorf("%d of 1000 events were told", told)
		}
		time.Sleep(time.Minute)
		d.book.happens("calm")
		synctest.Wait()
		if got := k.texts(); got[len(got)-1] != "calm" {
			t.Errorf("then told %q", got)
		}
	})
}

func TestAFailingTargetIsToldOfOnceAndGetsAllLater(t *testing.T) {
	atDesk(t, func(d *desk) {
		away := &taker{reply: func(call int, _ message) error {
			if call < 8 {
				return &failure{words: "answered 503"}
			}
			return nil
		}}
		well := &taker{}
		d.run(d.target("away", "", away), d.target("well", "", well))
		defer d.stop()
		d.book.happens("one")
		d.settles(well, "one")
		time.Sleep(time.Hour)
		d.settles(away, "one")
		d.settles(well, "one", "away (webhook at example.com): answered 503; what happens meanwhile is kept and told later")
		if n := away.tried(); n != 8 {
			t.Errorf("tried %d times", n)
		}
		warned := 0
		for _, e := range d.book.events {
			if e.Reason == ReasonNotifyFailed || e.Reason == ReasonNotifyBack {
				warned++
			}
		}
		if warned != 2 {
			t.Errorf("there are %d events about the target: %v", warned, d.book.events)
		}
	})
}

func TestAWrongTokenIsTriedSeldom(t *testing.T) {
	atDesk(t, func(d *desk) {
		k := &taker{reply: func(int, message) error { return &failure{kind: refused, words: "answered 401"} }}
		d.run(d.target("a", "", k))
		defer d.stop()
		d.book.happens("one")
		time.Sleep(10 * time.Hour)
		synctest.Wait()
		if n := k.tried(); n < 10 || n > 35 {
			t.Errorf("tried %d times in ten hours", n)
		}
		if n := len(d.book.events); n != 2 {
			t.Errorf("there are %d events: %v", n, d.book.events)
		}
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	atDesk(t, func(d *desk) {
		var at []time.Time
		k := &taker{reply: func(call int, _ message) error {
			at = append(at, time.Now())
			if call == 1 {
				return &failure{words: "answered 429", after: 10 * time.Minute}
			}
			return nil
		}}
		d.run(d.target("a", "", k))
		defer d.stop()
		d.book.happens("one")
		time.Sleep(time.Minute)
		d.book.happens("two") // must not wake it
		time.Sleep(time.Hour)
		d.settles(k, "one", "two")
		if got := at[1].Sub(at[0]); got != 10*time.Minute {
			t.Errorf("tried again after %s", got)
		}
	})
}

func TestAMessageThatIsRefusedDoesNotHoldUpTheNext(t *testing.T) {
	atDesk(t, func(d *desk) {
		k := &taker{reply: func(_ int, m message) error {
			if m.Text == "bad" {
				return &failure{kind: unfit, words: "answered 400"}
			}
			return nil
		}}
		d.run(d.target("a", "", k))
		defer d.stop()
		d.book.happens("bad")
		d.book.happens("good")
		time.Sleep(time.Hour)
		d.settles(k, "good")
	})
}

func TestWhatTheStoreDroppedIsCounted(t *testing.T) {
	atDesk(t, func(d *desk) {
		d.book.most = 10
		k := &taker{reply: func(call int, _ message) error {
			if call < 3 {
				return &failure{words: "away"}
			}
			return nil
		}}
		d.run(d.target("a", "", k))
		defer d.stop()
		for i := range 25 {
			d.book.happens(fmt.Sprint("event ", i))
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		got := k.texts()
		if len(got) == 0 || !strings.Contains(got[0], "15 earlier events are no longer kept") {
			t.Fatalf("told %q", got)
		}
	})
}

// TestNumbersThatBeginAnew: the records were rebuilt, or are of a backup.
func TestNumbersThatBeginAnew(t *testing.T) {
	atDesk(t, func(d *desk) {
		k := &taker{}
		d.run(d.target("a", "", k))
		for i := range 10 {
			d.book.happens(fmt.Sprint(i))
		}
		synctest.Wait()
		d.stop()
		backup := d.book.events[:4]
		time.Sleep(time.Minute)
		d.book = newBook(5000)
		d.book.Note(backup...)
		d.book.happens("restored")
		k.got = nil
		d.run(d.target("a", "", k))
		d.book.happens("next")
		d.settles(k, "restored", "next")
		d.stop()
	})
}

func TestAPositionThatCannotBeReadIsBegunAnew(t *testing.T) {
	atDesk(t, func(d *desk) {
		if err := os.WriteFile(d.file, []byte("{half"), 0o600); err != nil {
			t.Fatal(err)
		}
		d.book.happens("before")
		k := &taker{}
		d.run(d.target("a", "", k))
		defer d.stop()
		d.book.happens("one")
		d.settles(k, "one")
	})
}
