package contract

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// strictApp reads requests byte by byte and accepts one way of writing them
// only. What a proxy passes on to it cannot be read in two ways.
type strictApp struct {
	address string
	mu      sync.Mutex
	seen    []string // "GET /path host"
	wrong   []string // what could be read in two ways
	open    []net.Conn
}

func (e *env) strictApp() *strictApp {
	e.t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(e.BackendHost, "0"))
	mustNot(e.t, err)
	a := &strictApp{address: l.Addr().String()}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			a.mu.Lock()
			a.open = append(a.open, c)
			a.mu.Unlock()
			all.Go(func() { a.serve(c) })
		}
	})
	e.t.Cleanup(func() {
		_ = l.Close()
		a.mu.Lock()
		for _, c := range a.open {
			_ = c.Close()
		}
		a.mu.Unlock()
		all.Wait()
	})
	return a
}

func (a *strictApp) serve(c net.Conn) {
	defer c.Close()
	r := bufio.NewReader(c)
	for {
		if c.SetDeadline(time.Now().Add(20*time.Second)) != nil {
			return
		}
		request, err := readStrictly(r)
		a.mu.Lock()
		if request != "" {
			a.seen = append(a.seen, request)
		}
		if err != nil && !errors.Is(err, io.EOF) && !errors.As(err, new(net.Error)) {
			a.wrong = append(a.wrong, err.Error())
		}
		a.mu.Unlock()
		if err != nil {
			return
		}
		if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"); err != nil {
			return
		}
	}
}

// taken returns what came, and forgets it.
func (a *strictApp) taken() (seen, wrong []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	seen, wrong = a.seen, a.wrong
	a.seen, a.wrong = nil, nil
	return seen, wrong
}

// strictLine reads a line that ends with CRLF and holds no other CR or LF.
func strictLine(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return "", io.EOF
	}
	text, ok := strings.CutSuffix(line, "\r\n")
	if !ok || strings.ContainsAny(text, "\r\n\x00") {
		return "", fmt.Errorf("a line %q does not end with CRLF alone", line)
	}
	return text, nil
}

func readStrictly(r *bufio.Reader) (string, error) {
	first, err := strictLine(r)
	if err != nil {
		return "", err
	}
	words := strings.Split(first, " ")
	if len(words) != 3 || words[2] != "HTTP/1.1" || !strings.HasPrefix(words[1], "/") {
		return "", fmt.Errorf("the first line is %q", first)
	}
	host, length, chunked := "", -1, false
	for {
		line, err := strictLine(r)
		if err != nil {
			return "", err
		}
		if line == "" {
			break
		}
		name, value, _ := strings.Cut(line, ": ")
		if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
			return "", fmt.Errorf("the header %q", line)
		}
		switch strings.ToLower(name) {
		case "host":
			if host != "" {
				return "", errors.New("two Host headers")
			}
			host = value
		case "content-length":
			if length >= 0 || chunked {
				return "", errors.New("two lengths")
			}
			if length, err = strconv.Atoi(value); err != nil || strconv.Itoa(length) != value {
				return "", fmt.Errorf("the length %q", value)
			}
		case "transfer-encoding":
			if chunked || length >= 0 || value != "chunked" {
				return "", fmt.Errorf("two lengths, or the encoding %q", value)
			}
			chunked = true
		}
	}
	return words[0] + " " + words[1] + " " + host, strictBody(r, length, chunked)
}

func strictBody(r *bufio.Reader, length int, chunked bool) error {
	if !chunked {
		_, err := io.CopyN(io.Discard, r, int64(max(0, length)))
		return err
	}
	for {
		line, err := strictLine(r)
		if err != nil {
			return err
		}
		size, err := strconv.ParseUint(line, 16, 31)
		if err != nil || strconv.FormatUint(size, 16) != strings.ToLower(line) {
			return fmt.Errorf("the chunk's size %q", line)
		}
		if _, err := io.CopyN(io.Discard, r, int64(size)); err != nil {
			return err
		}
		if end, err := strictLine(r); err != nil || end != "" {
			return fmt.Errorf("after a chunk stands %q (%w)", end, err)
		}
		if size == 0 {
			return nil
		}
	}
}
