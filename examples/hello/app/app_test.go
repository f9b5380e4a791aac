package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
)

// env returns a look-up in pairs of the form NAME=value.
func env(pairs ...string) func(string) string {
	return func(name string) string {
		for _, p := range pairs {
			if k, v, _ := strings.Cut(p, "="); k == name {
				return v
			}
		}
		return ""
	}
}

func start(t *testing.T, pairs ...string) *httptest.Server {
	t.Helper()
	set, err := fromEnvironment(env(pairs...))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(newHandler(set))
	t.Cleanup(server.Close)
	return server
}

func TestSmokeTellsAGoodAppFromABrokenOne(t *testing.T) {
	for _, tc := range []struct {
		name, setting string
		good          bool
	}{
		{"healthy", "VERSION=1", true},
		{"unhealthy", "BREAK=unhealthy", false},
		{"another health status", "HEALTH_STATUS=503", false},
		{"failing pages", "BREAK=500", false},
		{"broken from the first moment", "BREAK=break-after=0s", false},
		{"not broken yet", "BREAK=break-after=1h", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := smoke([]string{start(t, tc.setting).URL})
			if (err == nil) != tc.good {
				t.Fatalf("smoke: %v, want good=%v", err, tc.good)
			}
		})
	}
}

func TestEveryAnswerNamesTheVersion(t *testing.T) {
	server := start(t, "VERSION=7", "COLOR=red", "TITLE=Greetings")
	for _, path := range []string{"/", "/health", "/slow?for=1ms", "/headers", "/somewhere"} {
		resp, err := http.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != 200 || resp.Header.Get("Version") != "7" {
			t.Errorf("GET %s: status %d, version %q", path, resp.StatusCode, resp.Header.Get("Version"))
		}
		if path != "/" {
			continue
		}
		if !strings.Contains(string(body), "Greetings") || !strings.Contains(string(body), "--accent: red") {
			t.Errorf("page: %s", body)
		}
	}
}

func TestEchoCountsBytes(t *testing.T) {
	resp, err := http.Post(start(t).URL+"/any/path", "text/plain", strings.NewReader("12345"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var got struct{ Bytes int }
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil || got.Bytes != 5 {
		t.Fatalf("got %+v, %v; want 5 bytes", got, err)
	}
}

func TestEventsAndWebSocket(t *testing.T) {
	server := start(t, "VERSION=9")
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	resp, err := http.Get(server.URL + "/events?every=1ms")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for _, want := range []string{"id: 1", "data: 9", "", "id: 2"} {
		if !lines.Scan() || lines.Text() != want {
			t.Fatalf("event line %q, want %q", lines.Text(), want)
		}
	}
	conn, _, err := websocket.Dial(ctx, server.URL+"/ws", nil) //nolint:bodyclose // the library closes it, and says so
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	if err := conn.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"9", "hello"} {
		if _, got, err := conn.Read(ctx); err != nil || string(got) != want {
			t.Fatalf("message %q, %v; want %q", got, err, want)
		}
	}
}

func TestGracefulStopFinishesWhatIsInFlight(t *testing.T) {
	set, err := fromEnvironment(env())
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	stop, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- serveOn(stop, listener, set) }()
	// The client sends the body only once the app began to read it, and its end
	// only after the app was asked to stop: the request is in flight meanwhile.
	body, release := io.Pipe()
	client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Minute}}
	answered := make(chan error, 1)
	go func() {
		req, err := http.NewRequest(http.MethodPost, "http://"+listener.Addr().String()+"/echo", body)
		if err != nil {
			answered <- err
			return
		}
		req.Header.Set("Expect", "100-continue")
		resp, err := client.Do(req)
		if err == nil {
			resp.Body.Close()
		}
		answered <- err
	}()
	if _, err := release.Write([]byte("first")); err != nil {
		t.Fatal(err)
	}
	cancel()
	release.Close()
	if err := <-answered; err != nil {
		t.Error("request in flight:", err)
	}
	if err := <-ended; err != nil {
		t.Error("stop:", err)
	}
}

func TestStartDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if !waitToListen(t.Context(), settings{startDelay: 3 * time.Second}) {
			t.Fatal("did not want to listen")
		}
		if took := time.Since(began); took != 3*time.Second {
			t.Fatalf("waited %s, want 3s", took)
		}
		stopped, cancel := context.WithCancel(t.Context())
		cancel()
		if waitToListen(stopped, settings{fault: faultNeverListen}) {
			t.Fatal("never-listen wanted to listen")
		}
	})
}

func TestWrongSettingsAreRefused(t *testing.T) {
	for _, wrong := range []string{"PORT=many", "START_DELAY=3", "BREAK=maybe", "BREAK=break-after=soon", "BREAK=exit=1s", "HEALTH_STATUS=ok", "CRASH_AFTER=x"} {
		if _, err := fromEnvironment(env(wrong)); err == nil {
			t.Errorf("%s was accepted", wrong)
		}
	}
}
