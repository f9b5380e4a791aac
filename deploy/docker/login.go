package docker

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
)

// Login is how Teal, and the engines for it, log in to one registry.
type Login struct {
	Name     string // for people
	Registry string // registry.example.com, host:port, or docker.io
	Username string
	// PasswordFile holds the password, or a token. It is read for every question
	// and every pull, so that another one counts at once.
	PasswordFile string
	// Hosts are the names of the hosts that it is for. None: all.
	Hosts []string
}

// LoginFields are the fields of a login beside its registry, LoginPaths those
// that are paths.
var (
	LoginFields = []string{"username", "password_file", "hosts"}
	LoginPaths  = []string{"password_file"}
)

// mostPassword bounds a file with a password, in bytes: tokens are long.
const mostPassword = 64 << 10

// ParseLogin reads REGISTRY?username=…&password_file=…&hosts=a,b, and reads the
// password once to see that it can be.
func ParseLogin(called, text string) (Login, error) {
	registry, query, _ := strings.Cut(text, "?")
	fields, err := url.ParseQuery(query)
	if err != nil {
		return Login{}, fmt.Errorf("registry %s: what follows the ? is not field=value&field=value", called)
	}
	for field, values := range fields {
		if !slices.Contains(LoginFields, field) {
			return Login{}, fmt.Errorf("registry %s: there is no field %s; there are %s", called, field, strings.Join(LoginFields, ", "))
		}
		if len(values) > 1 {
			return Login{}, fmt.Errorf("registry %s: %s is given twice", called, field)
		}
	}
	l := Login{Name: called, Username: fields.Get("username"), PasswordFile: fields.Get("password_file")}
	for h := range strings.SplitSeq(fields.Get("hosts"), ",") {
		if h = strings.TrimSpace(h); h != "" {
			l.Hosts = append(l.Hosts, h)
		}
	}
	at, err := name.NewRegistry(registry, name.WeakValidation)
	if err != nil || registry == "" || strings.Contains(registry, "@") {
		return l, fmt.Errorf("registry %s: its url is not a registry such as registry.example.com or 10.0.0.5:5000, without https://", called)
	}
	l.Registry = at.RegistryStr()
	if l.Username == "" || l.PasswordFile == "" {
		return l, fmt.Errorf("registry %s: username and password_file are needed", called)
	}
	_, err = l.password()
	return l, err
}

// password reads the password. Its errors hold nothing of it.
func (l Login) password() (password string, err error) {
	file, err := os.OpenFile(l.PasswordFile, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", fmt.Errorf("registry %s: %w", l.Name, err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return "", fmt.Errorf("registry %s: %w", l.Name, err)
	}
	switch mode := info.Mode(); {
	case !mode.IsRegular():
		return "", fmt.Errorf("registry %s: %s is not a regular file", l.Name, l.PasswordFile)
	case mode.Perm()&0o007 != 0:
		return "", fmt.Errorf("registry %s: %s may be read by everybody (mode %04o): chmod 600 %s", l.Name, l.PasswordFile, mode.Perm(), l.PasswordFile)
	}
	text, err := io.ReadAll(io.LimitReader(file, mostPassword))
	if err != nil {
		return "", fmt.Errorf("registry %s: %w", l.Name, err)
	}
	if password = strings.TrimRight(string(text), "\r\n"); password == "" {
		return "", fmt.Errorf("registry %s: %s is empty", l.Name, l.PasswordFile)
	}
	return password, nil
}

// logins are the configured credentials as one host uses them: its own before
// those of all hosts, and those of the Docker configuration for other registries.
type logins struct {
	list []Login
	host string
	next authn.Keychain
}

// Resolve returns the credentials for a registry.
func (l logins) Resolve(at authn.Resource) (authn.Authenticator, error) {
	for _, own := range []bool{true, false} {
		for _, login := range l.list {
			if login.Registry != at.RegistryStr() || own != slices.Contains(login.Hosts, l.host) || !own && len(login.Hosts) > 0 {
				continue
			}
			password, err := login.password()
			if err != nil {
				return nil, err
			}
			return authn.FromConfig(authn.AuthConfig{Username: login.Username, Password: password}), nil
		}
	}
	return l.next.Resolve(at)
}
