package embedded

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A second proxy takes over at the same addresses while POSTs come in on kept
// connections, and the first one ends: nothing is lost.
func TestHandover(t *testing.T) {
	limits := Limits{Announce: 500 * time.Millisecond, Shutdown: 5 * time.Second}
	old := startProxy(t, Config{Limits: limits})
	serveApp(t, old, echoLength)
	var all sync.WaitGroup
	var quit atomic.Bool
	var sent atomic.Int64
	lost := make(chan error, 100)
	for range 16 {
		all.Go(func() {
			if err := postUntil(&quit, &sent, old.addresses.HTTP[0]); err != nil {
				lost <- err
			}
		})
	}
	await(t, "requests flow", func() bool { return sent.Load() > 200 })
	young := &running{config: old.config}
	young.client = NewClient(young.config.Admin)
	young.start(t)
	t.Cleanup(func() { young.stop(t) })
	old.stop(t)
	after := sent.Load()
	await(t, "requests flow on", func() bool { return sent.Load() > after+200 })
	quit.Store(true)
	all.Wait()
	close(lost)
	for err := range lost {
		t.Errorf("lost: %v", err)
	}
	if s, err := young.client.Read(t.Context()); err != nil || s.Traffic[0].Traffic[0].Requests < 100 {
		t.Errorf("the new proxy served %+v, %v", s.Traffic, err)
	}
}

// postUntil sends POSTs on kept connections and opens another one when it is
// told to, as every HTTP client does.
func postUntil(quit *atomic.Bool, sent *atomic.Int64, address string) error {
	for !quit.Load() {
		nc, err := net.Dial("tcp", address)
		if err != nil {
			return err
		}
		err = postOn(nc, quit, sent)
		_ = nc.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func postOn(nc net.Conn, quit *atomic.Bool, sent *atomic.Int64) error {
	br := bufio.NewReader(nc)
	for !quit.Load() {
		if err := nc.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			return err
		}
		if _, err := io.WriteString(nc, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx"); err != nil {
			return err
		}
		resp, err := http.ReadResponse(br, nil)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			return fmt.Errorf("status %d: %w", resp.StatusCode, err)
		}
		sent.Add(1)
		if resp.Close {
			return nil
		}
	}
	return nil
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	limit := time.NewTimer(10 * time.Second)
	defer limit.Stop()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for !ok() {
		select {
		case <-look.C:
		case <-limit.C:
			t.Fatalf("after 10 s still not: %s", what)
		}
	}
}

// What is in flight when the proxy is told to end has its time.
func TestEndWaitsForWhatIsInFlight(t *testing.T) {
	p := startProxy(t, Config{Limits: Limits{Announce: 10 * time.Millisecond, Shutdown: 10 * time.Second}})
	entered, release := make(chan struct{}), make(chan struct{})
	serveApp(t, p, func(w http.ResponseWriter, r *http.Request) {
		close(entered)
		<-release
		fmt.Fprint(w, "done")
	})
	nc, br := dialProxy(t, p)
	_, err := io.WriteString(nc, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	must(t, err)
	<-entered
	p.cancel()
	await(t, "new clients are refused", func() bool {
		nc, err := net.Dial("tcp", p.addresses.HTTP[0])
		if err == nil {
			_ = nc.Close()
		}
		return err != nil
	})
	close(release)
	if got := status(t, br); got != http.StatusOK {
		t.Errorf("the request in flight: %d", got)
	}
}
