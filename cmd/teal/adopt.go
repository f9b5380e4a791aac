package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"teal/cmd/teal/internal/adopt"
	"teal/deploy/docker"
	"teal/deploy/proxy/nginx"
	"teal/spec"
)

// nginxMain is the file of Teal's folder that the http block includes.
const nginxMain = "teal.conf"

// usualConfig is the main configuration that nginx is mostly built with.
const usualConfig = "/etc/nginx/nginx.conf"

// adoption is the verb as it was typed.
type adoption struct {
	wish
	placing   placing
	docker    string
	nginx     string
	container string // of nginx
	folder    string // of Teal's files for nginx
	edit      bool
	out       string
	pairs     []string
	app       string
	serves    []string
	health    string
	handOver  string
}

func (p *program) adoptVerb() *cobra.Command {
	var a adoption
	c := &cobra.Command{
		Use:   "adopt -f docker-compose.yml [-o compose.yaml]",
		Short: "Write the desired state that takes over what runs today; nothing is changed",
		Long: `Reads a Compose file with a service per colour (was_blue and was_green), the
containers that run and where nginx points, and writes the same file with one
service and x-teal blocks, for review. It says which colour serves and how it
knows, what it could not carry over, and what to do next. Only --edit-nginx and
--hand-over change something.

Exit codes: 0 written, 1 written but Teal still refuses part of it, 2 something
has to be said first.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			typed := slices.Clone(a.files)
			if err := p.fill(c.Flags(), &a.config); err != nil {
				return err
			}
			a.files = typed // those of teal.yaml are Teal's already
			if err := a.check(); err != nil {
				return err
			}
			if a.handOver != "" {
				return p.handOver(c.Context(), a)
			}
			return p.adopt(c.Context(), a)
		},
	}
	a.flags(c)
	return c
}

func (a *adoption) flags(c *cobra.Command) {
	a.wish.flags(c)
	f := c.Flags()
	a.placing.flags(f)
	f.StringVar(&a.docker, "docker", "", "`address` of the Docker Engine (default: DOCKER_HOST, or the local socket)")
	f.StringVar(&a.nginx, "nginx", "", "nginx's main configuration `file`, or what nginx -T printed; - reads that from the input")
	f.StringVar(&a.container, "nginx-container", "", "`name` of the container that nginx runs in")
	f.StringVar(&a.folder, "nginx-folder", nginx.DefaultFolder, "`folder` of Teal's files for your nginx, as that sees it")
	f.BoolVar(&a.edit, "edit-nginx", false, "change the files of --nginx: backup, nginx -t, one reload, undone if nginx refuses")
	f.StringVarP(&a.out, "output", "o", "", "`file` to write, beside the one that is read (default: print it)")
	f.StringArrayVar(&a.pairs, "pair", nil, "`APP=BLUE,GREEN`: two services that are the colours of one app")
	f.StringVar(&a.app, "app", "", "`service` to be an app whose container publishes its port itself")
	f.StringSliceVar(&a.serves, "serves", nil, "`colour` that has the traffic now, or APP=COLOUR")
	f.StringVar(&a.health, "health", "", "`path` to probe, instead of what the healthcheck says")
	f.StringVar(&a.handOver, "hand-over", "", "stop the old container of this `app` so that Teal's proxy takes its port, and measure the gap")
}

// check refuses flags that do not fit together.
func (a *adoption) check() error {
	if err := a.placing.read(); err != nil {
		return err
	}
	switch {
	case len(a.placing.hosts) > 0 && a.docker != "":
		return badInput("leave --docker out", "--docker names an engine beside --host; name it as a host, too")
	case len(a.files) > 1:
		return badInput("-f docker-compose.yml", "one file is edited at a time, not %d; merge them first: docker compose config", len(a.files))
	case a.nginx != "" && a.container != "":
		return badInput("leave one out", "--nginx and --nginx-container name two configurations")
	case a.edit && (a.nginx == "" || a.nginx == "-"):
		return badInput("--nginx /etc/nginx/nginx.conf --edit-nginx", "--edit-nginx needs the main configuration file of this host's nginx")
	case a.health != "" && !strings.HasPrefix(a.health, "/"):
		return badInput("--health /health", "--health is %q, not a path", a.health)
	case a.handOver != "" && (a.edit || a.out != ""):
		return badInput("leave the others out", "--hand-over writes nothing: it goes with neither --output nor --edit-nginx")
	}
	_, err := a.choice()
	return err
}

// choice is what the operator says.
func (a *adoption) choice() (adopt.Choice, error) {
	c := adopt.Choice{App: a.app, Health: a.health, Serves: map[string]string{}}
	for _, text := range a.pairs {
		pair, err := adopt.ParsePair(text)
		if err != nil {
			return c, badInput("--pair was=was_blue,was_green", "--pair: %v", err)
		}
		c.Pairs = append(c.Pairs, pair)
	}
	for _, text := range a.serves {
		app, colour, named := strings.Cut(text, "=")
		if !named {
			app, colour = "", text
		}
		if colour != string(spec.Blue) && colour != string(spec.Green) {
			return c, badInput("--serves blue, --serves green, or --serves was=green", "--serves: %q is not a colour", colour)
		}
		c.Serves[app] = colour
	}
	return c, nil
}

// adopt writes the desired state, or edits nginx for it.
func (p *program) adopt(ctx context.Context, a adoption) error {
	s, err := p.site(ctx, &a)
	if err != nil {
		return err
	}
	choice, err := a.choice()
	if err != nil {
		return err
	}
	if choice.Draft, err = a.draft(s.Options.Files[0]); err != nil {
		return err
	}
	result, err := adopt.Write(ctx, s, choice)
	if question, ok := errors.AsType[*adopt.QuestionError](err); ok {
		return badInput(question.Hint, "%s", question.Message)
	}
	if err != nil {
		return err
	}
	next := a.next(s, result, choice.Draft)
	if a.edit {
		return p.editNginx(ctx, next.Switch)
	}
	if err := p.written(a, choice.Draft, result); err != nil {
		return err
	}
	if _, err := fmt.Fprint(p.Stderr, adopt.Report(result, next)); err != nil {
		return err
	}
	if len(result.Wrong) > 0 {
		return &failure{code: exitFailed, message: fmt.Sprintf("%d things are left to be corrected by hand", len(result.Wrong))}
	}
	return nil
}

// draft is the path of the file to be written: beside the one that is read,
// since paths in it mean the same only there.
func (a *adoption) draft(from string) (string, error) {
	if a.out == "" {
		return filepath.Join(filepath.Dir(from), "compose.teal.yaml"), nil
	}
	out, err := filepath.Abs(a.out)
	if err != nil {
		return "", fmt.Errorf("find file %s: %w", a.out, err)
	}
	if filepath.Dir(out) != filepath.Dir(from) {
		return "", badInput("-o "+filepath.Join(filepath.Dir(from), filepath.Base(out)), "paths in the file mean something else in the folder %s", filepath.Dir(out))
	}
	if _, err := os.Lstat(out); !errors.Is(err, fs.ErrNotExist) {
		return "", badInput("name another file, or move that one away", "%s is there already; nothing is written over", a.out)
	}
	return out, nil
}

// written prints the text, or writes the file.
func (p *program) written(a adoption, to string, r adopt.Result) error {
	if a.out == "" {
		_, err := p.Stdout.Write(r.Text)
		return err
	}
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("write the desired state: %w", err)
	}
	_, err = f.Write(r.Text)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write the desired state: %w", err)
	}
	return nil
}

// next says what comes after.
func (a *adoption) next(s adopt.Site, r adopt.Result, draft string) adopt.Next {
	n := adopt.Next{File: filepath.Base(draft), Again: a.typed(), Reload: "nginx -t && nginx -s reload", Here: a.nginx != "" && s.Nginx != nil && !s.Nginx.Copied}
	for _, text := range a.placing.texts {
		n.Run += "--host '" + text + "' "
	}
	if a.placing.proxyHost != "" && len(a.placing.texts) > 1 {
		n.Run += "--proxy-host " + a.placing.proxyHost + " "
	}
	if s.Nginx == nil {
		return n
	}
	n.Run += "--proxy nginx --nginx-own-servers "
	if a.folder != nginx.DefaultFolder {
		n.Run += "--nginx-folder " + a.folder + " "
	}
	if a.container != "" {
		n.Run += "--nginx-container " + a.container
		n.Reload = fmt.Sprintf("docker exec %[1]s nginx -t && docker exec %[1]s nginx -s reload", a.container)
	} else {
		n.Run += "--nginx-service"
		if a.nginx != "-" && a.nginx != usualConfig && !s.Nginx.Copied {
			n.Run += " --nginx-config " + a.nginx
		}
	}
	n.Switch = adopt.Switch{Nginx: s.Nginx, Config: a.nginx, Folder: a.folder, Main: nginxMain, Run: runNginx}
	for _, x := range r.Apps {
		n.Switch.Apps = append(n.Switch.Apps, adopt.SwitchApp{Name: x.Name, Include: nginx.IncludeFile(spec.Name{Project: r.Project, Service: x.Name}), Proxied: x.Proxied})
	}
	return n
}

// typed is the command again, without what was only for once.
func (a *adoption) typed() string {
	var out strings.Builder
	out.WriteString("adopt")
	add := func(flag string, values ...string) {
		for _, v := range values {
			if v != "" {
				out.WriteString(" " + flag + " " + v)
			}
		}
	}
	add("-f", a.files...)
	add("--nginx", a.nginx)
	if a.folder != nginx.DefaultFolder {
		add("--nginx-folder", a.folder)
	}
	add("--health", a.health)
	add("--pair", a.pairs...)
	add("--app", a.app)
	add("--serves", a.serves...)
	return out.String()
}

// openHosts opens the engines to look at; the caller closes them.
func (a *adoption) openHosts() (dockers, error) {
	// Nothing is made with it: the name only has to be one.
	return a.placing.openEngines(docker.Options{Host: a.docker, ControllerID: "adopt"}, nil)
}
