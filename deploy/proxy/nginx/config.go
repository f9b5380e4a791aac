package nginx

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"time"

	"teal/reconcile"
)

// entry is what the operator's main configuration includes. It never changes.
func (d *Driver) entry() string {
	return fmt.Sprintf("# Written by Teal: include this file at http level.\ninclude %s/%s/%s;\n", d.o.Place.Folder(), current, httpFile)
}

// folderOf is where a configuration is kept.
func folderOf(name string) string { return "conf." + name }

// render is the configuration that serves s as this nginx can.
func (d *Driver) render(ctx context.Context, s *state) (configuration, error) {
	v, err := askVersion(ctx, d.o.Place)
	if err != nil {
		return configuration{}, err
	}
	if err := d.able(v); err != nil {
		return configuration{}, err
	}
	in := input{options: d.o, version: v, state: s}
	if d.syslog != nil {
		in.syslog = d.syslog.advertised
	}
	if d.o.Servers != nil && len(d.o.Servers.ListenTLS) > 0 {
		if in.chain, in.key, err = d.certificate(); err != nil {
			return configuration{}, err
		}
	}
	return render(in), nil
}

// able says what this nginx was built without and is needed.
func (d *Driver) able(v version) error {
	s := d.o.Servers
	switch {
	case !v.limitConn:
		return fmt.Errorf("%s is built without limit_conn, which counts requests in flight", d.o.Place)
	case s != nil && len(s.ListenTLS) > 0 && !v.tls:
		return fmt.Errorf("%s is built without TLS", d.o.Place)
	case s != nil && len(s.ListenH2C) > 0 && !v.http2:
		return fmt.Errorf("%s is built without HTTP/2", d.o.Place)
	}
	return nil
}

// certificate reads the pair and sees that the two belong together.
func (d *Driver) certificate() (chain, key []byte, err error) {
	if chain, key, err = d.o.Servers.Certificate(); err != nil {
		return nil, nil, fmt.Errorf("read certificate: %w", err)
	}
	if _, err := tls.X509KeyPair(chain, key); err != nil {
		return nil, nil, fmt.Errorf("read certificate: %w", err)
	}
	return chain, key, nil
}

// install makes c the configuration in use, tests it with nginx, and goes back to
// the one called before if nginx refuses. Nothing is loaded yet.
func (d *Driver) install(ctx context.Context, c configuration, s *state, before string) error {
	p := d.o.Place
	if err := d.list(ctx, before, c.name); err != nil {
		return err
	}
	files := []File{{Name: idleFile, Content: []byte("idle\n")}, {Name: "flags/"}}
	for _, f := range c.files {
		f.Name = folderOf(c.name) + "/" + f.Name
		files = append(files, f)
	}
	if err := p.Write(ctx, files...); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	if err := d.use(ctx, c.name); err != nil {
		return err
	}
	if err := p.Write(ctx, append(d.includes(s), File{Name: included, Content: []byte(d.entry())})...); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	out, err := p.Nginx(ctx, "-t")
	if err == nil {
		return nil
	}
	refused, isRefusal := errors.AsType[*ExitError](err)
	if !isRefusal {
		return errors.Join(fmt.Errorf("test the configuration: %w", err), d.back(ctx, before))
	}
	if out == "" {
		out = refused.Output
	}
	return errors.Join(refusal(out), d.back(ctx, before))
}

// refusedError is nginx' no, as the controller classifies it.
type refusedError struct{ failure *reconcile.Failure }

// Error returns nginx' own words.
func (e *refusedError) Error() string { return e.failure.Message }

// Unwrap makes it [ErrRefused] and the failure that the controller records.
func (e *refusedError) Unwrap() []error { return []error{ErrRefused, e.failure} }

// refusal is nginx' own words as an error.
func refusal(out string) error {
	return &refusedError{failure: &reconcile.Failure{
		Class: reconcile.Infra, Reason: reconcile.ReasonProxyRefused, Message: ErrRefused.Error() + ": " + complaints(out),
	}}
}

// complaints are the lines of nginx' output that say what is wrong.
func complaints(out string) string {
	var bad []string
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		if strings.Contains(line, "[emerg]") || strings.Contains(line, "[alert]") || strings.Contains(line, "[crit]") {
			bad = append(bad, strings.TrimPrefix(line, "nginx: "))
		}
	}
	if len(bad) == 0 {
		return strings.TrimSpace(out)
	}
	return strings.Join(bad, "; ")
}

// includes are the files that an operator's locations include, for every app
// that there is or was.
func (d *Driver) includes(s *state) []File {
	var out []File
	if s == nil {
		return nil
	}
	for _, a := range s.Apps {
		for _, name := range []string{fileOf(a.App) + ".conf", fileOf(a.App) + ".preview.conf"} {
			out = append(out, File{Name: name, Content: fmt.Appendf(nil, "# Written by Teal.\ninclude %s/%s/%s;\n", d.o.Place.Folder(), current, name)})
		}
	}
	for _, a := range s.Gone {
		for _, name := range []string{fileOf(a.App) + ".conf", fileOf(a.App) + ".preview.conf"} {
			out = append(out, File{Name: name, Content: []byte("# Written by Teal: this app has no route.\nreturn 404;\n")})
		}
	}
	return out
}

// use points the link at a configuration.
func (d *Driver) use(ctx context.Context, name string) error {
	if err := relink(ctx, d.o.Place, folderOf(name), current); err != nil {
		return fmt.Errorf("use configuration %s: %w", name, err)
	}
	return nil
}

// back takes up the configuration that was in use before. Without one, the
// included file holds nothing, so that nginx can still be started.
func (d *Driver) back(ctx context.Context, before string) error {
	if before != "" {
		if _, err := d.o.Place.Read(ctx, folderOf(before)+"/"+httpFile); err == nil {
			return d.use(ctx, before)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("go back to configuration %s: %w", before, err)
		}
	}
	if err := d.o.Place.Write(ctx, File{Name: included, Content: []byte(nothing)}); err != nil {
		return fmt.Errorf("go back to no configuration: %w", err)
	}
	return nil
}

// load makes nginx run c. When it returns nil, every worker that takes
// connections runs it.
func (d *Driver) load(ctx context.Context, c configuration, s *state, before string) error {
	if err := d.install(ctx, c, s, before); err != nil {
		return err
	}
	v, err := askVersion(ctx, d.o.Place)
	if err != nil {
		return err
	}
	if err := d.reload(ctx, c.name, v); err != nil {
		return errors.Join(err, d.back(ctx, before))
	}
	d.mu.Lock()
	d.reloads++
	d.mu.Unlock()
	d.o.Logger.Info("nginx loaded a configuration", "place", d.o.Place.String(), "configuration", c.name)
	return d.sweep(ctx, c.name, before)
}

// filesOf are the files that make up the name of a configuration for s.
func filesOf(s *state) []string {
	out := []string{httpFile, "proxy.conf"}
	for _, a := range s.Apps {
		for _, suffix := range []string{".conf", ".preview.conf", ".rule"} {
			out = append(out, fileOf(a.App)+suffix)
		}
	}
	slices.Sort(out)
	return out
}

// nameOf is the name of a configuration by its files' content: whoever changes
// one by hand changes what it is called.
func nameOf(names []string, content func(name string) string) string {
	h := sha256.New()
	for _, name := range names {
		text := content(name)
		_, _ = fmt.Fprintf(h, "%s %d\n%s", name, len(text), text) // a hash takes everything
	}
	return hex.EncodeToString(h.Sum(nil))[:configName]
}

// untouched reports whether the files of the configuration in use are what Teal
// wrote. They are read whole once, and then only when a tag has changed.
func (d *Driver) untouched(c *conversation, s *state) (bool, error) {
	names := filesOf(s)
	if d.memory.tagsOf == s.Config && s.Config != "" {
		replies, err := d.fetch(c, names, true)
		if err != nil || replies[0].body != d.entry() {
			return false, err
		}
		if slices.EqualFunc(replies[1:], d.memory.tags, func(r reply, tag string) bool { return r.tag == tag }) {
			return true, nil
		}
	}
	replies, err := d.fetch(c, names, false)
	if err != nil || replies[0].body != d.entry() {
		return false, err
	}
	tags, contents := make([]string, len(names)), map[string]string{}
	for i, r := range replies[1:] {
		if r.status != http.StatusOK {
			return false, nil
		}
		tags[i], contents[names[i]] = r.tag, strings.ReplaceAll(r.body, s.Config, placeholder)
	}
	if nameOf(names, func(name string) string { return contents[name] }) != s.Config {
		return false, nil
	}
	d.memory.tags, d.memory.tagsOf = tags, s.Config
	return true, nil
}

// fetch asks for the included file and those of the configuration in use.
func (d *Driver) fetch(c *conversation, names []string, onlyTags bool) ([]reply, error) {
	questions := []question{{path: "/entry"}}
	for _, name := range names {
		questions = append(questions, question{path: "/files/" + name, head: onlyTags})
	}
	return c.ask(questions)
}

// poll is how often a condition at the place is looked at.
const poll = 10 * time.Millisecond
