package main

import (
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"teal/cmd/teal/internal/config"
	"teal/deploy/docker"
)

// registries are the credentials of registries.
type registries struct {
	texts  []string // NAME=REGISTRY?…, as given
	logins []docker.Login
}

// registryTable is how they stand in teal.yaml.
var registryTable = config.Table{Key: "registries", Fields: docker.LoginFields, Paths: docker.LoginPaths}

func (r *registries) flags(f *pflag.FlagSet) {
	f.StringArrayVar(&r.texts, "registry", nil, "`NAME=REGISTRY?username=…&password_file=…` to log in with, for the named hosts=… or for all; once for each")
	mustMark(config.MarkTable(f, "registry", registryTable))
}

// read refuses logins that cannot work. hosts are those there are.
func (r *registries) read(hosts []string) error {
	r.logins = nil
	names := map[string]bool{}
	for _, text := range r.texts {
		name, rest, ok := strings.Cut(text, "=")
		if !ok || name == "" || strings.ContainsAny(name, "?/") {
			return badInput("--registry hub=registry.example.com?username=ci&password_file=FILE", "--registry: what is given does not say NAME=REGISTRY")
		}
		if names[name] {
			return badInput("", "--registry: there are two called %s", name)
		}
		names[name] = true
		login, err := docker.ParseLogin(name, rest)
		if err != nil {
			return badInput("", "--registry: %v", err)
		}
		for _, h := range login.Hosts {
			if !slices.Contains(hosts, h) {
				return badInput("", "--registry: registry %s is for the host %s, which there is not; there are: %s", name, h, strings.Join(hosts, ", "))
			}
		}
		r.logins = append(r.logins, login)
	}
	return nil
}
