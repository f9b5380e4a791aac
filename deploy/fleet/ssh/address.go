package ssh

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// Address is a user's account on a host.
type Address struct {
	User string
	Host string // host:port
}

// String returns the form that [ParseAddress] reads.
func (a Address) String() string {
	host := strings.TrimSuffix(a.Host, ":22")
	return "ssh://" + a.User + "@" + host
}

// ParseAddress reads ssh://USER@HOST[:PORT][/PATH] and returns its path apart.
// A password in it is refused.
func ParseAddress(text string) (Address, string, error) {
	u, err := url.Parse(text)
	if err != nil {
		return Address{}, "", errors.New("this is no ssh://USER@HOST[:PORT]") // err repeats a password
	}
	if u.User != nil {
		if _, has := u.User.Password(); has {
			return Address{}, "", fmt.Errorf("ssh://%s: a password does not belong in an address; use a key", u.Hostname())
		}
	}
	switch {
	case u.Scheme != "ssh" || u.Hostname() == "":
		return Address{}, "", fmt.Errorf("%q is no ssh://USER@HOST[:PORT]", text)
	case u.User.Username() == "":
		return Address{}, "", fmt.Errorf("%q names no user; write ssh://USER@%s", text, u.Host)
	case u.RawQuery != "" || u.Fragment != "":
		return Address{}, "", fmt.Errorf("%q has more than USER@HOST:PORT and a path", text)
	}
	port := u.Port()
	if port == "" {
		port = "22"
	}
	return Address{User: u.User.Username(), Host: net.JoinHostPort(u.Hostname(), port)}, strings.TrimSuffix(u.Path, "/"), nil
}
