package crash

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"teal/reconcile"
	"teal/spec"
)

func (c *cell) repository() string { return filepath.Join(c.folder, "repository") }

// git runs git in the repository.
func (c *cell) git(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", c.repository(), "-c", "user.name=Ada", "-c", "user.email=ada@example.com"}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("git %s: %w: %s", args[0], err, out)
	}
	return nil
}

func (c *cell) commits(ctx context.Context, subject string) error {
	return errors.Join(c.git(ctx, "add", "-A"), c.git(ctx, "commit", "-q", "-m", subject))
}

// pulls makes a repository with a project for each service, and starts the
// controller again with it as a source.
func pulls(services ...string) step {
	return func(ctx context.Context, c *cell) error {
		if err := os.Mkdir(c.repository(), 0o700); err != nil {
			return err
		}
		if err := c.git(ctx, "init", "-q", "-b", "main"); err != nil {
			return err
		}
		for _, s := range services {
			folder := filepath.Join(c.repository(), s)
			text := strings.NewReplacer("name: "+c.project, "name: "+c.project+s, "  web:", "  "+s+":", "route: {", "route: {path: /"+s+", ").Replace(c.compose(*v("v1")))
			if err := errors.Join(os.Mkdir(folder, 0o700), os.WriteFile(filepath.Join(folder, "compose.yaml"), []byte(text), 0o600)); err != nil {
				return err
			}
		}
		if err := c.commits(ctx, "begin"); err != nil {
			return err
		}
		c.args = append(c.args, "--source", "repository=file://"+c.repository()+"?every=1s&path=*")
		return c.start()
	}
}

// leaves takes a project out of the repository, and waits until its service is
// orphaned.
func leaves(service string) step {
	return func(ctx context.Context, c *cell) error {
		if err := errors.Join(os.RemoveAll(filepath.Join(c.repository(), service)), c.commits(ctx, "take it out")); err != nil {
			return err
		}
		return c.until(ctx, service+" is orphaned", func() error {
			client := c.client()
			defer client.Close()
			list, err := client.Status(ctx, spec.Name{})
			if err != nil {
				return err
			}
			if !slices.ContainsFunc(list.Apps, func(s reconcile.Status) bool {
				return s.App.Service == service && s.Synced.Reason == reconcile.ReasonOrphaned
			}) {
				return errors.New("not yet")
			}
			return nil
		})
	}
}
