package rig_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"teal/deploy/docker/dockertest"
	"teal/deploy/rig"
)

func newRig(t *testing.T) *rig.Rig {
	t.Helper()
	r, err := rig.New(t.Context(), rig.Options{Name: "test-" + dockertest.Unique()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, r) })
	return r
}

func closed(t *testing.T, r *rig.Rig) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := r.Close(ctx); err != nil {
		t.Error(err)
	}
}

func host(t *testing.T, r *rig.Rig, name string, opts rig.HostOptions) *rig.Host {
	t.Helper()
	h, err := r.Host(t.Context(), name, opts)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func do(t *testing.T, h *rig.Host, argv ...string) string {
	t.Helper()
	out, err := h.Run(t.Context(), argv...)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// hello gives a host the hello app's image and a container that publishes it on
// port 8080.
func hello(t *testing.T, h *rig.Host) {
	t.Helper()
	archive := filepath.Join(t.TempDir(), "hello.tar")
	if err := rig.Pack(t.Context(), archive, rig.Files{Copies: map[string]string{"/app": dockertest.Binary(t)}}); err != nil {
		t.Fatal(err)
	}
	img := rig.Image{Ref: "hello:1", Tar: archive, Changes: []string{`CMD ["/app"]`, "ENV VERSION=" + h.Name}}
	if err := h.Load(t.Context(), img); err != nil {
		t.Fatal(err)
	}
	do(t, h, "docker", "run", "-d", "--name", "hello", "--restart", "always", "-p", h.Address.String()+":8080:8080", "hello:1")
}

// answers waits until url answers with version, asked by a program on from; nil:
// by this test.
func answers(t *testing.T, from *rig.Host, h *rig.Host) {
	t.Helper()
	url := "http://" + h.Address.String() + ":8080/"
	eventually(t, fmt.Sprintf("%s answers", url), func() error {
		said, err := get(t.Context(), from, url)
		if err == nil && !strings.Contains(said, h.Name) {
			err = fmt.Errorf("%q does not name %s", said, h.Name)
		}
		return err
	})
}

func get(ctx context.Context, from *rig.Host, url string) (string, error) {
	if from != nil {
		out, err := from.Run(ctx, "curl", "-sS", "--max-time", "5", url)
		return string(out), err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

func eventually(t *testing.T, what string, try func() error) {
	t.Helper()
	limit := time.After(time.Minute)
	for {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-limit:
			t.Fatalf("%s: %v", what, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func TestHostsReachEachOther(t *testing.T) {
	r := newRig(t)
	a, b := host(t, r, "app-1", rig.HostOptions{Docker: true}), host(t, r, "app-2", rig.HostOptions{Docker: true})
	hello(t, a)
	hello(t, b)
	for _, to := range []*rig.Host{a, b} {
		answers(t, nil, to)
	}
	answers(t, a, b)
	answers(t, b, a)
	if n := do(t, a, "docker", "ps", "-q"); len(strings.Fields(n)) != 1 {
		t.Errorf("containers on app-1: %q, want its own only", n)
	}

	t.Run("cut and heal", func(t *testing.T) {
		if err := a.Cut(t.Context()); err != nil {
			t.Fatal(err)
		}
		if said, err := get(t.Context(), b, "http://"+a.Address.String()+":8080/"); err == nil {
			t.Errorf("a host that is cut off answered %q", said)
		}
		if err := a.Heal(t.Context()); err != nil {
			t.Fatal(err)
		}
		answers(t, b, a)
		answers(t, nil, a)
	})

	t.Run("containers outlive a killed engine", func(t *testing.T) {
		if err := a.KillEngine(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Run(t.Context(), "docker", "ps"); err == nil {
			t.Error("a killed engine answered")
		}
		if pids := do(t, a, "pgrep", "-x", "app"); pids == "" {
			t.Error("the container ended with its engine")
		}
		if err := a.StartEngine(t.Context()); err != nil {
			t.Fatal(err)
		}
		answers(t, nil, a)
	})
}

func TestEngineFreezesAndStops(t *testing.T) {
	h := host(t, newRig(t), "app-1", rig.HostOptions{Docker: true})
	if err := h.Freeze(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if out, err := h.Run(ctx, "docker", "ps"); err == nil {
		t.Errorf("a frozen engine answered %q", out)
	}
	if err := h.Thaw(t.Context()); err != nil {
		t.Fatal(err)
	}
	do(t, h, "docker", "ps")
	if err := h.StopEngine(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := h.Freeze(t.Context()); err == nil {
		t.Error("froze an engine that was stopped")
	}
	if err := h.StartEngine(t.Context()); err != nil {
		t.Fatal(err)
	}
	do(t, h, "docker", "ps")
}

func TestEngineWantsACertificate(t *testing.T) {
	r := newRig(t)
	h := host(t, r, "app-1", rig.HostOptions{Docker: true, TLS: true})
	files := h.TLSFiles()
	ca, err := os.ReadFile(files.CA)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	own, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		t.Fatal(err)
	}
	ping := func(certs ...tls.Certificate) error {
		client := &http.Client{Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: pool, Certificates: certs}, DisableKeepAlives: true,
		}}
		resp, err := client.Get(strings.Replace(h.TLSURL(), "tcp", "https", 1) + "/_ping")
		if err != nil {
			return err
		}
		return resp.Body.Close()
	}
	if err := ping(own); err != nil {
		t.Errorf("with the certificate: %v", err)
	}
	if err := ping(); err == nil {
		t.Error("answered without a certificate")
	}
}

func TestSSHLetsTheIdentityIn(t *testing.T) {
	r := newRig(t)
	a := host(t, r, "app-1", rig.HostOptions{Docker: true, SSH: true})
	b := host(t, r, "bastion", rig.HostOptions{SSH: true})
	login := func(to *rig.Host, identity, hosts string) ([]byte, error) {
		cmd := exec.CommandContext(t.Context(), "ssh", "-F", "none", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "ConnectTimeout=10",
			"-o", "StrictHostKeyChecking=yes", "-o", "UserKnownHostsFile="+hosts, "-i", identity, rig.SSHUser+"@"+to.Address.String(), "docker", "ps", "-q")
		return cmd.CombinedOutput()
	}
	if out, err := login(a, a.Identity(), a.KnownHosts()); err != nil {
		t.Errorf("login: %v: %s", err, out)
	}
	if _, err := login(a, b.Identity(), a.KnownHosts()); err == nil {
		t.Error("another host's identity was let in")
	}
	if _, err := login(a, a.Identity(), b.KnownHosts()); err == nil {
		t.Error("a host key that nobody knows was accepted")
	}
}

func TestNginxIsTheHostsOwn(t *testing.T) {
	h := host(t, newRig(t), "bastion", rig.HostOptions{Nginx: true})
	conf := filepath.Join(h.NginxFolder(), "conf.d", "site.conf")
	if err := os.WriteFile(conf, []byte("server { listen 80; return 200 bastion; }\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	do(t, h, "nginx", "-s", "reload")
	eventually(t, "nginx answers", func() error {
		said, err := get(t.Context(), nil, "http://"+h.Address.String()+"/")
		if err == nil && said != "bastion" {
			err = fmt.Errorf("said %q", said)
		}
		return err
	})
}

func TestBadNamesAreRefused(t *testing.T) {
	for _, name := range []string{"", "Upper", "a/b", strings.Repeat("x", 25)} {
		if r, err := rig.New(t.Context(), rig.Options{Name: name}); err == nil {
			t.Errorf("name %q was accepted", name)
			closed(t, r)
		}
	}
	r := newRig(t)
	host(t, r, "one", rig.HostOptions{})
	for _, c := range []struct {
		name string
		opts rig.HostOptions
	}{{"one", rig.HostOptions{}}, {"../x", rig.HostOptions{}}, {"two", rig.HostOptions{TLS: true}}} {
		if _, err := r.Host(t.Context(), c.name, c.opts); err == nil {
			t.Errorf("host %q %+v was accepted", c.name, c.opts)
		}
	}
}

// links are the names of this machine's network links.
func links(t *testing.T) []string {
	t.Helper()
	list, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, l := range list {
		names = append(names, l.Name)
	}
	return names
}
