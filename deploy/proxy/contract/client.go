package contract

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// answer is what a client got.
type answer struct {
	status  int
	proto   int // major version it came over; 0: not noted
	header  http.Header
	trailer http.Header
	body    string
	last    bool // the proxy closes the connection, and said so
}

// raw is a client below HTTP: it sends exactly what it is told, repeats nothing,
// and keeps its connection.
type raw struct {
	e  *env
	nc net.Conn
	br *bufio.Reader
}

func (e *env) dial() *raw {
	e.t.Helper()
	nc, err := net.DialTimeout("tcp", e.Address, 5*time.Second)
	mustNot(e.t, err)
	c := &raw{e: e, nc: nc, br: bufio.NewReader(nc)}
	e.t.Cleanup(func() { _ = nc.Close() })
	mustNot(e.t, nc.SetDeadline(time.Now().Add(60*time.Second)))
	return c
}

func (c *raw) send(s string) {
	c.e.t.Helper()
	if _, err := io.WriteString(c.nc, s); err != nil {
		c.e.t.Fatalf("send: %v", err)
	}
}

// receive reads one answer to its end.
func (c *raw) receive(method string) (answer, error) {
	resp, err := http.ReadResponse(c.br, &http.Request{Method: method})
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{status: resp.StatusCode, header: resp.Header, body: string(body), last: resp.Close}, err
}

func (c *raw) ask(s string) answer {
	c.e.t.Helper()
	c.send(s)
	method, _, _ := strings.Cut(s, " ")
	a, err := c.receive(method)
	if err != nil {
		c.e.t.Fatalf("receive: %v", err)
	}
	return a
}

// get asks once, on a connection of its own.
func (e *env) get(path string, headers ...string) answer {
	e.t.Helper()
	return e.getHost("any.example", path, headers...)
}

func (e *env) getHost(host, path string, headers ...string) answer {
	e.t.Helper()
	c := e.dial()
	defer c.nc.Close()
	return c.ask(request("GET", path, host, "", headers...))
}

func (e *env) post(path, body string, headers ...string) answer {
	e.t.Helper()
	c := e.dial()
	defer c.nc.Close()
	return c.ask(request("POST", path, "any.example", body, headers...))
}

// request writes an HTTP/1.1 request.
func request(method, path, host, body string, headers ...string) string {
	var b strings.Builder
	b.WriteString(method + " " + path + " HTTP/1.1\r\nHost: " + host + "\r\n")
	for _, h := range headers {
		b.WriteString(h + "\r\n")
	}
	if method == "POST" {
		b.WriteString("Content-Length: " + itoa(len(body)) + "\r\n")
	}
	b.WriteString("\r\n" + body)
	return b.String()
}

// httpClient is a client of the standard library, over HTTP/2 where asked for.
func (e *env) httpClient(overTLS, two bool) (*http.Client, string) {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!two)
	protocols.SetHTTP2(two && overTLS)
	protocols.SetUnencryptedHTTP2(two && !overTLS)
	tr := &http.Transport{Protocols: protocols, TLSClientConfig: &tls.Config{RootCAs: e.Roots}, DisableCompression: true}
	e.t.Cleanup(tr.CloseIdleConnections)
	base := "http://" + e.Address
	if two && e.H2CAddress != "" {
		base = "http://" + e.H2CAddress
	}
	if overTLS {
		base = "https://" + e.TLSAddress
	}
	return &http.Client{Transport: tr, Timeout: 60 * time.Second}, base
}

// do sends req and reads the answer to its end.
func (e *env) do(c *http.Client, req *http.Request) answer {
	e.t.Helper()
	resp, err := c.Do(req)
	mustNot(e.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	mustNot(e.t, err)
	return answer{status: resp.StatusCode, proto: resp.ProtoMajor, header: resp.Header, trailer: resp.Trailer, body: string(body)}
}
