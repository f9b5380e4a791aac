package contract

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"

	"teal/spec"
)

func (e *env) echoSocket(name string) *server {
	return e.startWith(name, func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
		if err != nil {
			return
		}
		defer c.CloseNow()
		for {
			kind, data, err := c.Read(context.Background())
			if err != nil || c.Write(context.Background(), kind, append([]byte(name+":"), data...)) != nil {
				return
			}
		}
	})
}

func (e *env) openSocket() *websocket.Conn {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(e.t.Context(), 10*time.Second)
	defer cancel()
	client, _ := e.httpClient(false, false)
	client.Timeout = 0
	//nolint:bodyclose // an upgraded connection's response has no body of its own
	c, _, err := websocket.Dial(ctx, "ws://"+e.Address+"/socket", &websocket.DialOptions{HTTPClient: client})
	mustNot(e.t, err)
	e.t.Cleanup(func() { _ = c.CloseNow() })
	return c
}

func (e *env) echo(c *websocket.Conn, text string) (string, error) {
	ctx, cancel := context.WithTimeout(e.t.Context(), 10*time.Second)
	defer cancel()
	if err := c.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
		return "", err
	}
	_, data, err := c.Read(ctx)
	return string(data), err
}

func testWebSocket(t *testing.T, e *env) {
	e.apply(routeTo(on(spec.Blue, "r1", e.echoSocket("blue"))))
	c := e.openSocket()
	for i := range 20 {
		if got, err := e.echo(c, itoa(i)); err != nil || got != fmt.Sprintf("blue:%d", i) {
			t.Fatalf("echo %d: %q, %v", i, got, err)
		}
	}
	if got := e.traffic(app, "r1"); got.Upgraded != 1 || got.InFlight != 0 {
		t.Errorf("while a WebSocket is open: %+v", got)
	}
	mustNot(t, c.Close(websocket.StatusNormalClosure, ""))
	e.eventually("the WebSocket is not counted any more", func() bool { return e.traffic(app, "r1").Upgraded == 0 })
}

func testUpgradedLimit(t *testing.T, e *env) {
	blue, green := e.echoSocket("blue"), e.echoSocket("green")
	table := func(live, other *server, liveColour spec.Colour) {
		r := routeTo(on(liveColour, "r-"+live.name, live), on(liveColour.Other(), "r-"+other.name, other))
		r.Drain.Upgraded = spec.Duration(700 * time.Millisecond)
		e.apply(r)
	}
	table(blue, green, spec.Blue)
	old := e.openSocket()
	if got, err := e.echo(old, "x"); err != nil || got != "blue:x" {
		t.Fatalf("before the switch: %q, %v", got, err)
	}
	switched := time.Now()
	table(green, blue, spec.Green)
	young := e.openSocket()
	if got, err := e.echo(young, "y"); err != nil || got != "green:y" {
		t.Errorf("a new socket after the switch: %q, %v", got, err)
	}
	if got, err := e.echo(old, "z"); err != nil || got != "blue:z" {
		t.Errorf("the old socket right after the switch: %q, %v", got, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, _, err := old.Read(ctx); err == nil || ctx.Err() != nil {
		t.Errorf("the old socket was not closed at its limit: %v", err)
	}
	if took := time.Since(switched); took < 650*time.Millisecond {
		t.Errorf("the old socket was closed after %v, before its limit", took)
	}
	e.eventually("the old colour has no upgraded connection", func() bool { return e.traffic(app, "r-blue").Upgraded == 0 })
	if got, err := e.echo(young, "w"); err != nil || got != "green:w" {
		t.Errorf("the live socket after the limit: %q, %v", got, err)
	}
}
