package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"teal/deploy/proxy/nginx"
)

// mainConfig is the main configuration of an nginx that is a process of this
// machine, much as packages have it.
const mainConfig = `%[2]sdaemon off;
worker_processes auto;
pid %[1]s/nginx.pid;
error_log %[1]s/error.log warn;
events { worker_connections 4096; }
http {
    access_log off;
    client_body_temp_path %[1]s/body;
    proxy_temp_path %[1]s/proxy;
    fastcgi_temp_path %[1]s/fastcgi;
    uwsgi_temp_path %[1]s/uwsgi;
    scgi_temp_path %[1]s/scgi;
    include %[1]s/teal/teal.conf;
}
`

// startProcess runs this machine's nginx with nothing to serve: what is compared
// then does not depend on how an engine keeps the files of containers.
func startProcess(ctx context.Context, name string) (*server, error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	home, err := filepath.Abs(filepath.Join(folder, name))
	if err != nil {
		return nil, fmt.Errorf("find the work folder: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(home, "teal"), 0o755); err != nil {
		return nil, fmt.Errorf("make a folder for nginx: %w", err)
	}
	user := "" // workers look for flags below the work folder
	if os.Geteuid() == 0 {
		user = "user root;\n"
	}
	config := filepath.Join(home, "nginx.conf")
	s := &server{address: address, place: nginx.NewLocal(nginx.LocalOptions{Folder: filepath.Join(home, "teal"), Config: config, Prefix: home})}
	if err := errors.Join(
		os.WriteFile(config, fmt.Appendf(nil, mainConfig, home, user), 0o644),
		s.place.Write(ctx, nginx.File{Name: "teal.conf", Content: []byte("# nothing yet\n")}),
	); err != nil {
		return nil, fmt.Errorf("write nginx' configuration: %w", err)
	}
	cmd := exec.Command("/usr/sbin/nginx", "-p", home, "-c", config)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start nginx: %w", err)
	}
	s.pid = cmd.Process.Pid
	s.stop = func() error {
		err := cmd.Process.Signal(syscall.SIGTERM)
		return errors.Join(err, cmd.Wait())
	}
	if err := began(ctx, filepath.Join(home, "nginx.pid")); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

// began waits until nginx has noted its pid, and so can be told to reload.
func began(ctx context.Context, pidFile string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if text, err := os.ReadFile(pidFile); err == nil && len(text) > 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for nginx: %w", ctx.Err())
		case <-tick.C:
		}
	}
}
