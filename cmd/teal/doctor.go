package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/spf13/cobra"

	"teal/cmd/teal/internal/doctor"
	"teal/deploy/docker"
	"teal/deploy/proxy/embedded"
)

func (p *program) doctorVerb() *cobra.Command {
	var s settings
	var output format
	c := &cobra.Command{
		Use:   "doctor [-c teal.yaml]",
		Short: "Look at what Teal needs, say what is wrong and what to type",
		Long: `Looks at the engine and its ingress network, the controller, its proxy, the state
folder, free space and the addresses to listen on, with the settings that teal
run would have. Changes nothing.

Exit codes: 0 all is well, 1 something is wrong.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := p.fill(c.Flags(), &s.config); err != nil {
				return err
			}
			if _, err := s.check(); err != nil {
				return err
			}
			found, err := p.examine(c.Context(), s)
			if err != nil {
				return err
			}
			return p.tellFindings(found, output)
		},
	}
	s.flags(c)
	output.flag(c)
	return c
}

// examine makes all checks.
func (p *program) examine(ctx context.Context, s settings) ([]doctor.Finding, error) {
	id, err := p.controllerID(s.id)
	if err != nil {
		return nil, err
	}
	state, err := filepath.Abs(p.statePath())
	if err != nil {
		return nil, fmt.Errorf("find the state folder: %w", err)
	}
	host := s.docker
	if host == "" {
		host = os.Getenv("DOCKER_HOST") // as the engine's client reads it
	}
	running := doctor.Socket(p.socketPath(), func() (string, error) { return p.who(ctx) })
	proxy := embedded.NewClient(filepath.Join(state, proxyFolder, adminSocket))
	answers, serving := doctor.Proxy(ctx, func(ctx context.Context) error {
		_, err := proxy.Read(ctx)
		return err
	}, running.OK)
	out := append(examineEngine(ctx, docker.Options{Host: host, ControllerID: id, Ingress: docker.Ingress{Subnet: s.subnet}}),
		running, serving, doctor.Folder(state), doctor.Space("space for records", state))
	if runtime.GOOS == "linux" && host == "" {
		out = append(out, doctor.Space("space for images", "/var/lib/docker"))
	}
	for _, address := range append(append([]string{}, s.listen.http...), s.listen.https...) {
		out = append(out, doctor.Port(ctx, address, answers))
	}
	return out, nil
}

// examineEngine checks the engine and, if that answers, its network for Teal.
func examineEngine(ctx context.Context, opts docker.Options) []doctor.Finding {
	engine, err := docker.New(opts)
	if err != nil {
		return []doctor.Finding{{Check: "engine", Message: err.Error(), Hint: "correct DOCKER_HOST, or --docker"}}
	}
	out := []doctor.Finding{doctor.Engine(ctx, opts.Host, engine.Version)}
	if out[0].OK {
		out = append(out, doctor.Ingress(ctx, engine.LookAtIngress))
	}
	if err := engine.Close(); err != nil {
		out = append(out, doctor.Finding{Check: "engine", Message: err.Error(), Hint: "sudo systemctl restart docker"})
	}
	return out
}

// who asks the controller how it calls itself.
func (p *program) who(ctx context.Context) (string, error) {
	client := p.dial()
	defer client.Close()
	v, err := client.Version(ctx)
	if err != nil {
		return "", err
	}
	if v.Version != version() {
		return fmt.Sprintf("controller %s, version %s (this program is %s)", v.ID, v.Version, version()), nil
	}
	return fmt.Sprintf("controller %s, version %s", v.ID, v.Version), nil
}

// tellFindings prints them; the error says how many are bad.
func (p *program) tellFindings(found []doctor.Finding, output format) error {
	err := p.printJSON(output, found)
	if output != formatJSON {
		err = p.print(doctor.Text(found, p.colours()))
	}
	bad := 0
	for _, f := range found {
		if !f.OK {
			bad++
		}
	}
	if err != nil || bad == 0 {
		return err
	}
	return &failure{code: exitFailed, message: fmt.Sprintf("%d of %d checks found something wrong", bad, len(found))}
}
