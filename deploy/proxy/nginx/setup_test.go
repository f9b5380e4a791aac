package nginx

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// running is an nginx of the test's own: its folder, its configuration, its
// ports, its processes.
type running struct {
	t       testing.TB
	dir     string
	place   *testPlace
	driver  *Driver
	options Options
	quit    func()
}

// testPlace is a local place that starts its nginx where it does not run.
type testPlace struct {
	Place
	r *running
}

func (p *testPlace) Ensure(ctx context.Context) (bool, error) {
	if p.r.pid() != 0 {
		return false, nil
	}
	_, err := p.Nginx(ctx)
	return err == nil, err
}

// startNginx runs an nginx and its driver until the test ends. What o leaves out
// is filled in.
func startNginx(t testing.TB, o Options) *running {
	t.Helper()
	if o.Syslog.Listen == "" {
		o.Syslog.Listen = "127.0.0.1:0"
	}
	return startNginxWith(t, o, 2)
}

// startNginxWith takes o as it is.
func startNginxWith(t testing.TB, o Options, workers int) *running {
	t.Helper()
	dir := t.TempDir()
	must(t, os.Chmod(dir, 0o755))
	must(t, os.Chmod(filepath.Dir(dir), 0o755)) // workers are another user
	r := &running{t: t, dir: dir}
	config := filepath.Join(dir, "nginx.conf")
	must(t, os.WriteFile(config, fmt.Appendf(nil, `worker_processes %[2]d;
pid %[1]s/nginx.pid;
error_log %[1]s/error.log warn;
worker_shutdown_timeout 30s;
events { worker_connections 2048; }
http {
	access_log off;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	include %[1]s/teal/teal.conf;
	include %[1]s/site.conf*;
}
`, dir, workers), 0o644))
	place := NewLocal(LocalOptions{Folder: filepath.Join(dir, "teal"), Config: config, Prefix: dir})
	r.place = &testPlace{Place: place, r: r}
	o.Place = r.place
	o.Admin = freeAddress(t)
	o.Logger = slog.New(slog.NewTextHandler(testWriter{t}, nil))
	r.options = o
	r.drive()
	t.Cleanup(func() {
		r.stop()
		if t.Failed() {
			said, err := os.ReadFile(filepath.Join(dir, "error.log"))
			t.Logf("nginx said (%v):\n%s", err, tail(string(said), 3000))
		}
	})
	must(t, r.driver.Prepare(t.Context()))
	return r
}

// drive makes a driver as a controller that was started anew does.
func (r *running) drive() {
	r.t.Helper()
	if r.quit != nil {
		r.quit()
	}
	d, err := New(r.options)
	must(r.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		if err := d.Run(ctx); err != nil {
			r.t.Errorf("run: %v", err)
		}
	})
	r.driver = d
	r.quit = func() {
		cancel()
		done.Wait()
		must(r.t, d.Close())
	}
}

// pid is the master's; 0: it does not run.
func (r *running) pid() int {
	text, err := os.ReadFile(filepath.Join(r.dir, "nginx.pid"))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || ended(pid) {
		return 0
	}
	return pid
}

// workers are the pids of the master's children.
func (r *running) workers() string {
	pid := strconv.Itoa(r.pid())
	out, err := os.ReadFile("/proc/" + pid + "/task/" + pid + "/children")
	must(r.t, err)
	return string(out)
}

// end ends nginx by its pid and waits until it is gone.
func (r *running) end(signal syscall.Signal) {
	r.t.Helper()
	pid := r.pid()
	if pid == 0 {
		return
	}
	children := strings.Fields(r.workers())
	must(r.t, syscall.Kill(pid, signal))
	if signal == syscall.SIGKILL { // its workers stay behind
		for _, c := range children {
			n, err := strconv.Atoi(c)
			must(r.t, err)
			_ = syscall.Kill(n, signal) // it may have ended already
		}
	}
	eventually(r.t, "nginx ends", func() bool { return ended(pid) })
}

// ended reports whether a process is gone or waits for its parent to notice.
func ended(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || strings.Contains(string(stat), ") Z ")
}

func (r *running) stop() {
	r.quit()
	r.end(syscall.SIGTERM)
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	limit := time.NewTimer(10 * time.Second)
	defer limit.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-limit.C:
			t.Fatalf("after 10 s still not: %s", what)
		}
	}
}

func tail(s string, n int) string {
	if len(s) > n {
		return s[len(s)-n:]
	}
	return s
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Logf("%s", p)
	return len(p), nil
}

// freeAddress is an address that nothing listens on.
func freeAddress(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer ln.Close()
	return ln.Addr().String()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newCertificate makes a certificate of this machine's own.
func newCertificate(t testing.TB) (chain, private []byte, roots *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(t, err)
	pkcs, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	chain = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	private = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs})
	roots = x509.NewCertPool()
	roots.AppendCertsFromPEM(chain)
	return chain, private, roots
}
