package nginx

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"teal/spec"
)

// question is one request to the status server.
type question struct {
	head    bool
	path    string
	upgrade bool // counted as an upgraded connection is
}

// reply is its answer.
type reply struct {
	status int
	tag    string
	body   string
}

// askLimit is the longest that one batch of questions takes.
const askLimit = 5 * time.Second

// conversation is one connection to the status server. Questions are sent
// together, so that many cost one round trip.
type conversation struct {
	conn net.Conn
	br   *bufio.Reader
	stop func() bool
}

// converse connects. A connection is as old as the worker that took it, so each
// look at what is served makes its own.
func (d *Driver) converse(ctx context.Context) (*conversation, error) {
	conn, err := d.o.Place.Dial(ctx, "tcp", d.o.Admin)
	if err != nil {
		return nil, fmt.Errorf("ask nginx in %s: %w: %w", d.o.Place, ErrUnreachable, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // wakes who reads
	return &conversation{conn: conn, br: bufio.NewReader(conn), stop: stop}, nil
}

func (c *conversation) close() {
	c.stop()
	_ = c.conn.Close() // nothing is lost: all answers were read
}

// ask sends all questions and reads their answers.
func (c *conversation) ask(questions []question) ([]reply, error) {
	// A place behind ssh has no deadlines; the context ends those.
	_ = c.conn.SetDeadline(time.Now().Add(askLimit))
	var b strings.Builder
	for _, q := range questions {
		method, more := http.MethodGet, ""
		if q.head {
			method = http.MethodHead
		}
		if q.upgrade {
			more = "Connection: upgrade\r\nUpgrade: teal\r\n"
		}
		b.WriteString(method + " " + q.path + " HTTP/1.1\r\nHost: teal\r\n" + more + "\r\n")
	}
	sent := make(chan error, 1)
	go func() {
		_, err := io.WriteString(c.conn, b.String())
		sent <- err
	}()
	out, err := c.replies(questions)
	if err != nil {
		_ = c.conn.Close() // ends the sending
	}
	if err := errors.Join(<-sent, err); err != nil {
		return nil, fmt.Errorf("ask nginx: %w: %w", ErrUnreachable, err)
	}
	return out, nil
}

func (c *conversation) replies(questions []question) ([]reply, error) {
	out := make([]reply, len(questions))
	for i, q := range questions {
		method := http.MethodGet
		if q.head {
			method = http.MethodHead
		}
		resp, err := http.ReadResponse(c.br, &http.Request{Method: method})
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(resp.Body)
		if err := errors.Join(err, resp.Body.Close()); err != nil {
			return nil, err
		}
		out[i] = reply{status: resp.StatusCode, tag: resp.Header.Get("ETag"), body: string(body)}
	}
	return out, nil
}

// loaded is the configuration that nginx runs, and how many client connections
// wait for a request; -1: it cannot tell.
func (c *conversation) loaded() (name string, waiting int, err error) {
	replies, err := c.ask([]question{{path: "/configuration"}})
	if err != nil {
		return "", 0, err
	}
	name, count, _ := strings.Cut(replies[0].body, " ")
	if replies[0].status != http.StatusOK {
		return "", 0, fmt.Errorf("ask nginx for its configuration: status %d: another server answers there", replies[0].status)
	}
	if _, err := fmt.Sscan(count, &waiting); err != nil {
		waiting = -1
	}
	return name, waiting, nil
}

func appQuestion(app spec.Name, bucket string) question {
	return question{path: "/app/" + fileOf(app) + "?bucket=" + bucket}
}

func busyQuestion(k slotKey, n int) question {
	return question{
		path:    fmt.Sprintf("/busy/%d?app=%s&slot=%s", n, url.QueryEscape(fileOf(k.app)), k.colour),
		upgrade: k.upgraded,
	}
}
