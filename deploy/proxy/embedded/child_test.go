package embedded

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"teal/reconcile"
	"teal/spec"
)

// The benchmarks run each proxy in a process of its own, which is this test
// binary started again, so that only the proxy's work is measured.
const (
	childKind   = "TEAL_TEST_PROXY"
	childTarget = "TEAL_TEST_TARGET"
	childDir    = "TEAL_TEST_DIR"
)

func TestMain(m *testing.M) {
	if kind := os.Getenv(childKind); kind != "" {
		if err := runChild(kind, os.Getenv(childTarget)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// runChild serves, prints its address, and then answers each line on its input
// with what it has used: CPU in µs and memory in KiB.
func runChild(kind, target string) error {
	switch kind {
	case "embedded":
		if err := childEmbedded(target); err != nil {
			return err
		}
	case "stdlib", "stdlib-tuned":
		if err := childStdlib(target, kind == "stdlib-tuned"); err != nil {
			return err
		}
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			return err
		}
		fmt.Println(u.Utime.Nano()/1000+u.Stime.Nano()/1000, residentKiB())
	}
	return lines.Err()
}

func residentKiB() int64 {
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	pages, err := strconv.ParseInt(strings.Fields(string(data))[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize()) / 1024
}

func childEmbedded(target string) error {
	dir := os.Getenv(childDir)
	ready := make(chan Addresses, 1)
	failed := make(chan error, 1)
	c := Config{
		Listen: []string{"127.0.0.1:0"}, Admin: filepath.Join(dir, "sock"), StateDir: dir,
		Logger: slog.New(slog.DiscardHandler), Ready: func(a Addresses) { ready <- a },
	}
	go func() { failed <- Serve(context.Background(), c) }()
	select {
	case err := <-failed:
		return err
	case a := <-ready:
		fmt.Println(a.HTTP[0])
	}
	return NewClient(c.Admin).Apply(context.Background(), reconcile.Table{Seq: 1, Routes: []reconcile.Route{{
		App: spec.Name{Project: "bench", Service: "web"}, Host: "*", Path: "/",
		Backends: []reconcile.Backend{{Colour: spec.Blue, Revision: "r1", Weight: 100, Targets: []string{target}}},
	}}})
}

// childStdlib is the proxy that ours must not be dearer than.
func childStdlib(target string, tuned bool) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: target})
	if tuned {
		tr := http.DefaultTransport.(*http.Transport).Clone()
		tr.MaxIdleConns, tr.MaxIdleConnsPerHost = 1000, 1000
		proxy.Transport = tr
	}
	fmt.Println(ln.Addr())
	go func() { _ = http.Serve(ln, proxy) }() // ends with the process
	return nil
}

// child is a proxy in a process of its own.
type child struct {
	address string
	in      io.WriteCloser
	out     *bufio.Reader
}

func startChild(t testing.TB, kind, target string) *child {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childKind+"="+kind, childTarget+"="+target, childDir+"="+t.TempDir())
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = in.Close() // the child ends when its input does
		kill := time.AfterFunc(5*time.Second, func() { _ = cmd.Process.Kill() })
		defer kill.Stop()
		_ = cmd.Wait()
	})
	c := &child{in: in, out: bufio.NewReader(out)}
	line, err := c.out.ReadString('\n')
	must(t, err)
	c.address = strings.TrimSpace(line)
	c.used(t) // answers only after the table was applied
	return c
}

// used returns what the process has used up to now.
func (c *child) used(t testing.TB) (cpu time.Duration, kib int64) {
	t.Helper()
	_, err := io.WriteString(c.in, "used\n")
	must(t, err)
	line, err := c.out.ReadString('\n')
	must(t, err)
	var micros int64
	_, err = fmt.Sscan(line, &micros, &kib)
	must(t, err)
	return time.Duration(micros) * time.Microsecond, kib
}
