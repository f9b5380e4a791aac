package rig

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// TLSPort is where an engine with TLS listens on its host's address.
const TLSPort = 2376

// LocalSocket is the engine's socket as processes of its host see it.
const LocalSocket = "/run/docker.sock"

// Socket is the path of the engine's unix socket, for processes of this machine.
// It answers also while the host is cut off.
func (h *Host) Socket() string { return filepath.Join(h.folder, "docker.sock") }

// URL is the address of the engine's unix socket, for DOCKER_HOST.
func (h *Host) URL() string { return "unix://" + h.Socket() }

func (h *Host) pidFile() string { return filepath.Join(h.folder, "docker.pid") }

// StartEngine starts the Docker Engine on the data that is there, and returns
// once it answers: a second or two.
func (h *Host) StartEngine(ctx context.Context) error {
	config := filepath.Join(h.folder, "daemon.json")
	if err := os.WriteFile(config, []byte(cmp.Or(h.opts.Daemon, "{}")+"\n"), 0o644); err != nil {
		return fmt.Errorf("write the engine's configuration: %w", err)
	}
	args := []string{
		"dockerd", "--config-file", config, "--data-root", h.Data(),
		"--exec-root", filepath.Join(h.folder, "exec"), "--pidfile", h.pidFile(),
		"--storage-driver", "overlay2", "--exec-opt", "native.cgroupdriver=cgroupfs", "--cgroup-parent", h.rig.group(),
		"-H", h.URL(), "-H", "unix://" + LocalSocket,
	}
	if h.opts.LiveRestore {
		args = append(args, "--live-restore")
	}
	if h.opts.TLS {
		f := h.serverFiles()
		args = append(args, "-H", fmt.Sprintf("tcp://%s:%d", h.Address, TLSPort), "--tlsverify",
			"--tlscacert", f.CA, "--tlscert", f.Cert, "--tlskey", f.Key)
	}
	if err := h.serve(ctx, "docker", h.ping, args...); err != nil {
		return fmt.Errorf("start the engine of %s: %w", h.Name, err)
	}
	return nil
}

// Data is the folder where the engine keeps images and containers, as processes
// of its host see it.
func (h *Host) Data() string { return filepath.Join(h.folder, "data") }

// boundData gives the engine a folder of bounded size.
func (h *Host) boundData(ctx context.Context) error {
	if err := os.Mkdir(h.Data(), 0o711); err != nil {
		return err
	}
	_, err := h.Run(ctx, "mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%d,mode=711", h.opts.DataSize), "tmpfs", h.Data())
	return err
}

// StopEngine asks the engine to end, which stops its containers unless they live
// on (HostOptions.LiveRestore), and waits.
func (h *Host) StopEngine(ctx context.Context) error { return h.endEngine(ctx, "TERM") }

// KillEngine ends the engine with SIGKILL and waits. Containers that ran go on
// until an engine is started again.
func (h *Host) KillEngine(ctx context.Context) error { return h.endEngine(ctx, "KILL") }

// Freeze stops the engine's process in its tracks: connections to it are
// accepted and nothing is answered. Containers go on.
func (h *Host) Freeze(ctx context.Context) error { return h.signalEngine(ctx, "STOP") }

// Thaw lets a frozen engine go on. The nsenter that waits for it was stopped with
// it: that is how nsenter follows its child.
func (h *Host) Thaw(ctx context.Context) error {
	if err := h.signalEngine(ctx, "CONT"); err != nil {
		return err
	}
	if err := syscall.Kill(h.service("docker").pid, syscall.SIGCONT); err != nil {
		return fmt.Errorf("thaw the engine of %s: %w", h.Name, err)
	}
	return nil
}

func (h *Host) endEngine(ctx context.Context, signal string) error {
	if err := h.signalEngine(ctx, signal); err != nil {
		return err
	}
	s := h.service("docker")
	if err := s.await(ctx); err != nil {
		return fmt.Errorf("wait for the end of the engine of %s: %w", h.Name, err)
	}
	if err := os.Remove(h.pidFile()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove the engine's pid file: %w", err)
	}
	return nil
}

// signalEngine sends a signal by the engine's own process number on its host.
func (h *Host) signalEngine(ctx context.Context, signal string) error {
	s := h.service("docker")
	if s == nil || s.over() {
		return fmt.Errorf("host %s: no engine runs", h.Name)
	}
	pid, err := os.ReadFile(h.pidFile())
	if err != nil {
		return fmt.Errorf("read the pid of the engine of %s: %w", h.Name, err)
	}
	_, err = h.Run(ctx, "kill", "-"+signal, strings.TrimSpace(string(pid)))
	return err
}

// service returns the service of a name that was started last; nil: none.
func (h *Host) service(name string) *service {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, v := range slices.Backward(h.services) {
		if v.name == name {
			return v
		}
	}
	return nil
}

// client speaks HTTP to the engine over its socket.
func (h *Host) client() *http.Client {
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", h.Socket())
		},
	}}
}

func (h *Host) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_, err := h.ask(ctx, http.MethodGet, "/_ping", nil, nil)
	return err
}

// ask makes one call and returns the whole answer.
func (h *Host) ask(ctx context.Context, method, path string, query url.Values, body io.Reader) ([]byte, error) {
	u := url.URL{Scheme: "http", Host: "docker", Path: path, RawQuery: query.Encode()}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-tar")
	resp, err := h.client().Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= http.StatusBadRequest {
		return nil, fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, trimmed(answer))
	}
	return answer, nil
}
