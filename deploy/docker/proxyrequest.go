package docker

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"

	"teal/spec"
)

// ProxyInstance is the variable that tells a proxy its name, which
// [ProxySpec.Serving] returns of the one that serves.
const ProxyInstance = "TEAL_PROXY_INSTANCE"

// labelProxy tells one wanted proxy from another.
const labelProxy = "teal.proxy"

// proxyRequest is the proxy's container. It has nothing but its program, its
// state and the host's network.
func (e *Engine) proxyRequest(image string, want ProxySpec) (*container.Config, *container.HostConfig, error) {
	if !filepath.IsAbs(want.StateDir) {
		return nil, nil, fmt.Errorf("proxy: state folder %q is not an absolute path", want.StateDir)
	}
	user, err := proxyUser(want)
	if err != nil {
		return nil, nil, fmt.Errorf("proxy: %w", err)
	}
	grace := want.Grace
	if grace <= 0 {
		grace = 10 * time.Second
	}
	config := &container.Config{
		Image: image, Cmd: slices.Clone(want.Args), Env: environment(want.Env), User: user,
		StopTimeout: seconds(grace),
		Labels:      map[string]string{spec.LabelController: e.controller, spec.LabelRole: spec.RoleProxy},
	}
	host := &container.HostConfig{
		NetworkMode:    "host",
		RestartPolicy:  container.RestartPolicy{Name: container.RestartPolicyUnlessStopped},
		ReadonlyRootfs: true,
		CapDrop:        []string{"ALL"},
		// For root: ports below 1024, and a state folder that is another's.
		CapAdd:      []string{"NET_BIND_SERVICE", "DAC_OVERRIDE", "CHOWN"},
		SecurityOpt: []string{"no-new-privileges"},
		LogConfig:   container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": "10m", "max-file": "3"}},
		Mounts:      []mount.Mount{{Type: mount.TypeBind, Source: want.StateDir, Target: want.StateDir}},
	}
	print, err := fingerprint(config, host)
	if err != nil {
		return nil, nil, err
	}
	config.Labels[labelProxy] = print
	config.Env = append(config.Env, ProxyInstance+"="+print)
	return config, host, nil
}

// proxyUser is the owner of the state folder, who can then open the proxy's
// socket; root where a port needs it.
func proxyUser(want ProxySpec) (string, error) {
	info, err := os.Stat(want.StateDir)
	if err != nil {
		return "", fmt.Errorf("state folder: %w", err)
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "", fmt.Errorf("state folder %s has no owner", want.StateDir)
	}
	for _, address := range want.Listen {
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return "", fmt.Errorf("listen address %q: %w", address, err)
		}
		if n, err := strconv.Atoi(port); err == nil && n < 1024 {
			return "0:0", nil
		}
	}
	return fmt.Sprintf("%d:%d", owner.Uid, owner.Gid), nil
}

// fingerprint tells two wanted proxies apart, by all that a new container is
// needed for.
func fingerprint(config *container.Config, host *container.HostConfig) (string, error) {
	text, err := json.Marshal([]any{
		"v1", config.Image, config.Cmd, config.Env, config.User, host.Mounts[0].Source, host.CapAdd,
	})
	if err != nil {
		return "", fmt.Errorf("fingerprint of the proxy: %w", err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8]), nil
}
