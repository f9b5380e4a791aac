package stage

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"

	"teal/deploy/rig"
)

// LegacyFolder is where the old set-up lies on the first app host.
func (s *Stage) LegacyFolder() string { return filepath.Join(s.Apps[0].Folder(), "pennyway") }

// Legacy sets up what was there before Teal, with version 1.4.1 on blue, and
// returns once it answers through the bastion.
func (s *Stage) Legacy(ctx context.Context) error {
	err := s.Copy(ctx, s.LegacyFolder(), "legacy/docker-compose.yml", "legacy/.env", "legacy/deploy.sh")
	if err != nil {
		return err
	}
	// nginx is told last: a server that refuses a connection is left alone for ten
	// seconds, and with both ports refused it would answer 502 in that time.
	up := fmt.Sprintf("cd %s && docker-compose up -d rdb cache was_blue && curl -fsS --retry 60 --retry-all-errors --retry-delay 1 -o /dev/null http://127.0.0.1:8080/v3/api-docs", s.LegacyFolder())
	if _, err := s.Apps[0].Run(ctx, "sh", "-c", up); err != nil {
		return err
	}
	conf := filepath.Join(s.Bastion.NginxFolder(), "conf.d")
	if err := s.Copy(ctx, conf, "legacy/nginx.conf"); err != nil {
		return err
	}
	if _, err := s.Bastion.Run(ctx, "nginx", "-s", "reload"); err != nil {
		return err
	}
	return s.Answers(ctx, "1.4.1")
}

// Deploy is what the CI job ran: deploy.sh on the app host, over ssh. Settings
// are environment of the script, for example "SLEEP=1". When ctx ends, the job is
// killed; what it started on the host is not.
func (s *Stage) Deploy(ctx context.Context, version string, settings ...string) *exec.Cmd {
	h := s.Apps[0]
	args := []string{
		"-F", "none", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "ServerAliveInterval=5",
		"-o", "UserKnownHostsFile=" + h.KnownHosts(), "-i", h.Identity(), rig.SSHUser + "@" + h.Address.String(), "env",
	}
	args = append(args, settings...)
	return exec.CommandContext(ctx, "ssh", append(args, filepath.Join(s.LegacyFolder(), "deploy.sh"), version)...)
}
