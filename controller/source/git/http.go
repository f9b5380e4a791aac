package git

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// maxListing bounds what is read of one answer about refs, in bytes.
const maxListing = 32 << 20

// carrier carries the requests of all sources with one authority.
type carrier = http.Transport

// transport returns the transport for an authority.
func (g *Group) transport(ca string) (*carrier, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if t := g.transports[ca]; t != nil {
		return t, nil
	}
	t, err := newTransport(ca)
	if err == nil {
		g.transports[ca] = t
	}
	return t, err
}

// newTransport returns a transport that trusts the authorities of file ca only;
// empty: the system's.
func newTransport(ca string) (*carrier, error) {
	t := &carrier{
		Proxy:                 http.ProxyFromEnvironment,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:   15 * time.Second,
		MaxIdleConnsPerHost:   8,
		IdleConnTimeout:       70 * time.Second, // servers keep them for 60 to 75 s
		ForceAttemptHTTP2:     true,
		ResponseHeaderTimeout: 30 * time.Second,
		ReadBufferSize:        8 << 10,
	}
	if ca == "" {
		return t, nil
	}
	text, err := os.ReadFile(ca)
	if err != nil {
		return nil, fmt.Errorf("read the authority: %w", err)
	}
	t.TLSClientConfig.RootCAs = x509.NewCertPool()
	if !t.TLSClientConfig.RootCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", ca)
	}
	return t, nil
}

// httpServer asks for refs over https.
type httpServer struct {
	base        string
	credentials Credentials
	transport   http.RoundTripper
	v2          atomic.Pointer[advertised] // known to speak version 2: one request is enough
}

// refs returns the refs that begin with prefixes, and perhaps others.
func (h *httpServer) refs(ctx context.Context, prefixes []string) ([]Ref, error) {
	known := h.v2.Load()
	if known == nil {
		first, err := h.advert(ctx)
		if err != nil {
			return nil, err
		}
		if !first.v2 {
			return first.refs, nil
		}
		known = &first
		h.v2.Store(known)
	}
	res, err := h.do(ctx, http.MethodPost, "/git-upload-pack", lsRefs(known.format, prefixes))
	if err != nil {
		h.v2.Store(nil) // it may have become another server
		return nil, err
	}
	defer res.Body.Close()
	refs, err := readRefs(io.LimitReader(res.Body, maxListing))
	if err != nil {
		h.v2.Store(nil)
		return nil, unreachable(fmt.Errorf("list the refs of %s: %w", h.base, cut(err)))
	}
	return refs, nil
}

func (h *httpServer) advert(ctx context.Context) (advertised, error) {
	res, err := h.do(ctx, http.MethodGet, "/info/refs?service=git-upload-pack", "")
	if err != nil {
		return advertised{}, err
	}
	defer res.Body.Close()
	if kind := res.Header.Get("Content-Type"); kind != "application/x-git-upload-pack-advertisement" {
		return advertised{}, &FollowError{
			Reason: ReasonNoRepository, Message: fmt.Sprintf("%s answers, but not as a git server does (%s)", h.base, cleaned(kind)),
			Hint: "is the URL the one that git clone takes?",
		}
	}
	out, err := readAdvert(bufio.NewReader(io.LimitReader(res.Body, maxListing)))
	if err != nil {
		return out, unreachable(fmt.Errorf("list the refs of %s: %w", h.base, cut(err)))
	}
	return out, nil
}

// cut says of an answer that ended early that it did.
func cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the answer was cut short")
	}
	return err
}

func (h *httpServer) do(ctx context.Context, method, path, body string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, h.base+path, strings.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	req.Header.Set("Git-Protocol", "version=2")
	req.Header.Set("User-Agent", "git/2 (teal)")
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-git-upload-pack-request")
		req.Header.Set("Accept", "application/x-git-upload-pack-result")
	}
	auth, err := h.credentials.header()
	if err != nil {
		return nil, err
	}
	if auth != "" {
		req.Header.Set("Authorization", auth)
	}
	// Not a Client: it would follow redirects, with the credentials.
	res, err := h.transport.RoundTrip(req)
	if err != nil {
		return nil, h.explain(ctx, err)
	}
	if res.StatusCode == http.StatusOK {
		return res, nil
	}
	defer res.Body.Close()
	return nil, h.refusal(res, auth != "")
}

// refusal puts an answer that is no success into words that help.
func (h *httpServer) refusal(res *http.Response, shown bool) *FollowError {
	f := &FollowError{Reason: ReasonUnreachable, Message: fmt.Sprintf("%s answers %s", h.base, cleaned(res.Status))}
	switch code := res.StatusCode; {
	case (code == http.StatusUnauthorized || code == http.StatusForbidden) && !shown:
		f.Reason, f.Hint = ReasonCredentials, "it wants credentials: token_file, or username and password_file"
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		f.Reason, f.Hint = ReasonCredentials, "the token or password is not (or no longer) good there"
	case code == http.StatusNotFound || code == http.StatusGone:
		f.Reason, f.Hint = ReasonNoRepository, "there is no such repository, or these credentials may not see it"
	case code >= 300 && code < 400:
		f.Reason, f.Hint = ReasonNoRepository, "redirects are not followed; if it moved for good, name the new URL: "+h.moved(res)
	}
	return f
}

// moved is where a redirect leads, without what git itself appends.
func (h *httpServer) moved(res *http.Response) string {
	to, err := url.Parse(res.Header.Get("Location"))
	if err != nil {
		return "(it names none)"
	}
	to.User, to.RawQuery = nil, ""
	return cleaned(strings.TrimSuffix(to.String(), "/info/refs"))
}

func (h *httpServer) explain(ctx context.Context, err error) *FollowError {
	f := unreachable(fmt.Errorf("reach %s: %w", h.base, cut(plain(err))))
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &unknown):
		f.Hint = "name the authority that signed its certificate: ca"
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		f.Message = h.base + " did not answer in time"
	}
	return f
}
