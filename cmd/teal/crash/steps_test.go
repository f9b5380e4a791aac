package crash

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"teal/cmd/load/loadgen"
	"teal/controller/api"
	"teal/reconcile"
	"teal/spec"
)

// step is one thing that an operator or a client does, or waits for. A kill may
// come at any moment of it.
type step func(context.Context, *cell) error

// wish is a desired state.
type wish struct {
	image    string
	standby  string // default forever
	replicas int
	xteal    []string // further lines of x-teal
	web      []string // further lines of the app
	more     string   // further services, with IMAGE(v1) for an image
}

// compose is w as a file.
func (c *cell) compose(w wish) string {
	var b strings.Builder
	pulled := "never"
	if _, ok := c.images[w.image]; ok {
		pulled = "missing"
	}
	fmt.Fprintf(&b, "name: %s\n%sservices:\n  web:\n    image: %s\n    pull_policy: %s\n    stop_grace_period: 2s\n", c.project, c.top, c.image(w.image), pulled)
	if w.replicas > 0 {
		fmt.Fprintf(&b, "    deploy: {replicas: %d}\n", w.replicas)
	}
	for _, line := range w.web {
		fmt.Fprintf(&b, "    %s\n", line)
	}
	standby := w.standby
	if standby == "" {
		standby = "forever"
	}
	deadline := "1m"
	for _, line := range w.xteal {
		if strings.HasPrefix(line, "deadline:") {
			deadline = strings.TrimPrefix(line, "deadline: ")
		}
	}
	fmt.Fprintf(&b, "    x-teal:\n      route: {port: 8080}\n      health: {http: /health, successes: 1, deadline: %s}\n      drain: 2s\n      standby: %s\n", deadline, standby)
	for _, line := range w.xteal {
		if !strings.HasPrefix(line, "deadline:") {
			fmt.Fprintf(&b, "      %s\n", line)
		}
	}
	more := w.more
	for name, ref := range c.kit.images {
		more = strings.ReplaceAll(more, "IMAGE("+name+")", ref)
	}
	return b.String() + more
}

func (c *cell) image(name string) string {
	if ref, ok := c.images[name]; ok {
		return ref
	}
	if ref, ok := c.kit.images[name]; ok {
		return ref
	}
	return name
}

// edit saves a desired state the way editors do.
func (c *cell) edit(w wish) error {
	file := filepath.Join(c.folder, "compose.yaml")
	if err := os.WriteFile(file+"~", []byte(c.compose(w)), 0o600); err != nil {
		return err
	}
	return os.Rename(file+"~", file)
}

func edit(w wish) step {
	return func(_ context.Context, c *cell) error { return c.edit(w) }
}

// web waits until the status of the app meets a condition.
func (c *cell) web(ctx context.Context, what string, met func(reconcile.Status) bool) error {
	return c.until(ctx, what, func() error {
		client := c.client()
		defer client.Close()
		list, err := client.Status(ctx, spec.Name{Project: c.project, Service: "web"})
		if err != nil {
			return err
		}
		for _, s := range list.Apps {
			if s.App.Service == "web" {
				if met(s) {
					return nil
				}
				return fmt.Errorf("phase %q; serving: %s; synced: %s", s.Phase, s.Serving.Message, s.Synced.Message)
			}
		}
		return errors.New("it is not known")
	})
}

// ready waits until the first rollout is over and the proxy passes requests.
func (c *cell) ready(ctx context.Context) error {
	err := c.web(ctx, "the app is ready", func(s reconcile.Status) bool { return s.Serving.OK && s.Synced.OK && s.Phase == reconcile.Idle })
	if err != nil {
		return err
	}
	return c.answers(ctx, "")
}

// traffic starts the client, in scenarios that begin without an app. An nginx
// that is reloaded for the first app may answer for a moment as before, until
// Teal says that it serves.
func traffic(ctx context.Context, c *cell) error {
	if err := c.answers(ctx, ""); err != nil {
		return err
	}
	if c.scenario.place.nginx {
		if err := c.web(ctx, "it serves", func(s reconcile.Status) bool { return s.Serving.OK }); err != nil {
			return err
		}
	}
	return c.load(ctx)
}

// answers waits until a version answers; any, if that is empty.
func (c *cell) answers(ctx context.Context, version string) error {
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	return c.until(ctx, version+" answers", func() error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.address+"/", nil)
		if err != nil {
			return err
		}
		res, err := client.Do(req)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		got := res.Header.Get(loadgen.VersionHeader)
		if got == "" || version != "" && got != version {
			return fmt.Errorf("%s, version %q answers", res.Status, got)
		}
		return nil
	})
}

func answers(version string) step {
	return func(ctx context.Context, c *cell) error { return c.answers(ctx, version) }
}

// idle waits until nothing is under way and an image serves.
func idle(image string) step {
	return func(ctx context.Context, c *cell) error {
		return c.web(ctx, image+" serves", func(s reconcile.Status) bool {
			return s.Phase == reconcile.Idle && s.Observed == s.Generation && s.Image == c.image(image) && s.Synced.OK && s.Serving.OK
		})
	}
}

// reaches waits for a phase of the rollout of an image.
func reaches(phase reconcile.Phase, image string) step {
	return func(ctx context.Context, c *cell) error {
		return c.web(ctx, "it is "+string(phase), func(s reconcile.Status) bool {
			c.aborting = s.Rollout
			return s.Phase == phase && s.Image == c.image(image) && s.Observed == s.Generation
		})
	}
}

// command gives a command and repeats it, with its token, until it is answered.
func command(verb reconcile.Verb) step {
	return func(ctx context.Context, c *cell) error {
		c.tokens++
		req := api.CommandRequest{Token: fmt.Sprintf("%s-%d", c.id, c.tokens), Verb: verb, By: "crash"}
		if verb == reconcile.VerbAbort || verb == reconcile.VerbPromote {
			req.Rollout = c.aborting
		}
		return c.until(ctx, string(verb)+" took effect", func() error {
			client := c.client()
			defer client.Close()
			got, err := client.Command(ctx, spec.Name{Project: c.project, Service: "web"}, req)
			if err == nil && got.State != api.CommandDone {
				err = fmt.Errorf("%s %s", got.State, got.Answer)
			}
			return err
		})
	}
}

// pauses makes the process stand at a point, which keeps the phase as it is.
func pauses(at string) step {
	return func(_ context.Context, c *cell) error {
		return os.WriteFile(c.points("pause"), []byte(at), 0o600)
	}
}

// paused waits until it stands there.
func paused(ctx context.Context, c *cell) error {
	return c.until(ctx, "it stands at the point", func() error {
		_, err := os.Stat(c.points("paused"))
		return err
	})
}

// goesOn ends the pause.
func goesOn(_ context.Context, c *cell) error {
	return os.WriteFile(c.points("go"), nil, 0o600)
}

// accepted waits until the wish for v3 is taken note of.
func accepted(ctx context.Context, c *cell) error {
	return c.web(ctx, "v3 is wanted", func(s reconcile.Status) bool { return s.Image == c.image("v3") })
}

// running waits until so many replicas are ready.
func running(n int) step {
	return func(ctx context.Context, c *cell) error {
		return c.web(ctx, fmt.Sprintf("%d replicas are ready", n), func(s reconcile.Status) bool {
			return s.Phase == reconcile.Idle && s.Observed == s.Generation && s.Synced.OK && len(s.Colours) > 0 &&
				s.Colours[0].Ready == n && s.Colours[0].Replicas == n
		})
	}
}

// during does something and, once the controller has it, another thing.
func during(first, then step) step {
	return func(ctx context.Context, c *cell) error {
		done := make(chan error, 1)
		go func() { done <- first(ctx, c) }()
		began := time.Now()
		err := c.until(ctx, "the command waits", func() error {
			if len(done) > 0 || time.Since(began) > 500*time.Millisecond {
				return nil
			}
			return errors.New("not yet")
		})
		return errors.Join(err, then(ctx, c), <-done)
	}
}
