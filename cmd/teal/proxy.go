package main

import (
	"net/netip"
	"path/filepath"

	"github.com/spf13/cobra"

	"teal/deploy/docker"
	"teal/deploy/proxy/embedded"
)

func (p *program) proxyVerb() *cobra.Command {
	var l listening
	var logs logging
	c := &cobra.Command{
		Use:   "proxy",
		Short: "Run the proxy alone (teal run does that by itself)",
		Long: `Runs the proxy in the foreground. The controller starts it in a container of its
own, so that traffic does not depend on the controller. Its table and its admin
socket are in the state folder.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := l.check(); err != nil {
				return err
			}
			log, err := logs.logger(p.Stderr)
			if err != nil {
				return err
			}
			config := embedded.Config{
				Listen: l.http, ListenTLS: l.https, CertFile: l.cert, KeyFile: l.key, Metrics: l.metrics, RedirectHTTPS: l.redirect, AwaitPorts: l.await,
				Admin: filepath.Join(p.statePath(), adminSocket), StateDir: p.statePath(), Logger: log,
				Instance: p.env(docker.ProxyInstance),
			}
			if config.Trusted, err = prefixes(l.trusted); err != nil {
				return err
			}
			return embedded.Serve(c.Context(), config)
		},
	}
	l.flags(c.Flags(), nil)
	logs.flags(c.Flags())
	return c
}

// prefixes reads networks in CIDR form, or single addresses.
func prefixes(texts []string) ([]netip.Prefix, error) {
	out := make([]netip.Prefix, 0, len(texts))
	for _, t := range texts {
		if a, err := netip.ParseAddr(t); err == nil {
			out = append(out, netip.PrefixFrom(a, a.BitLen()))
			continue
		}
		n, err := netip.ParsePrefix(t)
		if err != nil {
			return nil, badInput("--trusted 10.0.0.0/8", "--trusted: %v", err)
		}
		out = append(out, n)
	}
	return out, nil
}
