package embedded

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"teal/reconcile"
)

// askTime bounds one question to the proxy before.
const askTime = 3 * time.Second

// forerunner is the proxy that this one took over from, while what is in flight
// there ends. A nil one has ended.
type forerunner struct {
	mu   sync.Mutex
	line *net.UnixConn // nil: it is gone
	in   *json.Decoder
}

// ask is what a successor wants of the proxy before: to follow a table, if there
// is one, and to tell what it has in flight.
type ask struct {
	Table *reconcile.Table `json:"table,omitempty"`
}

// word answers it.
type word struct {
	Traffic []reconcile.AppTraffic `json:"traffic,omitempty"`
	Error   string                 `json:"error,omitempty"`
}

func newForerunner(line *net.UnixConn) *forerunner {
	if line == nil {
		return nil
	}
	return &forerunner{line: line, in: json.NewDecoder(line)}
}

// succeeded tells it that its successor serves.
func (f *forerunner) succeeded() error {
	_, err := f.tell(ask{})
	return err
}

// apply makes it follow a table. One that does not answer may serve another, so
// that is an error; one that is gone serves nothing.
func (f *forerunner) apply(t reconcile.Table) error {
	_, err := f.tell(ask{Table: &t})
	if err != nil {
		return fmt.Errorf("the proxy before this one, which ends: %w", err)
	}
	return nil
}

// traffic returns what it counted.
func (f *forerunner) traffic() ([]reconcile.AppTraffic, error) {
	w, err := f.tell(ask{})
	if err != nil {
		return nil, fmt.Errorf("the proxy before this one, which ends: %w", err)
	}
	return w.Traffic, nil
}

// there reports whether it still runs. The asking is what finds out.
func (f *forerunner) there() bool {
	if f == nil {
		return false
	}
	_, err := f.traffic()
	f.mu.Lock()
	defer f.mu.Unlock()
	return err == nil && f.line != nil
}

func (f *forerunner) tell(a ask) (word, error) {
	if f == nil {
		return word{}, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.line == nil {
		return word{}, nil
	}
	var w word
	err := f.line.SetDeadline(time.Now().Add(askTime))
	if err == nil {
		err = json.NewEncoder(f.line).Encode(a)
	}
	if err == nil {
		err = f.in.Decode(&w)
	}
	switch {
	case err == nil && w.Error != "":
		return w, errors.New(w.Error)
	case err == nil:
		return w, nil
	}
	var late net.Error
	if errors.As(err, &late) && late.Timeout() {
		return word{}, errors.Join(err, f.broken()) // half a word may be on the line
	}
	return word{}, f.hangUp() // it has ended
}

// broken ends a conversation with a proxy that is there but does not answer: it
// notices and ends within its usual limits.
func (f *forerunner) broken() error {
	if err := f.hangUp(); err != nil {
		return err
	}
	return errors.New("it is left to end by itself")
}

func (f *forerunner) hangUp() error {
	line := f.line
	f.line = nil
	return line.Close()
}

// close ends the conversation.
func (f *forerunner) close() error {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.line == nil {
		return nil
	}
	return f.hangUp()
}

// plusInFlight adds what is in flight in one proxy to the counts of another.
func plusInFlight(here, there []reconcile.AppTraffic) []reconcile.AppTraffic {
	for _, app := range there {
		for _, t := range app.Traffic {
			if t.InFlight+t.Upgraded > 0 {
				here = addInFlight(here, app, t)
			}
		}
	}
	return here
}

func addInFlight(here []reconcile.AppTraffic, app reconcile.AppTraffic, t reconcile.Traffic) []reconcile.AppTraffic {
	only := reconcile.Traffic{Colour: t.Colour, Revision: t.Revision, InFlight: t.InFlight, Upgraded: t.Upgraded}
	for i := range here {
		if here[i].App != app.App {
			continue
		}
		for j := range here[i].Traffic {
			if own := &here[i].Traffic[j]; own.Colour == t.Colour && own.Revision == t.Revision {
				own.InFlight += t.InFlight
				own.Upgraded += t.Upgraded
				return here
			}
		}
		here[i].Traffic = append(here[i].Traffic, only)
		return here
	}
	return append(here, reconcile.AppTraffic{App: app.App, Traffic: []reconcile.Traffic{only}})
}

// serveSuccessor answers a successor until it hangs up or this proxy ends.
func (s *server) serveSuccessor(line *net.UnixConn) error {
	ended := make(chan struct{})
	defer close(ended)
	s.background.Go(func() {
		select {
		case <-s.over:
			_ = line.Close() // ends the reading below
		case <-ended:
		}
	})
	in := json.NewDecoder(line)
	for first := true; ; first = false {
		var a ask
		if err := in.Decode(&a); err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
				err = nil
			}
			if first && err == nil {
				err = errors.New("the successor went away before it served")
			}
			return err
		}
		if first {
			if err := line.SetDeadline(time.Time{}); err != nil {
				return err
			}
			close(s.handedOver)
			s.log.Info("listeners were handed over", "count", len(s.edges.all()))
		}
		var w word
		traffic, err := s.control.follow(a.Table)
		if w.Traffic = traffic; err != nil {
			w.Error = err.Error()
		}
		if err := json.NewEncoder(line).Encode(w); err != nil {
			return err
		}
	}
}
