package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"teal/deploy/docker"
)

// The proxy's folder in the state folder, and files in it.
const (
	proxyFolder = "proxy"
	adminSocket = "admin.sock"
	certFile    = "cert.pem"
	keyFile     = "key.pem"
)

// ensure makes the proxy run, with the certificate as it is now.
func (k *keeper) ensure(ctx context.Context) error {
	if err := k.copyCertificate(); err != nil {
		return err
	}
	binary, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the running program: %w", err)
	}
	state, err := k.engine.EnsureProxy(ctx, docker.ProxySpec{
		Binary:   binary,
		Args:     k.args(),
		StateDir: k.folder,
		Listen:   append(append([]string{}, k.listen.http...), k.listen.https...),
		Await:    k.listen.await,
		Serving:  k.driver().Instance,
		Wait:     time.Now().Before(k.again),
	})
	if err != nil {
		return err
	}
	if state.Refused != nil {
		k.pause = min(max(2*k.pause, firstPause), longestPause)
		k.again = time.Now().Add(k.pause)
		k.log.Warn("proxy could not be replaced and goes on as it was", "container", state.Name, "error", state.Refused, "again_in", k.pause)
	} else if !state.Outdated {
		k.pause = 0
	}
	return nil
}

// Pauses between attempts to replace a proxy that is outdated.
const (
	firstPause   = time.Minute
	longestPause = time.Hour
)

// args are the proxy's command line.
func (k *keeper) args() []string {
	out := []string{"proxy", "--state", k.folder, "--log-format", k.logs.format, "--log-level", k.logs.level}
	add := func(flag string, values ...string) {
		if text := strings.Join(values, ","); text != "" {
			out = append(out, flag, text)
		}
	}
	out = append(out, "--http="+strings.Join(k.listen.http, ","))
	add("--https", k.listen.https...)
	if len(k.listen.https) > 0 {
		add("--cert", filepath.Join(k.folder, certFile))
		add("--key", filepath.Join(k.folder, keyFile))
	}
	if k.listen.redirect {
		out = append(out, "--redirect-https")
	}
	if k.listen.await {
		out = append(out, "--await-ports")
	}
	add("--proxy-metrics", k.listen.metrics)
	add("--trusted", k.listen.trusted...)
	return out
}

// copyCertificate brings certificate and key into the proxy's folder, the only
// one it sees, when they changed. The key comes first: a pair that does not
// match is only seen by a proxy between the two.
func (k *keeper) copyCertificate() error {
	if len(k.listen.https) == 0 {
		return nil
	}
	for _, f := range []struct{ from, to string }{{k.listen.key, keyFile}, {k.listen.cert, certFile}} {
		if err := copyChanged(f.from, filepath.Join(k.folder, f.to)); err != nil {
			return fmt.Errorf("copy %s for the proxy: %w", f.from, err)
		}
	}
	return nil
}

// copyChanged replaces a file, in one step, unless its content is the same.
func copyChanged(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	have, err := os.ReadFile(to)
	if err == nil && bytes.Equal(have, data) {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	reach("certificate.copy/before")
	defer reach("certificate.copy/after")
	fresh, err := os.CreateTemp(filepath.Dir(to), filepath.Base(to)+".*") // mode 0600
	if err != nil {
		return err
	}
	_, err = fresh.Write(data)
	err = errors.Join(err, fresh.Close())
	reach("certificate.copy/commit")
	if err == nil {
		err = os.Rename(fresh.Name(), to)
	}
	if err != nil {
		return errors.Join(err, os.Remove(fresh.Name()))
	}
	return nil
}
