package nginx

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

const (
	// anchored is how long workers are held after a reload: longer than most
	// answers take, and not so long that who stops nginx has to wait.
	anchored = 5 * time.Second
	// unseen is after how many connections in a row to workers that are held
	// already there is taken to be no other. nginx gives a worker that waits
	// sixteen before it is another's turn.
	unseen = 40
	// mostAnchors bounds the connections of one reload.
	mostAnchors = 1000
)

// anchor opens a connection to each worker whose last request is never complete,
// and returns what lets them go.
//
// A worker that was told to end does so as soon as none of its timers runs. An
// answer that is being passed on may have none at that moment, and is cut then:
// with nginx 1.22 that hit 7 answers of 24 kB in 80 reloads under 100 requests/s
// with a connection each. An incomplete head has a timer.
func (d *Driver) anchor(ctx context.Context) (letGo func(), err error) {
	held := map[string]net.Conn{} // by worker
	letGo = func() {
		for _, c := range held {
			_ = c.Close() // its answer was read
		}
	}
	for known, all := 0, 0; known < unseen && all < mostAnchors; all++ {
		conn, worker, err := d.drop(ctx)
		if err != nil {
			letGo()
			return nil, fmt.Errorf("hold nginx's workers in %s: %w", d.o.Place, err)
		}
		if held[worker] == nil {
			held[worker], known = conn, 0
			continue
		}
		known++
		if err := conn.Close(); err != nil {
			letGo()
			return nil, fmt.Errorf("hold nginx's workers in %s: %w", d.o.Place, err)
		}
	}
	return letGo, nil
}

// drop opens one anchor. The answer to a first request shows which worker has
// it; the second, incomplete one was sent with it, so that it is never idle.
func (d *Driver) drop(ctx context.Context) (conn net.Conn, worker string, err error) {
	conn, err = d.o.Place.Dial(ctx, "tcp", d.o.Admin)
	if err != nil {
		return nil, "", err
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })() // wakes who reads
	const ask = "GET /worker HTTP/1.1\r\nHost: teal\r\n"
	_, err = io.WriteString(conn, ask+"\r\n"+ask)
	if err == nil {
		worker, err = answered(conn)
	}
	if err != nil {
		return nil, "", errors.Join(err, conn.Close())
	}
	return conn, worker, nil
}

func answered(conn net.Conn) (worker string, err error) {
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(resp.Body)
	return string(text), errors.Join(err, resp.Body.Close())
}
