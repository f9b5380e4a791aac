package fleet_test

import (
	"reflect"
	"strings"
	"testing"

	"teal/deploy/docker"
	"teal/deploy/fleet"
	"teal/spec"
)

func TestHostsAreReadFromText(t *testing.T) {
	for _, c := range []struct {
		text string
		want fleet.Host
	}{
		{"unix:///var/run/docker.sock", fleet.Host{URL: "unix:///var/run/docker.sock"}},
		{"unix:///run/d.sock?address=10.0.0.5", fleet.Host{URL: "unix:///run/d.sock", Address: "10.0.0.5"}},
		{
			"tcp://10.0.0.6:2376?ca=ca.pem&cert=cert.pem&key=key.pem&address=10.0.0.6&ports=20000-29999",
			fleet.Host{URL: "tcp://10.0.0.6:2376", CA: "ca.pem", Cert: "cert.pem", Key: "key.pem", Address: "10.0.0.6", Ports: spec.PortRange{From: 20000, To: 29999}},
		},
		{"tcp://10.0.0.6:2375?insecure=true", fleet.Host{URL: "tcp://10.0.0.6:2375", Insecure: true}},
		{
			"ssh://deploy@10.0.0.5:2222/run/docker.sock?identity=a,b&identity=c&known_hosts=k&jump=ssh://ops@10.0.0.1:22,ssh://ops@10.0.0.2&ports=8080",
			fleet.Host{
				URL: "ssh://deploy@10.0.0.5:2222/run/docker.sock", Identities: []string{"a", "b", "c"}, KnownHosts: []string{"k"},
				Jumps: []string{"ssh://ops@10.0.0.1:22", "ssh://ops@10.0.0.2"}, Ports: spec.PortRange{From: 8080, To: 8080},
			},
		},
	} {
		c.want.Name = "app-1"
		if got, err := fleet.ParseHost("app-1", c.text); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s:\n got %+v, %v\nwant %+v", c.text, got, err, c.want)
		}
	}
}

func TestHostsThatCannotBeAreRefused(t *testing.T) {
	for text, words := range map[string][]string{
		"unix:///d.sock?adddress=10.0.0.5":       {"address", `did you mean "address"?`, "known_hosts", "insecure"},
		"unix:///d.sock?identity=key":            {"identity", "ssh://"},
		"ssh://u@h?ca=x":                         {"ca", "tcp://"},
		"unix://d.sock":                          {"absolute"},
		"/var/run/docker.sock":                   {"unix:///PATH"},
		"http://10.0.0.1:2375":                   {"tcp://HOST:PORT"},
		"":                                       {"unix:///PATH"},
		"tcp://10.0.0.1":                         {"tcp://HOST:PORT"},
		"tcp://10.0.0.1:2375":                    {"ca, cert and key", "insecure=true"},
		"tcp://10.0.0.1:2375?ca=x&cert=y":        {"ca, cert and key"},
		"tcp://10.0.0.1:2375?insecure=yes":       {"true or false"},
		"tcp://10.0.0.1:2375?insecure=true&ca=x": {"no TLS"},
		"ssh://10.0.0.1":                         {"names no user"},
		"ssh://u:secret@10.0.0.1":                {"password"},
		"ssh://u@10.0.0.1?jump=10.0.0.2":         {"jump", "ssh://"},

		"ssh://u@10.0.0.1?jump=ssh://u@10.0.0.2/docker.sock": {"jump", "path"},
		"unix:///d.sock?address=app-1.example.com":           {"address", "IP"},
		"unix:///d.sock?address=0.0.0.0":                     {"address", "IP"},
		"unix:///d.sock?ports=29999-20000":                   {"ports"},
		"unix:///d.sock?ports=0":                             {"ports"},
		"unix:///d.sock?ports=1-70000":                       {"ports"},
		"unix:///d.sock?%zz":                                 {"parameters"},
	} {
		_, err := fleet.ParseHost("app-1", text)
		if err == nil {
			t.Errorf("%s: is taken", text)
			continue
		}
		for _, w := range append(words, "app-1") {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %v\ndoes not say %q", text, err, w)
			}
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("the password is told: %v", err)
		}
	}
	if _, err := fleet.ParseHost("app 1", "unix:///d.sock"); err == nil {
		t.Error(`the name "app 1" is taken`)
	}
}

func TestHostsThatDoNotFitTogetherAreRefused(t *testing.T) {
	one := func(name, text string) fleet.Host {
		h, err := fleet.ParseHost(name, text)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	edge := one("edge", "unix:///edge.sock")
	a := one("a", "unix:///a.sock?address=10.0.0.5")
	for _, c := range []struct {
		name  string
		opts  fleet.Options
		words []string // none: it is taken
	}{
		{"none", fleet.Options{}, []string{"none is configured"}},
		{"two of a name", fleet.Options{Hosts: []fleet.Host{a, one("a", "unix:///b.sock?address=10.0.0.6")}}, []string{"host a", "twice"}},
		{"one with two names", fleet.Options{Hosts: []fleet.Host{a, one("b", "unix:///a.sock?address=10.0.0.6")}}, []string{"host b", "host a", "same"}},
		{"several, one without a name", fleet.Options{Hosts: []fleet.Host{edge, {URL: "unix:///x.sock"}}}, []string{"name"}},
		{"no address", fleet.Options{Hosts: []fleet.Host{edge, one("b", "unix:///b.sock")}}, []string{"host b", "address", "edge"}},
		{"the proxy's host is another", fleet.Options{Hosts: []fleet.Host{edge, a}, ProxyHost: "a"}, []string{"host edge", "address"}},
		{"the proxy's host is not known", fleet.Options{Hosts: []fleet.Host{edge, a}, ProxyHost: "b"}, []string{"b is not configured", "a, edge"}},
		{"made by hand", fleet.Options{Hosts: []fleet.Host{{Name: "x", URL: "tcp://10.0.0.1:2375"}}}, []string{"host x", "insecure"}},
		{"the proxy's host needs no address", fleet.Options{Hosts: []fleet.Host{edge, a}}, nil},
		{"all have one", fleet.Options{Hosts: []fleet.Host{a, one("b", "unix:///b.sock?address=10.0.0.6")}}, nil},
		{"one alone needs none", fleet.Options{Hosts: []fleet.Host{one("b", "unix:///b.sock")}}, nil},
		{"the only one needs no name", fleet.Options{Hosts: []fleet.Host{{}}}, nil},
	} {
		c.opts.Engine = docker.Options{ControllerID: "test"}
		f, err := fleet.New(c.opts)
		if err == nil {
			if closing := f.Close(); closing != nil {
				t.Error(closing)
			}
		}
		if (err == nil) != (len(c.words) == 0) {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		for _, w := range c.words {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %v\ndoes not say %q", c.name, err, w)
			}
		}
	}
}
