package rig

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// SSHUser is who [Host.Identity] lets in.
const SSHUser = "root"

// SSHURL is the address of the engine behind the host's sshd, for example
// "ssh://root@10.211.0.2".
func (h *Host) SSHURL() string { return "ssh://" + SSHUser + "@" + h.Address.String() }

// Identity is the path of the private key that may log in to the host, and only
// to this one.
func (h *Host) Identity() string { return filepath.Join(h.folder, "ssh", "identity") }

// KnownHosts is the path of a known_hosts file that holds this host only.
func (h *Host) KnownHosts() string { return filepath.Join(h.folder, "ssh", "known_hosts") }

// startSSH makes the keys and starts sshd.
func (h *Host) startSSH(ctx context.Context) error {
	folder := filepath.Join(h.folder, "ssh")
	if err := os.Mkdir(folder, 0o700); err != nil {
		return err
	}
	hostKey := filepath.Join(folder, "host_key")
	for _, path := range []string{hostKey, h.Identity()} {
		if err := run(ctx, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "teal-rig", "-f", path); err != nil {
			return err
		}
	}
	public, err := os.ReadFile(hostKey + ".pub")
	if err != nil {
		return err
	}
	if err := os.WriteFile(h.KnownHosts(), []byte(h.Address.String()+" "+string(public)), 0o644); err != nil {
		return err
	}
	config := filepath.Join(folder, "sshd_config")
	if err := os.WriteFile(config, []byte(h.sshConfig(hostKey)), 0o644); err != nil {
		return err
	}
	return h.StartSSH(ctx)
}

// StartSSH starts the host's sshd with the keys it has, and returns once it
// listens.
func (h *Host) StartSSH(ctx context.Context) error {
	if err := h.serve(ctx, "sshd", h.sshListens, "/usr/sbin/sshd", "-D", "-e", "-f", filepath.Join(h.folder, "ssh", "sshd_config")); err != nil {
		return fmt.Errorf("start sshd of %s: %w", h.Name, err)
	}
	return nil
}

// sshListens looks from the host itself, so that a host that is cut off can be
// started too.
func (h *Host) sshListens(ctx context.Context) error {
	_, err := h.Run(ctx, "ssh-keyscan", "-T", "2", "-t", "ed25519", h.Address.String())
	if err != nil {
		return fmt.Errorf("sshd at %s does not listen: %w", net.JoinHostPort(h.Address.String(), "22"), err)
	}
	return nil
}

func (h *Host) sshConfig(hostKey string) string {
	lines := []string{
		"Port 22",
		"ListenAddress " + h.Address.String(),
		"HostKey " + hostKey,
		"AuthorizedKeysFile " + h.Identity() + ".pub",
		"PidFile /run/sshd.pid",
		"PermitRootLogin prohibit-password",
		"PasswordAuthentication no",
		"KbdInteractiveAuthentication no",
		"UsePAM no",
		"StrictModes no", // the keys live below the folder for temporary files
		"AllowStreamLocalForwarding yes",
		"AllowTcpForwarding yes",
		"MaxStartups 100:30:200",
	}
	return strings.Join(lines, "\n") + "\n"
}
