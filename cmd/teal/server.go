package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"teal/controller/api"
)

// overNetwork are the verbs that a controller elsewhere can be asked for.
var overNetwork = []string{
	"apply", "plan", "status", "wait", "promote", "abort", "undo", "retry", "history", "logs", "events", "version", "down", "sync",
}

// remote says which controller is meant, if it is not the one at the socket.
// There is no flag for the token: what is in the arguments is seen by every user
// of the machine.
type remote struct{ server, tokenFile, ca string }

func (r *remote) flags(f *pflag.FlagSet) {
	f.StringVar(&r.server, "server", "", "`URL` of a controller elsewhere, https://host:7443 (TEAL_SERVER); its token is in TEAL_TOKEN or a file")
	f.StringVar(&r.tokenFile, "token-file", "", "`file` with the token for --server (TEAL_TOKEN_FILE)")
	f.StringVar(&r.ca, "ca", "", "PEM `file` with who signed the certificate of --server (TEAL_CA; default: the system's)")
}

// serverURL returns the controller elsewhere that is meant; empty: the one at
// the socket. What is typed wins over the environment.
func (p *program) serverURL() string {
	switch {
	case p.remote.server != "":
		return p.remote.server
	case p.socket != "":
		return ""
	}
	return p.env("TEAL_SERVER")
}

// where is the place of the controller, for people.
func (p *program) where() string {
	if url := p.serverURL(); url != "" {
		return url
	}
	return p.socketPath()
}

func (p *program) dialRemote(url string) (*api.Client, error) {
	if p.remote.server != "" && p.socket != "" {
		return nil, badInput("leave one of them out", "--server and --socket name two controllers")
	}
	token, err := p.token()
	if err != nil {
		return nil, err
	}
	r := api.Remote{URL: url, Token: token}
	if file := either(p.remote.ca, p.env("TEAL_CA")); file != "" {
		if r.Authorities, err = readAtMost(file, 1<<20); err != nil {
			return nil, badInput("--ca FILE", "read who signed the server's certificate: %v", err)
		}
	}
	client, err := api.DialRemote(r)
	if err != nil {
		return nil, badInput("--server https://host:7443 (TEAL_SERVER)", "--server: %v", err)
	}
	return client, nil
}

// token returns the token to show: the file's that is typed, the environment's,
// or that of the file which the environment names.
func (p *program) token() (string, error) {
	file := p.remote.tokenFile
	if token := p.env("TEAL_TOKEN"); file == "" && token != "" {
		return strings.TrimSpace(token), nil
	}
	if file = either(file, p.env("TEAL_TOKEN_FILE")); file == "" {
		return "", badInput("export TEAL_TOKEN=…, or --token-file FILE; one is made there by: teal token create NAME", "a controller elsewhere asks for a token")
	}
	data, err := readAtMost(file, 4096)
	if err != nil {
		return "", badInput("--token-file FILE", "read the token: %v", err)
	}
	token := strings.TrimSpace(string(data))
	if token == "" {
		return "", badInput("--token-file FILE", "read the token: %s is empty", file)
	}
	return token, nil
}

func readAtMost(file string, most int64) (data []byte, err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	data, err = io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		return nil, fmt.Errorf("%s is larger than %d bytes", file, most)
	}
	return data, err
}

func either(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// isUntrusted reports whether err is about a certificate.
func isUntrusted(err error) bool {
	_, ok := errors.AsType[*tls.CertificateVerificationError](err)
	return ok
}
