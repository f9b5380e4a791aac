package loadgen

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

func TestSocketsStayOpenAreSeenToEndAndAreOpenedAgain(t *testing.T) {
	hangUp, done := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(VersionHeader, "v1")
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		if err := c.Write(r.Context(), websocket.MessageText, []byte("messages are not minded")); err != nil {
			return
		}
		ctx := c.CloseRead(r.Context())
		select {
		case <-hangUp:
		case <-done:
		case <-ctx.Done():
		}
	}))
	defer server.Close()
	defer close(done)

	s, err := NewSockets(t.Context(), SocketConfig{URL: "ws" + strings.TrimPrefix(server.URL, "http"), Count: 4, Ping: 5 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	s.Start(t.Context())
	waitFor(t, func() bool {
		r := s.Snapshot()
		return len(r.Lives) == 4 && r.Lives[0].Pings > 2 && r.Lives[3].Pings > 2
	})
	if r := s.Snapshot(); r.Ended != 0 || r.Refused != 0 {
		t.Errorf("before the server hung up: %+v", r)
	}
	hangUp <- struct{}{}
	waitFor(t, func() bool { return len(s.Snapshot().Lives) == 5 })
	r := s.Stop()
	if r.Ended != 1 || len(r.Lives) != 5 || r.Lives[0].Reason == "" || r.Lives[0].Version != "v1" {
		t.Errorf("after one ended: %+v", r)
	}
	for _, l := range r.Lives {
		if l.Closed.Before(l.Opened) {
			t.Errorf("life %+v ends before it begins", l)
		}
	}
}

func TestRefusedHandshakesAreCounted(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	s, err := NewSockets(t.Context(), SocketConfig{URL: "ws" + strings.TrimPrefix(server.URL, "http"), Count: 2})
	if err != nil {
		t.Fatal(err)
	}
	s.Start(t.Context())
	waitFor(t, func() bool { return s.Snapshot().Refused >= 2 })
	if r := s.Stop(); len(r.Lives) != 0 || len(r.Errors) < 2 {
		t.Errorf("report %+v", r)
	}
}
