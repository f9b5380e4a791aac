package fleet

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/agnivade/levenshtein"

	"teal/deploy/fleet/ssh"
	"teal/spec"
)

// Host is one configured Docker Engine.
type Host struct {
	Name string // empty only if it is the only one
	// URL is unix:///PATH, tcp://HOST:PORT or ssh://USER@HOST[:PORT][/PATH], PATH
	// being the engine's socket there (default /var/run/docker.sock). Empty, for a
	// host without a name: what the environment says (DOCKER_HOST).
	URL string
	// Address is an IP address of the host on which replicas publish ports for a
	// proxy on another host. Empty: the proxy is on this host.
	Address string
	Ports   spec.PortRange // to publish on; the zero value: docker.DefaultPorts

	Identities []string // ssh: files with private keys, beside those of the agent
	KnownHosts []string // ssh: files with host keys; empty: those of ssh itself
	Jumps      []string // ssh: ssh://USER@HOST[:PORT] to go through, in order

	CA, Cert, Key string // tcp: PEM files: the host's authority, our certificate, its key
	// Insecure, for tcp: no TLS. Whoever reaches the port is root on the host.
	Insecure bool
}

// defaultSocket is where an engine listens on a host behind ssh.
const defaultSocket = "/var/run/docker.sock"

// parameters of a host's text, by the schemes they belong to.
var parameters = map[string]struct {
	schemes string
	set     func(h *Host, value string) error
}{
	"address":     {"unix tcp ssh", (*Host).setAddress},
	"ports":       {"unix tcp ssh", (*Host).setPorts},
	"identity":    {"ssh", func(h *Host, v string) error { h.Identities = appendList(h.Identities, v); return nil }},
	"known_hosts": {"ssh", func(h *Host, v string) error { h.KnownHosts = appendList(h.KnownHosts, v); return nil }},
	"jump":        {"ssh", func(h *Host, v string) error { h.Jumps = appendList(h.Jumps, v); return nil }},
	"ca":          {"tcp", func(h *Host, v string) error { h.CA = v; return nil }},
	"cert":        {"tcp", func(h *Host, v string) error { h.Cert = v; return nil }},
	"key":         {"tcp", func(h *Host, v string) error { h.Key = v; return nil }},
	"insecure":    {"tcp", (*Host).setInsecure},
}

// allowed are the parameters' names, sorted as people look for them.
var allowed = []string{"address", "ports", "identity", "known_hosts", "jump", "ca", "cert", "key", "insecure"}

func appendList(to []string, value string) []string {
	for part := range strings.SplitSeq(value, ",") {
		if part = strings.TrimSpace(part); part != "" {
			to = append(to, part)
		}
	}
	return to
}

func (h *Host) setAddress(v string) error {
	ip, err := netip.ParseAddr(v)
	if err != nil || ip.IsUnspecified() || ip.Zone() != "" {
		return fmt.Errorf("address %q is not the IP address of one host; give the one that the proxy reaches it at", v)
	}
	h.Address = ip.String()
	return nil
}

func (h *Host) setPorts(v string) error {
	from, to, ranged := strings.Cut(v, "-")
	if !ranged {
		to = from
	}
	a, errA := strconv.Atoi(from)
	b, errB := strconv.Atoi(to)
	if errA != nil || errB != nil || a < 1 || b > 65535 || a > b {
		return fmt.Errorf("ports %q is no range such as 20000-29999", v)
	}
	h.Ports = spec.PortRange{From: a, To: b}
	return nil
}

func (h *Host) setInsecure(v string) error {
	if v != "true" && v != "false" {
		return fmt.Errorf("insecure is %q; it is true or false", v)
	}
	h.Insecure = v == "true"
	return nil
}

// ParseHost reads a host from text: its URL, followed by parameters such as
// "ssh://deploy@10.0.0.5?address=10.0.0.5&ports=20000-29999". An unknown
// parameter, and one that the URL's kind has no use for, are errors that name
// what is allowed. Files are not looked at.
func ParseHost(name, text string) (Host, error) {
	h := Host{Name: name}
	base, query, _ := strings.Cut(text, "?")
	if strings.HasPrefix(base, "tcp://") && strings.Contains(base, "@") {
		return h, fmt.Errorf("%s: a user name or password does not belong in an address; use certificates", h) // nor in an error
	}
	h.URL = base
	values, err := url.ParseQuery(query)
	if err != nil {
		return h, fmt.Errorf("%s: parameters: %w", h, err)
	}
	scheme, _, _ := strings.Cut(base, "://")
	for _, key := range sorted(values) {
		p, known := parameters[key]
		if !known {
			return h, fmt.Errorf("%s: parameter %q is not known; did you mean %q? Allowed are %s", h, key, nearest(key), strings.Join(allowed, ", "))
		}
		if !slices.Contains(strings.Fields(p.schemes), scheme) {
			return h, fmt.Errorf("%s: parameter %q is for %s:// hosts", h, key, strings.ReplaceAll(p.schemes, " ", "://, "))
		}
		for _, value := range values[key] {
			if err := p.set(&h, value); err != nil {
				return h, fmt.Errorf("%s: %w", h, err)
			}
		}
	}
	return h, h.check()
}

func sorted(values url.Values) []string {
	var out []string
	for key := range values {
		out = append(out, key)
	}
	slices.Sort(out)
	return out
}

func nearest(key string) string {
	return slices.MinFunc(allowed, func(a, b string) int {
		return levenshtein.ComputeDistance(key, a) - levenshtein.ComputeDistance(key, b)
	})
}

// String names the host, for people.
func (h Host) String() string {
	if h.Name == "" {
		return "host"
	}
	return "host " + h.Name
}

// check says what is wrong with a host, whoever made it.
func (h Host) check() error {
	if h.Name != "" && !spec.ValidHostName(h.Name) {
		return fmt.Errorf("%q is not a name of a host: up to 63 letters, digits, - and ., with a letter or digit first and last", h.Name)
	}
	var err error
	switch scheme, rest, _ := strings.Cut(h.URL, "://"); scheme {
	case "unix":
		if !strings.HasPrefix(rest, "/") {
			err = fmt.Errorf("%q needs an absolute path, as unix:///var/run/docker.sock", h.URL)
		}
	case "tcp":
		err = h.checkTCP()
	case "ssh":
		err = h.checkSSH()
	default:
		err = fmt.Errorf("%q is no unix:///PATH, tcp://HOST:PORT or ssh://USER@HOST", h.URL)
		if h.Name == "" && h.URL == "" {
			err = nil
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", h, err)
	}
	return nil
}

func (h Host) checkTCP() error {
	u, err := url.Parse(h.URL)
	if err != nil || u.Port() == "" || u.Hostname() == "" || u.User != nil || strings.Trim(u.Path, "/") != "" {
		return fmt.Errorf("%q is no tcp://HOST:PORT", h.URL)
	}
	files := 0
	for _, f := range []string{h.CA, h.Cert, h.Key} {
		if f != "" {
			files++
		}
	}
	switch {
	case h.Insecure && files > 0:
		return fmt.Errorf("%s: insecure=true means no TLS, but certificates are named as well", h.URL)
	case !h.Insecure && files < 3:
		return fmt.Errorf("%s: name the files ca, cert and key for mutual TLS; without TLS, whoever reaches the port is root there, so that needs insecure=true", h.URL)
	}
	return nil
}

func (h Host) checkSSH() error {
	if _, _, err := ssh.ParseAddress(h.URL); err != nil {
		return err
	}
	for _, jump := range h.Jumps {
		_, path, err := ssh.ParseAddress(jump)
		if err != nil {
			return fmt.Errorf("jump: %w", err)
		}
		if path != "" {
			return fmt.Errorf("jump: %q has a path", jump)
		}
	}
	return nil
}
