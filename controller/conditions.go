package controller

import (
	"context"
	"errors"
	"slices"
	"sync"
	"syscall"

	"teal/reconcile"
)

// side is something outside that the controller needs and that may not answer.
type side string

const (
	engineSide side = "engine"
	proxySide  side = "proxy"
	storeSide  side = "records"
)

// words is what events say of a side.
var words = map[side]struct {
	reason      reconcile.Reason
	lost, found string
}{
	engineSide: {reconcile.ReasonEngineUnavailable, "the Docker Engine does not answer", "the Docker Engine answers again"},
	proxySide:  {reconcile.ReasonProxyUnavailable, "the proxy does not answer", "the proxy answers again"},
	storeSide:  {ReasonRecordsUnwritable, "the records cannot be written", "the records can be written again"},
}

// conditions remembers which side answers.
type conditions struct {
	mu   sync.Mutex
	lost map[side]*loss
}

// loss is a side that does not answer.
type loss struct {
	words string             // its last
	cause reconcile.Reason   // of these words; empty: only that it does not answer
	told  []reconcile.Reason // causes that were news already
}

// set notes whether s answered and reports whether that is news. A first
// success is none. That it is away for a reason that was not told yet is: that
// a port is taken is only seen after the proxy did not answer, and words
// without a cause do not hide it again.
func (c *conditions) set(s side, err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	have, was := c.lost[s]
	if err == nil {
		delete(c.lost, s)
		return was
	}
	if c.lost == nil {
		c.lost = map[side]*loss{}
	}
	cause := causeOf(s, err)
	if !was {
		c.lost[s] = &loss{words: err.Error(), cause: cause, told: []reconcile.Reason{words[s].reason, cause}}
		return true
	}
	if cause == "" && have.cause != "" {
		return false
	}
	have.words, have.cause = err.Error(), cause
	if slices.Contains(have.told, cause) {
		return false
	}
	have.told = append(have.told, cause)
	return cause != ""
}

// causeOf is the reason of an error; empty: no more than that s does not answer.
func causeOf(s side, err error) reconcile.Reason {
	if f, ok := errors.AsType[*reconcile.Failure](err); ok {
		return f.Reason
	}
	if _, ok := errors.AsType[*upError](err); ok {
		return words[s].reason // what keeps it from running
	}
	return ""
}

// of describes one side.
func (c *conditions) of(s side) reconcile.Condition {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l, lost := c.lost[s]; lost {
		return reconcile.Condition{Reason: words[s].reason, Message: words[s].lost + ": " + l.words}
	}
	return reconcile.Condition{OK: true, Message: "answers"}
}

// answered notes whether s answered, with one event when that changes. A
// question that the controller itself withdrew says nothing about s.
func (c *Controller) answered(ctx context.Context, s side, err error) {
	if err != nil && withdrawn(ctx, err) {
		return
	}
	news := c.health.set(s, err)
	if s == engineSide && err != nil {
		c.vitals.firstLookDone() // there is no more to see
	}
	if !news {
		return
	}
	e := reconcile.Event{At: now(), Reason: words[s].reason, Message: words[s].found}
	if err != nil {
		e.Warning, e.Message = true, words[s].lost+": "+err.Error()
	}
	c.note(e)
}

// wrote notes whether the disk took what was to be kept, with one event when
// that changes. An error that is not the system's is about what was to be kept.
// That the disk fails cannot be stored: that event is told at once, and stored
// when it is over.
func (c *Controller) wrote(err error) {
	if _, disk := errors.AsType[syscall.Errno](err); err != nil && !disk || !c.health.set(storeSide, err) {
		return
	}
	e := reconcile.Event{At: now(), Reason: words[storeSide].reason, Message: words[storeSide].found}
	if err != nil {
		e.Warning, e.Message = true, words[storeSide].lost+": "+err.Error()
		c.unkept.put(e)
		c.publish(e)
		return
	}
	c.note(append(c.unkept.take(), e)...)
}

// recordsStatus describes the records: whether they can be written, and whether
// they are whole.
func (c *Controller) recordsStatus() reconcile.Condition {
	if cond := c.health.of(storeSide); !cond.OK {
		return cond
	}
	if c.opts.Records != nil {
		return c.opts.Records()
	}
	return reconcile.Condition{OK: true, Message: "written"}
}

// unkept are events that could not be stored when they happened.
type unkept struct {
	mu   sync.Mutex
	list []reconcile.Event
}

func (u *unkept) put(e reconcile.Event) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.list = append(u.list, e)
}

func (u *unkept) take() []reconcile.Event {
	u.mu.Lock()
	defer u.mu.Unlock()
	out := u.list
	u.list = nil
	return out
}
