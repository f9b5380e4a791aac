package crash

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// place is where a scenario happens: which proxy there is, and on which hosts
// the apps run. The zero value is this machine with the embedded proxy.
type place struct {
	name  string // in the names of scenarios
	nginx bool   // the proxy is one
	far   bool   // the apps run on two other hosts, a replica on each
	// open prepares a cell for it: flags, addresses, what has to run.
	open func(context.Context, *cell) error
}

var (
	managedNginx = place{name: "nginx", nginx: true, open: func(_ context.Context, c *cell) error {
		c.args = append(c.args, "--proxy", "nginx", "--nginx-image", c.kit.nginx, "--nginx-admin", freeAddress())
		return nil
	}}
	serviceNginx = place{name: "nginx service", nginx: true, open: openServiceNginx}
	twoHosts     = place{name: "two hosts", far: true, open: openTwoHosts}
	sshNginx     = place{name: "two hosts, nginx behind ssh", nginx: true, far: true, open: openSSHNginx}
	farNginx     = place{name: "two hosts, nginx on one", nginx: true, far: true, open: openFarNginx}
)

// at is the same scenario in another place.
func (s *scenario) at(p place) *scenario {
	over := *s
	over.name, over.place = fmt.Sprintf("%s (%s)", s.name, p.name), p
	return &over
}

// openServiceNginx starts an nginx of somebody else's on this machine.
func openServiceNginx(ctx context.Context, c *cell) error {
	config, folder, err := c.layNginx()
	if err != nil {
		return err
	}
	nginx := func(ctx context.Context, args ...string) error {
		out, err := exec.CommandContext(ctx, "/usr/sbin/nginx", append([]string{"-c", config}, args...)...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("nginx %s: %w: %s", strings.Join(args, " "), err, out)
		}
		return nil
	}
	if err := nginx(ctx); err != nil {
		return err
	}
	c.closing = append(c.closing, func(ctx context.Context) error { return nginx(ctx, "-s", "stop") })
	c.args = append(c.args, "--proxy", "nginx", "--nginx-service", "--nginx-folder", folder, "--nginx-config", config, "--nginx-admin", freeAddress())
	return nil
}

// layNginx writes what an nginx needs that is a site's own, and returns its main
// configuration and the folder for Teal.
func (c *cell) layNginx() (config, folder string, err error) {
	dir := filepath.Join(c.folder, "nginx")
	config, folder = filepath.Join(dir, "nginx.conf"), filepath.Join(dir, "teal")
	text := fmt.Sprintf("user root;\nworker_processes 1;\npid %[1]s/pid;\nerror_log %[1]s/error.log;\nevents {}\nhttp {\n"+
		"access_log off;\nclient_body_temp_path %[1]s/1;\nproxy_temp_path %[1]s/2;\nfastcgi_temp_path %[1]s/3;\nuwsgi_temp_path %[1]s/4;\nscgi_temp_path %[1]s/5;\n"+
		"include %[2]s/teal.conf;\n}\n", dir, folder)
	return config, folder, errors.Join(
		os.MkdirAll(folder, 0o755), os.WriteFile(config, []byte(text), 0o644), os.WriteFile(filepath.Join(folder, "teal.conf"), nil, 0o644),
	)
}
