package embedded

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestAdminSocketIsPrivate(t *testing.T) {
	p := startProxy(t, Config{})
	info, err := os.Stat(p.config.Admin)
	must(t, err)
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("the socket's mode is %o", got)
	}
}

func TestClientErrors(t *testing.T) {
	c := NewClient(filepath.Join(t.TempDir(), "nobody"))
	if _, err := c.Read(t.Context()); !errors.Is(err, ErrUnreachable) || !strings.HasPrefix(err.Error(), "read the proxy: no answer: dial unix /") {
		t.Errorf("read without a proxy: %v", err)
	}
	if err := c.Apply(t.Context(), numbered(1)); !errors.Is(err, ErrUnreachable) {
		t.Errorf("apply without a proxy: %v", err)
	}
	p := startProxy(t, Config{})
	bad := numbered(1)
	bad.Routes[0].Backends[0].Weight = 99
	if err := p.client.Apply(t.Context(), bad); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "p/web") {
		t.Errorf("an invalid table: %v", err)
	}
	must(t, p.client.Apply(t.Context(), numbered(5)))
	if err := p.client.Apply(t.Context(), numbered(4)); !errors.Is(err, ErrStale) || !strings.Contains(err.Error(), "5") {
		t.Errorf("a stale table: %v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.client.Read(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled read: %v", err)
	}
}

func TestUnknownFieldsAreRefused(t *testing.T) {
	p := startProxy(t, Config{})
	for _, body := range []string{`{"seq":1,"routes":[],"extra":1}`, `{"seq":1}{"seq":2}`, `[]`, ``} {
		if _, err := p.client.call(t.Context(), http.MethodPut, tablePath, []byte(body)); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: %v", body, err)
		}
	}
}

func TestDamageIsNamed(t *testing.T) {
	p := startProxy(t, Config{})
	must(t, p.client.Apply(t.Context(), numbered(1)))
	p.stop(t)
	cutInHalf(t, filepath.Join(p.config.StateDir, tableFile))
	p.start(t)
	if _, err := p.client.Read(t.Context()); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), tableFile) {
		t.Errorf("read: %v", err)
	}
	if err := p.client.Apply(t.Context(), numbered(1)); err != nil {
		t.Errorf("repair: %v", err)
	}
	if _, err := p.client.Read(t.Context()); err != nil {
		t.Errorf("read after the repair: %v", err)
	}
}

func TestMetrics(t *testing.T) {
	p := startProxy(t, Config{Metrics: "127.0.0.1:0"})
	serveApp(t, p, echoLength)
	nc, br := dialProxy(t, p)
	_, err := io.WriteString(nc, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	must(t, err)
	status(t, br)
	want := `teal_proxy_requests_total{colour="blue",project="p",revision="r",service="web"} 1`
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	limit := time.Now().Add(10 * time.Second)
	for {
		resp, err := client.Get("http://" + p.addresses.Metrics + metricsPath)
		must(t, err)
		body, err := io.ReadAll(resp.Body)
		must(t, err)
		must(t, resp.Body.Close())
		if bytes.Contains(body, []byte(want)) && bytes.Contains(body, []byte("teal_proxy_request_duration_seconds_count")) {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("the metrics have no %s:\n%s", want, body)
		}
	}
}

func TestCertificateFollowsItsFile(t *testing.T) {
	p := startProxy(t, Config{})
	serial := func() string {
		nc, err := tls.Dial("tcp", p.addresses.HTTPS[0], &tls.Config{InsecureSkipVerify: true})
		must(t, err)
		defer nc.Close()
		return nc.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	before := serial()
	c, err := loadCertificate(p.config)
	must(t, err)
	newCertificate(t, filepath.Dir(p.config.CertFile))
	must(t, os.Chtimes(p.config.CertFile, time.Time{}, time.Now().Add(time.Second)))
	c.refresh()
	if got := c.pair.Load().Leaf.SerialNumber.String(); got == before {
		t.Error("the new certificate was not loaded")
	}
	must(t, os.WriteFile(p.config.CertFile, []byte("broken"), 0o600))
	good := c.pair.Load()
	c.refresh()
	if c.pair.Load() != good {
		t.Error("a broken file replaced the good certificate")
	}
}

func TestConfigIsChecked(t *testing.T) {
	good := Config{Listen: []string{"127.0.0.1:0"}, Admin: "x", StateDir: "y", Logger: nil}
	if err := Serve(t.Context(), good); err == nil || !strings.Contains(err.Error(), "logger") {
		t.Errorf("without a logger: %v", err)
	}
	p := startProxy(t, Config{})
	ln, err := net.Listen("tcp", "127.0.0.1:0") // without SO_REUSEPORT: taken for good
	must(t, err)
	defer ln.Close()
	c := p.config
	c.Listen, c.Admin, c.StateDir = []string{ln.Addr().String()}, p.config.Admin+"2", t.TempDir()
	if err := Serve(t.Context(), c); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("on a taken address: %v", err)
	}
}
