package contract

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"teal/spec"
)

func testEvents(t *testing.T, e *env) {
	next := make(chan string)
	s := e.startWith("events", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_ = http.NewResponseController(w).Flush()
		for ev := range next {
			fmt.Fprintf(w, "data: %s\n\n", ev)
			_ = http.NewResponseController(w).Flush()
		}
	})
	e.apply(routeTo(on(spec.Blue, "r1", s)))
	c := e.dial()
	c.send(request("GET", "/", "h", ""))
	resp, err := http.ReadResponse(c.br, nil) // the head comes before the first event
	mustNot(t, err)
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	for i := range 20 {
		sent := time.Now()
		next <- itoa(i)
		line, err := lines.ReadString('\n')
		mustNot(t, err)
		if took := time.Since(sent); line != "data: "+itoa(i)+"\n" || took > time.Second {
			t.Fatalf("event %d came as %q after %v", i, line, took)
		}
		if _, err := lines.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	close(next)
	if _, err := io.ReadAll(lines); err != nil {
		t.Errorf("the end of the events: %v", err)
	}
}

// pattern is a body of n bytes that is nowhere the same.
func pattern(n int64) io.Reader {
	return io.LimitReader(&counting{}, n)
}

type counting struct{ n uint64 }

func (c *counting) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(c.n >> (8 * (c.n & 3)))
		c.n++
	}
	return len(p), nil
}

func testLargeBodies(t *testing.T, e *env) {
	const size = 20 << 20
	s := e.startWith("big", func(w http.ResponseWriter, r *http.Request) {
		h := sha256.New()
		n, err := io.Copy(h, r.Body)
		if err != nil {
			return
		}
		w.Header().Set("Body-Seen", fmt.Sprintf("%d %s", n, hex.EncodeToString(h.Sum(nil))))
		_, _ = io.Copy(w, pattern(size))
	})
	e.apply(routeTo(on(spec.Blue, "r1", s)))
	want := sha256.New()
	_, _ = io.Copy(want, pattern(size))
	seen := fmt.Sprintf("%d %s", size, hex.EncodeToString(want.Sum(nil)))
	for _, length := range []int64{size, -1} {
		c, base := e.httpClient(false, false)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/", pattern(size))
		mustNot(t, err)
		req.ContentLength = length
		resp, err := c.Do(req)
		mustNot(t, err)
		got := sha256.New()
		_, err = io.Copy(got, resp.Body)
		mustNot(t, err)
		mustNot(t, resp.Body.Close())
		if resp.Header.Get("Body-Seen") != seen || hex.EncodeToString(got.Sum(nil)) != hex.EncodeToString(want.Sum(nil)) {
			t.Errorf("with length %d: the app saw %q, want %q; the answer is the same: %v",
				length, resp.Header.Get("Body-Seen"), seen, string(got.Sum(nil)) == string(want.Sum(nil)))
		}
	}
}

// The app echoes line by line while the client still sends.
func testDuplex(t *testing.T, e *env) {
	s := e.startWith("echo", func(w http.ResponseWriter, r *http.Request) {
		ctl := http.NewResponseController(w)
		_ = ctl.EnableFullDuplex()
		w.WriteHeader(http.StatusOK)
		_ = ctl.Flush()
		lines := bufio.NewScanner(r.Body)
		for lines.Scan() {
			fmt.Fprintln(w, lines.Text())
			_ = ctl.Flush()
		}
	})
	e.apply(routeTo(on(spec.Blue, "r1", s)))
	c, base := e.httpClient(false, false)
	out, in := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/", out)
	mustNot(t, err)
	resp, err := c.Do(req)
	mustNot(t, err)
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	for i := range 10 {
		_, err := fmt.Fprintf(in, "line %d\n", i)
		mustNot(t, err)
		if line, err := lines.ReadString('\n'); err != nil || line != fmt.Sprintf("line %d\n", i) {
			t.Fatalf("echo %d: %q, %v", i, line, err)
		}
	}
	mustNot(t, in.Close())
	if rest, err := io.ReadAll(lines); err != nil || len(rest) > 0 {
		t.Errorf("after the end: %q, %v", rest, err)
	}
}

func testInterim(t *testing.T, e *env) {
	s := e.startWith("trailing", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Trailer", "Sum")
		fmt.Fprintf(w, "%d", len(body))
		w.Header().Set("Sum", "after "+r.Trailer.Get("Check"))
		w.Header().Set(http.TrailerPrefix+"Late", "yes")
	})
	e.apply(routeTo(on(spec.Blue, "r1", s)))
	c, base := e.httpClient(false, false)
	var hints string
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		hints = fmt.Sprint(code, " ", h.Get("Link"))
		return nil
	}})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/", io.MultiReader(strings.NewReader("hello")))
	mustNot(t, err)
	req.Trailer = http.Header{"Check": {"ok"}}
	a := e.do(c, req)
	if hints != "103 </style.css>; rel=preload" {
		t.Errorf("early hints: %q", hints)
	}
	if a.body != "5" || a.trailer.Get("Sum") != "after ok" || a.trailer.Get("Late") != "yes" {
		t.Errorf("body %q, trailers %v", a.body, a.trailer)
	}
}

func testExpect(t *testing.T, e *env) {
	s := e.startWith("picky", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		body, _ := io.ReadAll(r.Body)
		fmt.Fprint(w, len(body))
	})
	e.apply(routeTo(on(spec.Blue, "r1", s)))
	c := e.dial()
	c.send("POST /yes HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
	if line, err := c.br.ReadString('\n'); err != nil || !strings.Contains(line, " 100 ") {
		t.Fatalf("waiting for a word: %q, %v", line, err)
	}
	if _, err := c.br.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	c.send("hello")
	if a, err := c.receive("POST"); err != nil || a.body != "5" {
		t.Errorf("after the word: %d %q, %v", a.status, a.body, err)
	}
	refused := e.dial()
	refused.send("POST /no HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 50000\r\n\r\n")
	if a, err := refused.receive("POST"); err != nil || a.status != http.StatusForbidden {
		t.Errorf("a body that is not wanted: %d, %v", a.status, err)
	}
}
