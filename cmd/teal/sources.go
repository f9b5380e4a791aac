package main

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"teal/cmd/teal/internal/config"
	"teal/controller"
	"teal/controller/commitstatus"
	"teal/controller/source/git"
	"teal/controller/webhook"
	"teal/spec"
)

// pulling is what desired states are pulled from.
type pulling struct {
	texts    []string // NAME=URL?field=value&…, as given
	parallel int

	sources []pulled
}

// pulled is one source as it is configured.
type pulled struct {
	name    string
	options git.Options
	takes   []string
	status  *commitstatus.Service // nil: none are written

	calendar spec.Calendar // when what it says may be rolled out
	hook     *webhook.Hook // how it is called for; nil: not at all
}

// sourceTable is how sources stand in teal.yaml. Each topic has its fields.
var sourceTable = config.Table{
	Key:    "sources",
	Fields: slices.Concat(gitFields, whenFields, commitstatus.Fields),
	Paths:  slices.Concat(gitPaths, whenPaths, commitstatus.Paths),
}

var (
	gitFields = []string{
		"branch", "tag", "tags", "path", "follow_rewrites", "prune", "projects", "limit",
		"token_file", "username", "password_file", "ca", "identity", "known_hosts",
	}
	gitPaths = []string{"token_file", "password_file", "ca", "identity", "known_hosts"}
)

func (p *pulling) flags(f *pflag.FlagSet) {
	f.StringArrayVar(&p.texts, "source", nil, "`NAME=URL?branch=…` of a git repository (https://, ssh://, file://) that desired states are pulled from, once for each")
	f.IntVar(&p.parallel, "max-pulls", 8, "how many sources talk to their servers at a time")
	mustMark(config.MarkTable(f, "source", sourceTable))
}

// read reads the sources and refuses what cannot work.
func (p *pulling) read() error {
	if p.parallel < 1 || p.parallel > 64 {
		return badInput("--max-pulls 8", "--max-pulls is %d, not a number from 1 to 64", p.parallel)
	}
	p.sources = nil
	for _, text := range p.texts {
		name, rest, ok := strings.Cut(text, "=")
		if !ok || !spec.ValidHostName(name) {
			return badInput("--source shop=https://git.example.com/ops/shop.git?branch=main",
				"--source: %q does not say NAME=URL, with a name of letters, digits, - and .", shownSource(text))
		}
		if slices.ContainsFunc(p.sources, func(s pulled) bool { return strings.EqualFold(s.name, name) }) {
			return badInput("", "--source: there are two sources called %s", name)
		}
		s, err := readSource(name, rest)
		if err != nil {
			return badInput("", "source %s: %v", name, err)
		}
		p.sources = append(p.sources, s)
	}
	return nil
}

// shownSource is a source's text without what may be a password.
func shownSource(text string) string {
	if at := strings.LastIndexByte(text, '@'); at >= 0 {
		return "…" + text[at:]
	}
	return text
}

// readSource reads URL?field=value&….
func readSource(name, text string) (pulled, error) {
	base, query, _ := strings.Cut(text, "?")
	given, err := url.ParseQuery(query)
	if err != nil {
		return pulled{}, fmt.Errorf("what follows ? is not field=value&…: %w", err)
	}
	f := fields{given: given}
	for field, values := range given {
		if !slices.Contains(sourceTable.Fields, field) {
			f.problem("%s is no field of a source%s", field, didYouMean(field, sourceTable.Fields))
		}
		if len(values) > 1 {
			f.problem("%s is given twice", field)
		}
	}
	out := pulled{name: name, takes: f.list("projects"), options: git.Options{
		Name: name, URL: base, Paths: f.list("path"),
		Follow:         git.Follow{Branch: f.text("branch"), Tag: f.text("tag"), Tags: f.text("tags")},
		FollowRewrites: f.yes("follow_rewrites"), Prune: f.yes("prune"), Limit: f.span("limit", time.Second, time.Hour),
		Credentials: git.Credentials{
			TokenFile: f.text("token_file"), Username: f.text("username"), PasswordFile: f.text("password_file"), CA: f.text("ca"),
			Identity: f.text("identity"), KnownHosts: f.text("known_hosts"),
		},
	}}
	f.when(&out)
	f.statuses(&out)
	if f.err != nil {
		return out, f.err
	}
	// The same checks as at the start of the source, before anything is opened.
	_, err = git.NewGroup(git.Find(), 0).New(out.options)
	return out, err
}

// fields reads what is given of a source, and keeps the first problem.
type fields struct {
	given url.Values
	err   error
}

func (f *fields) problem(format string, args ...any) {
	if f.err == nil {
		f.err = fmt.Errorf(format, args...)
	}
}

func (f *fields) text(name string) string { return strings.TrimSpace(f.given.Get(name)) }

// list reads texts with commas between them.
func (f *fields) list(name string) []string {
	var out []string
	for item := range strings.SplitSeq(f.given.Get(name), ",") {
		if item = strings.TrimSpace(item); item != "" {
			out = append(out, item)
		}
	}
	return out
}

func (f *fields) yes(name string) bool {
	if !f.given.Has(name) {
		return false
	}
	v, err := strconv.ParseBool(f.text(name))
	if err != nil {
		f.problem("%s is %q, neither true nor false", name, f.text(name))
	}
	return v
}

// span reads a time between two others; 0: it is not given.
func (f *fields) span(name string, least, most time.Duration) time.Duration {
	if !f.given.Has(name) {
		return 0
	}
	d, err := time.ParseDuration(f.text(name))
	if err != nil || d < least || d > most {
		f.problem("%s is %q, not a time from %s to %s such as 30s", name, f.text(name), least, most)
	}
	return d
}

// pulledSources are the sources that are pulled, each with a folder of its own.
func (w *wiring) pulledSources() ([]controller.Source, error) {
	state, err := filepath.Abs(w.statePath())
	if err != nil {
		return nil, fmt.Errorf("find the state folder: %w", err)
	}
	program := git.Find()
	if program == "" && len(w.pulling.sources) > 0 {
		w.log.Warn("program git was not found, a library does its work: slower, with more memory and traffic")
	}
	group := git.NewGroup(program, w.pulling.parallel)
	w.parts.closing("connections to git servers", group.Close)
	var out []controller.Source
	for _, p := range w.pulling.sources {
		o := p.options
		o.Folder, o.Logger, o.Load, o.Takes = filepath.Join(state, "sources", p.name), w.log, restricted(w.loadPulled, p.calendar), p.takes
		s, err := group.New(o)
		if err != nil {
			return nil, fmt.Errorf("source %s: %w", p.name, err)
		}
		out = append(out, s)
	}
	return out, nil
}

// loadPulled reads a project of a commit: by the operator's policy, and nothing
// of the commit itself can be mounted.
func (w *wiring) loadPulled(ctx context.Context, o spec.Options) (*spec.Project, error) {
	given, err := w.wish.options()
	if err != nil {
		return nil, err
	}
	given.Dir, given.Files, given.ProjectName = o.Dir, o.Files, ""
	given.Policy.Copied = true
	return spec.Load(ctx, given)
}

// didYouMean suggests what is known and near.
func didYouMean(name string, known []string) string {
	if near := nearest(name, known); near != "" {
		return "; did you mean " + near + "?"
	}
	return ""
}
