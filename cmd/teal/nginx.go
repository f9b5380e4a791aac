package main

import (
	"net"
	"strings"

	"github.com/spf13/pflag"

	"teal/deploy/proxy/nginx"
)

// nginxSettings say which nginx is the proxy, where that is an nginx.
type nginxSettings struct {
	image     string
	container string // an existing one
	service   bool
	folder    string
	config    string
	sudo      bool
	start     string

	admin      string
	figures    string // UDP address that nginx's lines come to
	advertise  string // the same as seen from nginx
	snippets   string
	ownServers bool
}

func (n *nginxSettings) flags(f *pflag.FlagSet) {
	f.StringVar(&n.image, "nginx-image", nginx.DefaultImage, "`image` of the nginx container that Teal runs; nginx 1.18 or newer")
	f.StringVar(&n.container, "nginx-container", "", "`name` of a container of yours whose nginx is used instead")
	f.BoolVar(&n.service, "nginx-service", false, "use the nginx that runs as a service of the proxy's host instead")
	f.StringVar(&n.folder, "nginx-folder", nginx.DefaultFolder, "`folder` of Teal's files for your nginx, as that sees it; its configuration includes FOLDER/teal.conf")
	f.StringVar(&n.config, "nginx-config", "", "main configuration `file` of your nginx, if it is not the usual one")
	f.BoolVar(&n.sudo, "nginx-sudo", false, "reach the nginx of a host behind ssh with sudo")
	f.StringVar(&n.start, "nginx-start", "", "`command` that starts the nginx service of a host behind ssh when it does not run (default: Teal only says so)")
	f.StringVar(&n.admin, "nginx-admin", "127.0.0.1:7831", "`address` of nginx's status server for Teal, as seen on its host")
	f.StringVar(&n.figures, "nginx-syslog", "", "UDP `address` of this machine that nginx sends a line per request to (default: a free one of 127.0.0.1, for an nginx of this machine)")
	f.StringVar(&n.advertise, "nginx-syslog-advertise", "", "the same `address` as nginx reaches it, if that is another")
	f.StringVar(&n.snippets, "nginx-snippets", "", "`folder` of yours, as nginx sees it, with http.d, server.d and location.d; *.conf in them are included")
	f.BoolVar(&n.ownServers, "nginx-own-servers", false, "write no server blocks: yours include FOLDER/PROJECT.SERVICE.conf in a location")
}

// check refuses what cannot work where the proxy is.
func (n *nginxSettings) check(p *placing) error {
	h, named := p.host(p.proxyHost)
	overTCP := named && strings.HasPrefix(h.URL, "tcp://")
	switch {
	case n.image != nginx.DefaultImage && (n.container != "" || n.service):
		return badInput("leave --nginx-image out", "--nginx-image is for an nginx that Teal runs, and yours is named")
	case n.container != "" && n.service:
		return badInput("leave one out", "--nginx-container and --nginx-service name two places for nginx")
	case !p.proxyHasDocker() && !n.service:
		return badInput("--nginx-service, or name that machine as one of the hosts", "the proxy is on %s, where no Docker is configured to run an nginx", p.proxyPlace())
	case overTCP && n.service:
		return badInput("give the host an ssh:// URL, or leave --nginx-service out", "the nginx service of host %s is reached over ssh only, and its URL is %s", h.Name, h.URL)
	case overTCP && isLoopback(n.admin):
		return badInput("--nginx-admin "+orText(h.Address, "10.0.0.1")+":7831",
			"--nginx-admin is %s on host %s, which cannot be reached from here over tcp://: name an address of that host, and let nobody else reach it", n.admin, h.Name)
	case (n.sudo || n.start != "") && (!n.service || !p.overSSH()):
		return badInput("leave it out", "--nginx-sudo and --nginx-start are for the nginx service of a host behind ssh")
	case n.config != "" && !n.service:
		return badInput("--nginx-service", "--nginx-config is for an nginx that is a service")
	case n.ownServers && n.container == "" && !n.service:
		return badInput("--nginx-service or --nginx-container", "--nginx-own-servers is for an nginx of yours")
	case n.figures == "" && n.advertise != "":
		return badInput("--nginx-syslog :8406", "--nginx-syslog-advertise needs --nginx-syslog")
	}
	for flag, a := range map[string]string{"--nginx-admin": n.admin, "--nginx-syslog": n.figures, "--nginx-syslog-advertise": n.advertise} {
		if _, _, err := net.SplitHostPort(a); a != "" && err != nil {
			return badInput(flag+" 127.0.0.1:7831", "%s: %q is not an address: %v", flag, a, err)
		}
	}
	return nil
}

func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err == nil && (host == "localhost" || net.ParseIP(host).IsLoopback())
}

// orText is a text, or another where it is empty.
func orText(text, other string) string {
	if text == "" {
		return other
	}
	return text
}
