package controller

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"teal/controller/api"
	"teal/reconcile"
	"teal/spec"
)

// hosts remembers which hosts do not answer.
type hosts struct {
	mu   sync.Mutex
	lost map[string]string // and their last words
}

// set notes whether a host answered (words is empty) and reports whether that
// is news. A first answer is none.
func (h *hosts) set(name, words string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, was := h.lost[name]
	if words == "" {
		delete(h.lost, name)
		return was
	}
	if h.lost == nil {
		h.lost = map[string]string{}
	}
	h.lost[name] = words
	return !was
}

// away returns the hosts that do not answer, with their last words.
func (h *hosts) away() map[string]string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.lost)
}

// load returns the state of an app, with the hosts that its desired state
// leaves to the controller. The store never has those: the first host may be
// another one tomorrow.
func (c *Controller) load(app spec.Name) (reconcile.State, bool, error) {
	state, known, err := c.opts.Store.Load(app)
	if err != nil {
		return state, false, fmt.Errorf("load %s: %w", app, err)
	}
	state.Desired.Service = c.placed(state.Desired.Service)
	return state, known, nil
}

// placed names the first host where a service names none.
func (c *Controller) placed(s spec.Service) spec.Service {
	if len(c.opts.Hosts) == 0 {
		return s
	}
	if len(s.Hosts) == 0 {
		s.Hosts = c.opts.Hosts[:1:1]
	}
	s.Adopt = slices.Clone(s.Adopt)
	for i := range s.Adopt {
		if s.Adopt[i].Host == "" {
			s.Adopt[i].Host = c.opts.Hosts[0]
		}
	}
	return s
}

// hostNames are the names that a desired state may use; "" stands for the only
// host where hosts have no names.
func (c *Controller) hostNames() []string {
	if len(c.opts.Hosts) == 0 {
		return []string{""}
	}
	return c.opts.Hosts
}

// several reports whether hosts can be away while others answer.
func (c *Controller) several() bool { return len(c.opts.Hosts) > 1 }

// heard notes what a look at s said of the hosts it is placed on. err says that
// none of them answered; with one host that is the engine itself.
func (c *Controller) heard(ctx context.Context, s spec.Service, seen Seen, err error) {
	if err != nil && withdrawn(ctx, err) {
		return
	}
	if c.several() {
		said := map[string]string{}
		for _, name := range s.Hosts {
			said[name] = wordsOf(err)
		}
		for _, a := range seen.Away {
			said[a.Host] = a.Words
		}
		for _, name := range slices.Sorted(maps.Keys(said)) {
			c.hostSaid(name, said[name])
		}
		if err != nil && len(c.hosts.away()) < len(c.opts.Hosts) {
			return // others answer
		}
	}
	c.answered(ctx, engineSide, err)
}

// withdrawn reports whether the controller itself withdrew a question, so that
// the error says nothing about who was asked.
func withdrawn(ctx context.Context, err error) bool {
	return errors.Is(ctx.Err(), context.Canceled) || errors.Is(err, context.Canceled)
}

func wordsOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// HostAnswered notes that a host was lost, or (nil) that it answers, for whoever
// watches over connections. A host that is back has every app looked at. It
// never blocks on a host.
func (c *Controller) HostAnswered(host string, err error) {
	if c.hostSaid(host, wordsOf(err)) && err == nil {
		c.queue.add(c.family.all()...)
	}
}

// hostSaid tells once when a host is lost, and once when it is back, and reports
// whether it was news.
func (c *Controller) hostSaid(host, words string) bool {
	if !c.hosts.set(host, words) {
		return false
	}
	e := reconcile.Event{At: now(), Reason: ReasonHostBack, Message: "host " + host + " answers again"}
	if words != "" {
		e.Warning, e.Reason, e.Message = true, reconcile.ReasonHostAway, hostAwayWords(host, words)
	}
	c.metrics.host(host, words == "")
	c.note(e)
	return true
}

func hostAwayWords(host, words string) string {
	return "host " + host + " does not answer: " + strings.TrimPrefix(words, "host "+host+": ")
}

// lostWords says why nothing is known of a service: its hosts, or the engine,
// do not answer.
func (c *Controller) lostWords(s spec.Service, err error) (reconcile.Reason, string) {
	if !c.several() {
		return reconcile.ReasonEngineUnavailable, words[engineSide].lost + ": " + err.Error()
	}
	return reconcile.ReasonHostAway, hostAwayWords(strings.Join(s.Hosts, " and "), err.Error())
}

// unavailable refuses what cannot be told without the hosts of s.
func (c *Controller) unavailable(s spec.Service, err error) error {
	_, why := c.lostWords(s, err)
	return &api.Error{Reason: api.ReasonUnavailable, Message: why, Hint: "teal doctor"}
}

// allAnswer reports whether no host is away.
func (c *Controller) allAnswer(ctx context.Context) bool {
	return !slices.ContainsFunc(c.hostsStatus(ctx), func(h api.HostStatus) bool { return !h.Answers.OK })
}

// hostsStatus describes the hosts; none while there is only one without a name.
func (c *Controller) hostsStatus(ctx context.Context) []api.HostStatus {
	if len(c.opts.Hosts) == 0 {
		return nil
	}
	if c.opts.HostStatus != nil {
		limited, cancel := context.WithTimeout(ctx, c.opts.Limits.Read)
		defer cancel()
		return c.opts.HostStatus(limited)
	}
	away := c.hosts.away()
	out := make([]api.HostStatus, 0, len(c.opts.Hosts))
	for _, name := range c.opts.Hosts {
		out = append(out, api.HostStatus{Name: name, Answers: answers(away[name])})
	}
	return out
}

func answers(words string) reconcile.Condition {
	if words == "" {
		return reconcile.Condition{OK: true, Message: "answers"}
	}
	return reconcile.Condition{Reason: reconcile.ReasonHostAway, Message: words}
}
