package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"teal/cmd/teal/internal/doctor"
	"teal/controller/api"
	"teal/deploy/docker"
	"teal/deploy/proxy/embedded"
	"teal/deploy/proxy/nginx"
	"teal/reconcile"
)

func (p *program) doctorVerb() *cobra.Command {
	var s settings
	var output format
	c := &cobra.Command{
		Use:   "doctor [-c teal.yaml]",
		Short: "Look at what Teal needs, say what is wrong and what to type",
		Long: `Looks at the engine and its ingress network, or at every host, at the controller,
its proxy, the state folder, free space and the addresses to listen on, with the
settings that teal run would have. Changes nothing.

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
	running := doctor.Socket(p.socketPath(), func() (string, error) { return p.who(ctx) })
	reserve, err := s.keeping.space()
	if err != nil {
		return nil, err
	}
	template := docker.Options{ControllerID: id, Ingress: docker.Ingress{Subnet: s.subnet}, Reserve: reserve, Limits: docker.Limits{}.Scaled(s.engineLimit)}
	answers, serving := s.examineProxy(ctx, template, state, running.OK)
	out := append(s.examineEngines(ctx, template), running)
	out = append(append(out, serving...), doctor.Folder(state), doctor.Writes(state), doctor.Space("space for records", state),
		doctor.Records(filepath.Join(state, databaseFile)))
	if f, ok := examineRecords(p.recordsCondition()); ok {
		out = append(out, f)
	}
	if !s.placing.proxyIsLocal() || s.proxy == proxyNginx && s.nginx.ownServers {
		return out, nil
	}
	for _, address := range append(append([]string{}, s.listen.http...), s.listen.https...) {
		out = append(out, doctor.Port(ctx, address, answers))
	}
	return out, nil
}

// examineRecords makes a finding of records that were damaged; there is none else.
func examineRecords(c reconcile.Condition) (doctor.Finding, bool) {
	return doctor.Finding{Check: "damaged records", Message: c.Message, Hint: "teal status, then remove the file"}, !c.OK
}

// examineProxy looks whether the proxy answers.
func (s *settings) examineProxy(ctx context.Context, template docker.Options, state string, controlled bool) (answers bool, found []doctor.Finding) {
	if s.proxy == proxyNginx {
		return s.examineNginx(ctx, template, state, controlled)
	}
	proxy := embedded.NewClient(filepath.Join(state, proxyFolder, adminSocket))
	answers, f := doctor.Proxy(ctx, func(ctx context.Context) error {
		_, err := proxy.Read(ctx)
		return err
	}, controlled)
	return answers, []doctor.Finding{f}
}

// examineNginx looks whether the nginx that is the proxy answers.
func (s *settings) examineNginx(ctx context.Context, template docker.Options, state string, controlled bool) (answers bool, found []doctor.Finding) {
	bad := func(err error) []doctor.Finding {
		return []doctor.Finding{{Check: "proxy", Message: err.Error(), Hint: "correct the settings of nginx: teal run --help"}}
	}
	template.Host = s.docker
	d, err := s.placing.openEngines(template, nil)
	if err != nil {
		return false, bad(err)
	}
	site := nginxSite{nginx: s.nginx, placing: &s.placing, dockers: d, state: state, log: slog.New(slog.DiscardHandler)}
	place, shut, err := site.open()
	if err != nil {
		return false, bad(errors.Join(err, d.Close()))
	}
	driver, err := s.driveNginx(place, nginx.Syslog{}, site.log)
	if err != nil {
		return false, bad(errors.Join(err, shut(), d.Close()))
	}
	answers, found = doctor.Nginx(ctx, place, func(ctx context.Context) error {
		_, err := driver.Read(ctx)
		return err
	}, controlled)
	if err := errors.Join(shut(), d.Close()); err != nil {
		found = append(found, bad(err)...)
	}
	return answers, found
}

// examineEngines checks the hosts, or the only engine.
func (s *settings) examineEngines(ctx context.Context, template docker.Options) []doctor.Finding {
	if len(s.placing.hosts) > 0 {
		return s.placing.examine(ctx, template)
	}
	template.Host = s.docker
	if template.Host == "" {
		template.Host = os.Getenv("DOCKER_HOST") // as the engine's client reads it
	}
	if askable(template.Host) {
		template.Space = docker.LocalSpace
	}
	return examineEngine(ctx, template)
}

// examineEngine checks the engine and, if that answers, its network for Teal.
func examineEngine(ctx context.Context, opts docker.Options) []doctor.Finding {
	engine, err := docker.New(opts)
	if err != nil {
		return []doctor.Finding{{Check: "engine", Message: err.Error(), Hint: "correct DOCKER_HOST, or --docker"}}
	}
	out := []doctor.Finding{doctor.Engine(ctx, opts.Host, engine.Version)}
	if out[0].OK {
		out = append(out, doctor.Restarts(ctx, engine.LookAtSystem), doctor.Ingress(ctx, engine.LookAtIngress), doctor.Room(ctx, "room for pulls", engine.Room))
	}
	if err := engine.Close(); err != nil {
		out = append(out, doctor.Finding{Check: "engine", Message: err.Error(), Hint: "sudo systemctl restart docker"})
	}
	return out
}

// who asks the controller how it calls itself.
func (p *program) who(ctx context.Context) (string, error) {
	client := api.Dial(p.socketPath())
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
