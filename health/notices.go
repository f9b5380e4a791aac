package health

import (
	"context"
	"sync"

	"teal/spec"
)

// notices are the apps that somebody has to be told about, each once, oldest
// first. Adding never blocks.
type notices struct {
	wake chan struct{}

	mu   sync.Mutex
	apps []spec.Name
	held map[spec.Name]bool
}

func newNotices() *notices {
	return &notices{wake: make(chan struct{}, 1), held: map[spec.Name]bool{}}
}

func (n *notices) add(app spec.Name) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.held[app] {
		n.held[app] = true
		n.apps = append(n.apps, app)
	}
	signal(n.wake)
}

// take returns the apps that wait, and forgets them.
func (n *notices) take() []spec.Name {
	n.mu.Lock()
	defer n.mu.Unlock()
	apps := n.apps
	n.apps = nil
	clear(n.held)
	return apps
}

// deliver calls tell for each app until ctx ends.
func (n *notices) deliver(ctx context.Context, tell func(spec.Name)) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.wake:
		}
		for _, app := range n.take() {
			tell(app)
		}
	}
}
