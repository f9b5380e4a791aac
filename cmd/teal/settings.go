package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"teal/cmd/teal/internal/config"
	"teal/controller/schedule"
	"teal/deploy/docker"
)

// settings are the flags of run, all of which may stand in teal.yaml and in the
// environment, too.
type settings struct {
	wish
	prune        bool
	id           string
	docker       string
	placing      placing
	pulling      pulling
	keeping      keeping
	registries   registries
	notifying    notifying
	subnet       string
	proxy        string
	nginx        nginxSettings
	unused       nginxSettings // nginx, as it is when nothing is said
	listen       listening
	network      network
	hooking      hooking
	replaceProxy bool
	rebuild      bool
	hostKey      string
	resync       string
	engineLimit  time.Duration
	parallel     int
	logs         logging
}

// listening is where the proxy listens.
type listening struct {
	http, https []string
	cert, key   string
	redirect    bool
	await       bool
	metrics     string
	trusted     []string
}

func (l *listening) flags(f *pflag.FlagSet, http []string) {
	f.StringSliceVar(&l.http, "http", http, "`addresses` the proxy serves plain HTTP on")
	f.StringSliceVar(&l.https, "https", nil, "`addresses` the proxy serves HTTPS on; needs --cert and --key")
	f.StringVar(&l.cert, "cert", "", "PEM `file` with the certificate chain; read again when it changes")
	f.StringVar(&l.key, "key", "", "PEM `file` with the certificate's key")
	f.BoolVar(&l.redirect, "redirect-https", false, "send clients of plain HTTP to the first address of HTTPS")
	f.BoolVar(&l.await, "await-ports", false, "start the proxy although another program has its ports, and take them as soon as they are free")
	f.StringVar(&l.metrics, "proxy-metrics", "", "`address` the proxy serves /metrics on")
	f.StringSliceVar(&l.trusted, "trusted", nil, "`networks` (CIDR) of proxies in front of this one, whose X-Forwarded-* are believed")
	for _, name := range []string{"cert", "key"} {
		mustMark(config.MarkPath(f, name))
	}
}

// check refuses what cannot be listened on.
func (l *listening) check() error {
	for _, a := range append(append(append([]string{}, l.http...), l.https...), orNone(l.metrics)...) {
		if _, _, err := net.SplitHostPort(a); err != nil {
			return badInput("--http :80, or --http 127.0.0.1:8000", "%q is not an address to listen on: %v", a, err)
		}
	}
	switch {
	case len(l.http)+len(l.https) == 0:
		return badInput("--http :80", "the proxy has no address to listen on")
	case len(l.https) > 0 && (l.cert == "" || l.key == ""):
		return badInput("--cert FILE --key FILE", "--https needs a certificate and its key")
	case len(l.https) == 0 && l.redirect:
		return badInput("--https :443", "--redirect-https needs an address for HTTPS")
	case len(l.https) == 0 && (l.cert != "" || l.key != ""):
		return badInput("--https :443", "a certificate is given, but no address for HTTPS")
	}
	return nil
}

func orNone(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

// urls are the addresses for people.
func (l *listening) urls() []string {
	var out []string
	for _, a := range l.http {
		out = append(out, "http://"+a)
	}
	for _, a := range l.https {
		out = append(out, "https://"+a)
	}
	return out
}

// logging is how a long-running verb logs.
type logging struct{ format, level string }

func (l *logging) flags(f *pflag.FlagSet) {
	f.StringVar(&l.format, "log-format", "text", "text or json")
	f.StringVar(&l.level, "log-level", "info", "debug, info, warn or error")
}

// logger returns a logger that writes to w.
func (l *logging) logger(w io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.level)); err != nil {
		return nil, badInput("--log-level info", "--log-level is %q, not debug, info, warn or error", l.level)
	}
	o := &slog.HandlerOptions{Level: level}
	switch l.format {
	case "text":
		return slog.New(slog.NewTextHandler(w, o)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, o)), nil
	}
	return nil, badInput("--log-format text", "--log-format is %q, neither text nor json", l.format)
}

func (s *settings) flags(c *cobra.Command) {
	s.wish.flags(c)
	f := c.Flags()
	s.listen.flags(f, []string{":80"})
	s.network.flags(f)
	s.hooking.flags(f)
	s.logs.flags(f)
	f.BoolVar(&s.prune, "prune", false, "remove services that the files do not name any more")
	f.StringVar(&s.id, "controller", "", "`id` on the labels of all that is this controller's (default: made from the state folder)")
	f.StringVar(&s.docker, "docker", "", "`address` of the Docker Engine (default: DOCKER_HOST, or the local socket)")
	s.placing.flags(f)
	s.pulling.flags(f)
	s.keeping.flags(f)
	s.registries.flags(f)
	s.notifying.flags(f)
	f.StringVar(&s.subnet, "ingress-subnet", "", "`network` (CIDR) of teal-ingress when it has to be made (default: a free one)")
	f.StringVar(&s.proxy, "proxy", proxyEmbedded, "the `driver` of the proxy: embedded or nginx")
	s.nginx.flags(f)
	s.unused = s.nginx
	f.BoolVar(&s.replaceProxy, "replace-proxy", false, "replace the nginx container that Teal runs when it has another image or other settings; connections are lost")
	f.StringVar(&s.hostKey, "host-key", "", "`file` with the host key, which the records are encrypted with (default: host.key in the state folder, made by the first start)")
	mustMark(config.MarkPath(f, "host-key"))
	f.BoolVar(&s.rebuild, "rebuild", false, "move the records aside and build them anew from what runs")
	f.StringVar(&s.resync, "resync", "30s", "how often everything is looked at though nothing was heard: an interval, or a cron expression")
	f.DurationVar(&s.engineLimit, "engine-limit", docker.DefaultLimits.Call, "how long the engine may take to answer a question; a change, a stop, a pull without progress in proportion")
	f.IntVar(&s.parallel, "max-parallel", 8, "how many apps are worked on at a time")
}

// notInFile are the flags of run that are for one run only.
var notInFile = []string{"config", "rebuild", "replace-proxy"}

// check refuses settings that contradict each other.
func (s *settings) check() (schedule.Schedule, error) {
	if s.proxy != proxyEmbedded && s.proxy != proxyNginx {
		return schedule.Schedule{}, badInput("--proxy embedded", "--proxy is %q; there are: embedded, nginx", s.proxy)
	}
	if s.parallel < 1 || s.parallel > 256 {
		return schedule.Schedule{}, badInput("--max-parallel 8", "--max-parallel is %d, not a number from 1 to 256", s.parallel)
	}
	if s.engineLimit < time.Second || s.engineLimit > 10*time.Minute {
		return schedule.Schedule{}, badInput("--engine-limit 30s", "--engine-limit is %s, not from 1s to 10m", s.engineLimit)
	}
	if err := s.checkListening(); err != nil {
		return schedule.Schedule{}, err
	}
	if err := s.network.check(); err != nil {
		return schedule.Schedule{}, err
	}
	if err := s.checkPlaces(); err != nil {
		return schedule.Schedule{}, err
	}
	if err := s.pulling.read(); err != nil {
		return schedule.Schedule{}, err
	}
	if err := s.hooking.check(s.pulling.sources); err != nil {
		return schedule.Schedule{}, err
	}
	if err := s.keeping.check(); err != nil {
		return schedule.Schedule{}, err
	}
	if err := s.registries.read(s.placing.names()); err != nil {
		return schedule.Schedule{}, err
	}
	if _, err := s.keys(); err != nil {
		return schedule.Schedule{}, err
	}
	if err := s.notifying.read(); err != nil {
		return schedule.Schedule{}, err
	}
	if strings.Trim(s.id, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || len(s.id) > 40 {
		return schedule.Schedule{}, badInput("--controller web-1", "--controller is %q: small letters, digits and hyphens, at most 40", s.id)
	}
	every, err := schedule.Parse(s.resync)
	if err != nil {
		return every, badInput("--resync 30s", "--resync: %v", err)
	}
	return every, nil
}

// checkListening refuses addresses that cannot be listened on; somebody else's
// server blocks have their own.
func (s *settings) checkListening() error {
	switch {
	case s.proxy == proxyNginx && s.listen.metrics != "":
		return badInput("leave --proxy-metrics out", "--proxy-metrics is for the embedded proxy; teal status has the figures of nginx")
	case s.proxy == proxyNginx && s.listen.await:
		return badInput("leave --await-ports out", "--await-ports is for the embedded proxy")
	case s.proxy == proxyNginx && s.nginx.ownServers:
		return nil
	}
	return s.listen.check()
}

// checkPlaces refuses hosts that cannot work, alone or with the proxy.
func (s *settings) checkPlaces() error {
	if err := s.placing.read(); err != nil {
		return err
	}
	switch {
	case len(s.placing.hosts) > 0 && s.docker != "":
		return badInput("leave --docker out", "--docker names an engine beside --host; name it as a host, too")
	case s.proxy == proxyNginx:
		return s.nginx.check(&s.placing)
	case s.nginx != s.unused:
		return badInput("--proxy nginx", "a setting of nginx is given, but --proxy is %s", s.proxy)
	case !s.placing.proxyIsLocal():
		return badInput("--proxy nginx, or run teal there", "the embedded proxy runs on this machine, but the proxy's host %s is another: give it a unix:// URL", s.placing.proxyPlace())
	case !s.placing.proxyHasDocker():
		return badInput("--host edge=unix:///var/run/docker.sock", "the embedded proxy runs in a container of this machine, which is none of the hosts")
	}
	return nil
}

// controllerID is the same for the same state folder, even after that was lost:
// what runs is then still known to be ours.
func (p *program) controllerID(given string) (string, error) {
	if given != "" {
		return given, nil
	}
	state, err := filepath.Abs(p.statePath())
	if err != nil {
		return "", fmt.Errorf("find the state folder: %w", err)
	}
	if state == "/var/lib/teal" {
		return "teal", nil
	}
	sum := sha256.Sum256([]byte(state))
	return "teal-" + hex.EncodeToString(sum[:4]), nil
}
