package git

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"strings"
)

// Address is where a repository is.
type Address struct {
	Scheme string // https, ssh or file
	User   string // ssh; empty: git
	Host   string // with the port, if one was given
	Path   string
	Short  bool // written USER@HOST:PATH; PATH is then as the server's user sees it
}

// errAddress is what every error of [ParseAddress] wraps.
var errAddress = errors.New("not the address of a repository")

// ParseAddress reads https://HOST/PATH, ssh://USER@HOST:PORT/PATH, USER@HOST:PATH
// or file:///PATH. Credentials do not belong into it: they would be shown.
func ParseAddress(text string) (Address, error) {
	if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return Address{}, fmt.Errorf("%w: %q has a blank or a control character", errAddress, text)
	}
	if a, ok := shortAddress(text); ok {
		return a.checked(text)
	}
	u, err := url.Parse(text)
	if err != nil {
		return Address{}, fmt.Errorf("%w: it does not parse as a URL", errAddress) // the text may hold a password
	}
	if _, has := u.User.Password(); has || (u.User != nil && u.Scheme == "https") {
		return Address{}, fmt.Errorf("%w: it holds credentials, which would be shown; use token_file, or username and password_file", errAddress)
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return Address{}, fmt.Errorf("%w: %q has a query or a fragment", errAddress, text)
	}
	a := Address{Scheme: u.Scheme, Host: u.Host, Path: u.Path, User: u.User.Username()}
	return a.checked(text)
}

// shortAddress reads USER@HOST:PATH, as ssh and git write it.
func shortAddress(text string) (Address, bool) {
	place, where, ok := strings.Cut(text, ":")
	user, host, named := strings.Cut(place, "@")
	if !ok || !named || strings.HasPrefix(where, "//") || strings.Contains(place, "/") {
		return Address{}, false
	}
	return Address{Scheme: "ssh", User: user, Host: host, Path: where, Short: true}, true
}

func (a Address) checked(text string) (Address, error) {
	switch a.Scheme {
	case "https", "ssh":
		if a.Host == "" || strings.HasPrefix(a.Host, "-") || strings.HasPrefix(a.User, "-") {
			return Address{}, fmt.Errorf("%w: %q names no host", errAddress, text)
		}
		if a.Scheme == "ssh" && a.User == "" {
			a.User = "git"
		}
	case "file":
		if a.Host != "" || !path.IsAbs(a.Path) {
			return Address{}, fmt.Errorf("%w: %q is not file:///ABSOLUTE/PATH", errAddress, text)
		}
	case "http":
		return Address{}, fmt.Errorf("%w: over plain http anybody in between could say what runs here; use https (with ca for an authority of your own)", errAddress)
	default:
		return Address{}, fmt.Errorf("%w: %q is neither https:// nor ssh:// nor file:// nor USER@HOST:PATH", errAddress, text)
	}
	if strings.Trim(a.Path, "/") == "" || strings.HasPrefix(a.Path, "-") {
		return Address{}, fmt.Errorf("%w: %q has no path", errAddress, text)
	}
	return a, nil
}

// String is the address as git takes it; it holds no secret.
func (a Address) String() string {
	if a.Short {
		return a.User + "@" + a.Host + ":" + a.Path
	}
	u := url.URL{Scheme: a.Scheme, Host: a.Host, Path: a.Path}
	if a.User != "" {
		u.User = url.User(a.User)
	}
	return u.String()
}

// remotePath is what the server is asked for over ssh.
func (a Address) remotePath() string {
	if strings.HasPrefix(a.Path, "/~") {
		return a.Path[1:]
	}
	return a.Path
}
