package controller

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"teal/spec"
)

func named(s string) spec.Name { return spec.Name{Project: "p", Service: s} }

// runQueue runs q in the bubble and returns how to stop it and wait.
func runQueue(q *queue, parallel int, look func(spec.Name, func()) time.Time) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { q.run(ctx, parallel, look) })
	return func() { cancel(); wg.Wait() }
}

func TestQueueLooksOncePerAppHoweverOftenItIsAdded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		q.add(named("a"), named("b"), named("a"), named("a"))
		var seen []string
		stop := runQueue(q, 1, func(n spec.Name, _ func()) time.Time {
			seen = append(seen, n.Service)
			return time.Time{}
		})
		synctest.Wait()
		stop()
		if !slices.Equal(seen, []string{"a", "b"}) {
			t.Errorf("looked at %v", seen)
		}
		if len(q.apps) != 0 {
			t.Errorf("%d entries left behind", len(q.apps))
		}
	})
}

func TestQueueRunsOnePassPerAppAndAgainWhenAddedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		var running, most, passes atomic.Int32
		stop := runQueue(q, 8, func(spec.Name, func()) time.Time {
			most.Store(max(most.Load(), running.Add(1)))
			defer running.Add(-1)
			passes.Add(1)
			time.Sleep(time.Second)
			return time.Time{}
		})
		for range 5 {
			q.add(named("a"))
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(10 * time.Second)
		stop()
		if most.Load() != 1 || passes.Load() != 2 {
			t.Errorf("%d at once, %d passes; want 1 and 2", most.Load(), passes.Load())
		}
	})
}

func TestQueueHonoursDueTimesAndTheLatestWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		start := time.Now()
		var at []time.Duration
		stop := runQueue(q, 2, func(spec.Name, func()) time.Time {
			at = append(at, time.Since(start))
			if len(at) < 3 {
				return time.Now().Add(time.Hour)
			}
			return time.Time{}
		})
		q.add(named("a")) // due in an hour after this
		time.Sleep(10 * time.Minute)
		q.add(named("a")) // an event: the hour starts anew
		time.Sleep(3 * time.Hour)
		stop()
		want := []time.Duration{0, 10 * time.Minute, 70 * time.Minute}
		if !slices.Equal(at, want) {
			t.Errorf("looked at %v, want %v", at, want)
		}
	})
}

func TestQueueIsFairAndBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		var mu sync.Mutex
		count := map[string]int{}
		running, most := 0, 0
		stop := runQueue(q, 3, func(n spec.Name, _ func()) time.Time {
			mu.Lock()
			running++
			most = max(most, running)
			count[n.Service]++
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			running--
			mu.Unlock()
			return time.Now() // always busy
		})
		for i := range 9 {
			q.add(named(fmt.Sprint(i)))
		}
		time.Sleep(100*time.Second + 500*time.Millisecond)
		stop()
		if most != 3 {
			t.Errorf("%d passes at once, want 3", most)
		}
		for app, n := range count {
			if n < 33 || n > 35 {
				t.Errorf("app %s had %d passes of about 303", app, n)
			}
		}
	})
}

func TestQueueSlowAppsGiveUpTheirPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		var quick atomic.Int32
		stop := runQueue(q, 2, func(n spec.Name, release func()) time.Time {
			if n.Service == "quick" {
				quick.Add(1)
				return time.Time{}
			}
			release()
			time.Sleep(time.Hour) // a long pull
			return time.Time{}
		})
		for i := range 10 {
			q.add(named(fmt.Sprint("slow", i)))
		}
		q.add(named("quick"))
		time.Sleep(time.Second)
		if quick.Load() != 1 {
			t.Error("the quick app waited for the slow ones")
		}
		time.Sleep(2 * time.Hour)
		stop()
	})
}

func TestQueueStopWaitsForWhatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		ended := false
		stop := runQueue(q, 1, func(spec.Name, func()) time.Time {
			time.Sleep(time.Minute)
			ended = true
			return time.Time{}
		})
		q.add(named("a"), named("b"))
		time.Sleep(time.Second)
		stop()
		if !ended || q.length() != 1 {
			t.Errorf("ended %t, %d left; want the running pass to end and b to stay", ended, q.length())
		}
	})
}
