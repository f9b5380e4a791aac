package rig

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// NginxFolder is the host's own /etc/nginx as this machine sees it. It begins
// with nginx.conf, which includes conf.d/*.conf inside its http block; conf.d is
// empty.
func (h *Host) NginxFolder() string { return filepath.Join(h.folder, "mounts", "etc", "nginx") }

const nginxConfig = `user root;
worker_processes 2;
pid /run/nginx.pid;
error_log /var/log/nginx/error.log notice;
events { worker_connections 4096; }
http {
    access_log off;
    include /etc/nginx/conf.d/*.conf;
}
`

// layNginx makes the folders that the host's nginx sees as its own: nothing of
// the machine's nginx is read or written.
func (h *Host) layNginx() error {
	for _, folder := range []string{
		filepath.Join(h.NginxFolder(), "conf.d"),
		filepath.Join(h.folder, "mounts", "var/log", "nginx"),
		filepath.Join(h.folder, "mounts", "var/lib", "nginx"),
	} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return fmt.Errorf("make nginx's folders: %w", err)
		}
	}
	if err := os.WriteFile(filepath.Join(h.NginxFolder(), "nginx.conf"), []byte(nginxConfig), 0o644); err != nil {
		return fmt.Errorf("write nginx.conf: %w", err)
	}
	return nil
}

// StartNginx starts the host's nginx with the configuration that is there, and
// returns once it runs. "nginx -s reload" and the like go through [Host.Run].
func (h *Host) StartNginx(ctx context.Context) error {
	running := func(ctx context.Context) error {
		_, err := h.Run(ctx, "sh", "-c", "kill -0 $(cat /run/nginx.pid)")
		return err
	}
	if err := h.serve(ctx, "nginx", running, "nginx", "-g", "daemon off;"); err != nil {
		return fmt.Errorf("start nginx of %s: %w", h.Name, err)
	}
	return nil
}
