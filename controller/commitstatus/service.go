package commitstatus

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"
)

// Fields are those of a source that say where its statuses are written; Paths are
// those that hold files.
var (
	Fields = []string{"status", "status_url", "status_token_file", "status_target"}
	Paths  = []string{"status_token_file"}
)

// Config is what an operator says of one source.
type Config struct {
	Kind       string // github, gitlab or gitea
	Repository string // URL that is pulled from
	URL        string // of the API; empty: as the repository's host has it
	TokenFile  string
	Target     string // URL that statuses link to; empty: none
	CA         string // PEM file with who signed the API's certificate; empty: the system's
}

// Service is a repository on a host that takes statuses. It comes from [Parse].
type Service struct {
	kind      kind
	base      string // of the API
	host      string
	project   string // owner/name; groups before it with GitLab
	tokenFile string
	target    string
	ca        string
}

// kind is what a host speaks.
type kind struct {
	name   string
	suffix string // of the API's base
	states map[State]string
}

var kinds = []kind{
	{"github", "/api/v3", map[State]string{Pending: "pending", Success: "success", Failure: "failure", Superseded: "error"}},
	{"gitlab", "/api/v4", map[State]string{Pending: "pending", Success: "success", Failure: "failed", Superseded: "canceled"}},
	{"gitea", "/api/v1", map[State]string{Pending: "pending", Success: "success", Failure: "failure", Superseded: "error"}},
}

// Parse refuses what cannot work.
func Parse(c Config) (*Service, error) {
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.name == c.Kind })
	if i < 0 {
		return nil, fmt.Errorf("status: %q is none of github, gitlab, gitea", c.Kind)
	}
	s := &Service{kind: kinds[i], tokenFile: c.TokenFile, target: c.Target, ca: c.CA}
	if c.TokenFile == "" {
		return nil, errors.New("status_token_file: a token that may write statuses is needed")
	}
	if _, err := s.token(); err != nil {
		return nil, fmt.Errorf("status_token_file: %w", err)
	}
	if c.Target != "" && !isWeb(c.Target) {
		return nil, fmt.Errorf("status_target: %q is not an http or https URL", c.Target)
	}
	return s, s.place(c)
}

// place finds the API and the repository's name in it.
func (s *Service) place(c Config) error {
	host, name := repository(c.Repository)
	if c.URL == "" {
		if host == "" {
			return errors.New("status_url: the repository's URL names no host; say where the API is")
		}
		c.URL = "https://" + host
		if s.kind.name == "github" && strings.EqualFold(host, "github.com") {
			c.URL = "https://api.github.com"
		}
	}
	u, err := url.Parse(c.URL)
	if err != nil || !isWeb(c.URL) || u.User != nil || u.RawQuery != "" {
		return errors.New("status_url: it is not an http or https URL without user and parameters")
	}
	root := strings.Trim(strings.TrimSuffix(strings.TrimRight(u.Path, "/"), s.kind.suffix), "/")
	if !strings.HasSuffix(strings.TrimRight(u.Path, "/"), s.kind.suffix) && u.Host != "api.github.com" {
		u.Path = path.Join("/", root, s.kind.suffix)
	}
	if root != "" { // the host serves it under a folder
		name = strings.TrimPrefix(name, root+"/")
	}
	parts := strings.Count(name, "/") + 1
	if parts < 2 || parts > 2 && s.kind.name != "gitlab" {
		return fmt.Errorf("status: the repository's URL ends in %q, not in owner/name", name)
	}
	s.base, s.host, s.project = strings.TrimRight(u.String(), "/"), u.Host, name
	return nil
}

func isWeb(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// repository cuts a URL of git, also USER@HOST:PATH, into host and name. The port
// is git's: it is the web's, too, only over http.
func repository(text string) (host, name string) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" || u.Opaque != "" {
		before, after, ok := strings.Cut(text, ":")
		if !ok {
			return "", trimmed(text)
		}
		return before[strings.LastIndex(before, "@")+1:], trimmed(after)
	}
	host = u.Hostname()
	if strings.HasPrefix(u.Scheme, "http") {
		host = u.Host
	}
	if u.Scheme == "file" {
		// Only its end can be a name that a host knows.
		parts := strings.Split(trimmed(u.Path), "/")
		return "", strings.Join(parts[max(0, len(parts)-2):], "/")
	}
	return host, trimmed(u.Path)
}

func trimmed(name string) string { return strings.TrimSuffix(strings.Trim(name, "/"), ".git") }

// maxToken is how long the token's file may be.
const maxToken = 4096

// token reads the token; it may change at any time.
func (s *Service) token() (string, error) {
	info, err := os.Stat(s.tokenFile)
	if err != nil {
		return "", err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("%s can be read by others: chmod 600 %s", s.tokenFile, s.tokenFile)
	}
	if info.Size() > maxToken {
		return "", fmt.Errorf("%s is longer than %d bytes", s.tokenFile, maxToken)
	}
	data, err := os.ReadFile(s.tokenFile)
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(data))
	if token == "" || strings.ContainsAny(token, "\r\n") {
		return "", fmt.Errorf("%s does not hold one token", s.tokenFile)
	}
	return token, nil
}
