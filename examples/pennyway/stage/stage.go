// Package stage sets pennyway up on one machine as it stands in production: a
// bastion with nginx and one or two app hosts with Docker Engines, each in its
// own network namespace, reached over ssh and TLS. Its tests and the comparison
// with the old deployment script are written with it.
//
// It promises that [Stage.Close] removes all that it made, and that the files of
// the example are used as they are, but for addresses, accounts and paths of
// keys.
package stage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"teal/deploy/rig"
)

// Options say what is set up.
type Options struct {
	Name   string // as a rig's name: unique among those that run now
	Hosts  int    // app hosts, 1 or 2; the first is reached over ssh, the second over TLS
	Logger *slog.Logger
}

// Stage is the example's machines. Make one with [New].
type Stage struct {
	Rig     *rig.Rig
	Bastion *rig.Host   // sshd and nginx, no Docker
	Apps    []*rig.Host // app-1, app-2

	images Images
}

// New sets the machines up and gives the app hosts the images of database,
// cache and the API's version 1.4.1.
func New(ctx context.Context, opts Options) (_ *Stage, err error) {
	if opts.Hosts < 1 || opts.Hosts > 2 {
		return nil, fmt.Errorf("%d app hosts: the example has one or two", opts.Hosts)
	}
	images, err := Pack(ctx)
	if err != nil {
		return nil, err
	}
	r, err := rig.New(ctx, rig.Options{Name: opts.Name, Logger: opts.Logger})
	if err != nil {
		return nil, err
	}
	s := &Stage{Rig: r, images: images}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close(context.WithoutCancel(ctx)))
		}
	}()
	if s.Bastion, err = r.Host(ctx, "bastion", rig.HostOptions{SSH: true, Nginx: true}); err != nil {
		return nil, err
	}
	for n := range opts.Hosts {
		h, err := r.Host(ctx, fmt.Sprintf("app-%d", n+1), rig.HostOptions{Docker: true, SSH: n == 0, TLS: n > 0})
		if err != nil {
			return nil, err
		}
		s.Apps = append(s.Apps, h)
		if n == 0 {
			if err := h.Load(ctx, images.services()...); err != nil {
				return nil, err
			}
		}
	}
	return s, s.Release(ctx, "1.4.1")
}

// Close ends everything and removes it.
func (s *Stage) Close(ctx context.Context) error { return s.Rig.Close(ctx) }

// Release gives every app host the API's image of a version, with further
// environment, for example "START_DELAY=3s": what a registry does elsewhere.
func (s *Stage) Release(ctx context.Context, version string, env ...string) error {
	img := s.images.Was(version, env...)
	if err := s.Apps[0].Load(ctx, img); err != nil {
		return err
	}
	for _, h := range s.Apps[1:] {
		if err := s.Apps[0].Share(ctx, h, img.Ref); err != nil {
			return err
		}
	}
	return nil
}

// URL is what clients ask: the entries, through the bastion.
func (s *Stage) URL() string { return "http://" + s.Bastion.Address.String() + "/v3/entries" }

// here puts the stage's addresses and accounts in place of the example's.
func (s *Stage) here(text string) string {
	pairs := []string{
		"10.0.0.1", s.Bastion.Address.String(), "10.0.0.9", s.Rig.Gateway().String(),
		"10.0.0.5", s.Apps[0].Address.String(), "deploy@", rig.SSHUser + "@",
		"keys/known_hosts", s.knownHosts(),
		"keys/bastion", s.Bastion.Identity(), "keys/app-1", s.Apps[0].Identity(),
	}
	if len(s.Apps) > 1 {
		files := s.Apps[1].TLSFiles()
		pairs = append(pairs, "10.0.0.6", s.Apps[1].Address.String(),
			"keys/app-2-ca.pem", files.CA, "keys/app-2-cert.pem", files.Cert, "keys/app-2-key.pem", files.Key)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

func (s *Stage) knownHosts() string { return filepath.Join(s.Rig.Folder(), "known_hosts") }

// Copy copies files of the example, by their paths in it, into a folder.
func (s *Stage) Copy(ctx context.Context, to string, names ...string) error {
	from, err := home(ctx)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return fmt.Errorf("make %s: %w", to, err)
	}
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			return fmt.Errorf("read the example: %w", err)
		}
		if err := os.WriteFile(filepath.Join(to, filepath.Base(name)), []byte(s.here(string(text))), 0o755); err != nil {
			return fmt.Errorf("copy the example: %w", err)
		}
	}
	return s.writeKnownHosts()
}

// writeKnownHosts joins what is known of the hosts with an sshd.
func (s *Stage) writeKnownHosts() error {
	var all []byte
	for _, h := range []*rig.Host{s.Bastion, s.Apps[0]} {
		known, err := os.ReadFile(h.KnownHosts())
		if err != nil {
			return fmt.Errorf("read known hosts: %w", err)
		}
		all = append(all, known...)
	}
	if err := os.WriteFile(s.knownHosts(), all, 0o644); err != nil {
		return fmt.Errorf("write known hosts: %w", err)
	}
	return nil
}
