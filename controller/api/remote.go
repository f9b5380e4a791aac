package api

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Remote is a controller that is spoken to over the network.
type Remote struct {
	URL   string // https://host:port; http:// only for an address of loopback
	Token string // required
	// Authorities is a PEM bundle of who may have signed the server's certificate;
	// empty: the system's.
	Authorities []byte
}

// DialRemote returns a client of a controller over the network. It connects with
// the first request. It follows no redirects and uses no proxy: the token goes
// to that address and nowhere else.
func DialRemote(r Remote) (*Client, error) {
	base, err := remoteURL(r.URL)
	if err != nil {
		return nil, err
	}
	if r.Token == "" {
		return nil, errors.New("there is no token")
	}
	if strings.ContainsFunc(r.Token, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return nil, errors.New("the token holds characters that no token has")
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(r.Authorities) > 0 {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(r.Authorities) {
			return nil, errors.New("there is no PEM certificate among the authorities")
		}
	}
	dialer := net.Dialer{Timeout: 10 * time.Second}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, fmt.Errorf("%w at %s: %w", ErrUnreachable, r.URL, cause(err))
			}
			return c, nil
		},
		TLSClientConfig:       config,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: 60 * time.Second,
		MaxIdleConns:          4,
		IdleConnTimeout:       30 * time.Second,
	}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{http: &http.Client{Transport: transport, CheckRedirect: stay}, base: *base, secret: r.Token}, nil
}

// remoteURL reads the address of a controller. Its errors do not repeat what
// may be a password.
func remoteURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("the address is not a URL; it looks like https://host:7443")
	}
	switch {
	case u.User != nil:
		return nil, errors.New("the address holds a user name; tokens are given by TEAL_TOKEN or a file")
	case u.Scheme != "https" && u.Scheme != "http", u.Host == "", u.RawQuery != "", u.Fragment != "", u.Path != "" && u.Path != "/":
		return nil, fmt.Errorf("%q is not the address of a controller; it looks like https://host:7443", text)
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return nil, fmt.Errorf("%q is without TLS: the token could be read on the way", text)
	}
	u.Path = ""
	return u, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
