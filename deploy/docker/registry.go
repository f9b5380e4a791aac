package docker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/distribution/reference"
	"github.com/docker/docker/api/types/registry"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"teal/reconcile"
	"teal/spec"
)

// registryDigest asks the registry which manifest named stands for. A registry
// that Teal cannot talk to is asked through the engine, which may know a
// mirror, a proxy or a certificate for it.
func (e *Engine) registryDigest(ctx context.Context, named reference.Named) (string, error) {
	ref, err := name.ParseReference(named.String(), name.WeakValidation)
	if err != nil {
		return "", permanent(reconcile.ReasonImageInvalid, "image %s: %v", named, err)
	}
	digest, err := e.askRegistry(ctx, ref)
	if err == nil {
		return digest, nil
	}
	failed := registryFailure(named, err)
	if answered(err) || ctx.Err() != nil {
		return "", failed
	}
	if digest, err := e.askThroughEngine(ctx, named); err == nil {
		return digest, nil
	}
	return "", failed // the direct answer says more
}

// answered reports whether err is a registry's own answer.
func answered(err error) bool {
	_, ok := errors.AsType[*transport.Error](err)
	return ok
}

// askRegistry asks with HEAD, which costs no pull quota, and with GET where the
// registry refused: only then it says why.
func (e *Engine) askRegistry(ctx context.Context, ref name.Reference) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, e.limits.Registry)
	defer cancel()
	options, patience := e.registryOptions(ctx)
	head, err := remote.Head(ref, options...)
	if err == nil {
		return head.Digest.String(), nil
	}
	if refusal, ok := errors.AsType[*transport.Error](err); ok && unavailable(refusal.StatusCode) {
		return "", patience.with(err)
	}
	get, err := remote.Get(ref, options...)
	if err != nil {
		return "", patience.with(err)
	}
	return get.Digest.String(), nil
}

// registryOptions are those of every question to a registry.
func (e *Engine) registryOptions(ctx context.Context) ([]remote.Option, *patienceTransport) {
	patience := &patienceTransport{next: remote.DefaultTransport}
	return []remote.Option{
		remote.WithContext(ctx),
		remote.WithAuthFromKeychain(e.auth),
		remote.WithTransport(patience),
		// Who asks backs off by itself; here one try is one try.
		remote.WithRetryBackoff(remote.Backoff{Steps: 1, Duration: time.Millisecond}),
		remote.WithRetryStatusCodes(),
	}, patience
}

func (e *Engine) askThroughEngine(ctx context.Context, named reference.Named) (string, error) {
	auth, err := e.registryAuth(ctx, named)
	if err != nil {
		return "", err
	}
	found, err := ask(ctx, e, e.limits.Registry, func(ctx context.Context, a dockerAPI) (registry.DistributionInspect, error) {
		return a.DistributionInspect(ctx, named.String(), auth)
	})
	return found.Descriptor.Digest.String(), err
}

// registryAuth returns the credentials for named's registry in the form that
// the engine wants them.
func (e *Engine) registryAuth(ctx context.Context, named reference.Named) (string, error) {
	host, err := name.NewRegistry(reference.Domain(named), name.WeakValidation)
	if err != nil {
		return "", permanent(reconcile.ReasonImageInvalid, "image %s: %v", named, err)
	}
	who, err := authn.Resolve(ctx, e.auth, host)
	if err != nil {
		return "", infra(reconcile.ReasonRegistryUnavailable, "credentials for %s: %v", host, err)
	}
	has, err := authn.Authorization(ctx, who)
	if err != nil {
		return "", infra(reconcile.ReasonRegistryUnavailable, "credentials for %s: %v", host, err)
	}
	return registry.EncodeAuthConfig(registry.AuthConfig{
		Username: has.Username, Password: has.Password, Auth: has.Auth,
		IdentityToken: has.IdentityToken, RegistryToken: has.RegistryToken,
		ServerAddress: host.Name(),
	})
}

// registryFailure classifies what a registry, or the way to it, said.
func registryFailure(named reference.Named, err error) *reconcile.Failure {
	refusal, ok := errors.AsType[*transport.Error](err)
	if !ok {
		return infra(reconcile.ReasonRegistryUnavailable, "%s: %v", reference.FamiliarString(named), err)
	}
	said := fmt.Sprintf("%s: registry %s answered %d: %s", reference.FamiliarString(named), reference.Domain(named), refusal.StatusCode, registryWords(refusal))
	switch status := refusal.StatusCode; {
	case unavailable(status):
		f := infra(reconcile.ReasonRegistryUnavailable, "%s", said)
		if wait, ok := errors.AsType[*retryAfterError](err); ok {
			f.RetryAfter = spec.Duration(wait.after)
		}
		return f
	case status == http.StatusNotFound:
		return permanent(reconcile.ReasonImageNotFound, "%s", said)
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return permanent(reconcile.ReasonImageDenied, "%s (some registries say so for images that do not exist)", said)
	}
	return permanent(reconcile.ReasonImageInvalid, "%s", said)
}

func unavailable(status int) bool {
	return status == http.StatusTooManyRequests || status == http.StatusRequestTimeout || status >= 500
}

// registryWords are the registry's own, without the request they answer.
func registryWords(refusal *transport.Error) string {
	var said []string
	for _, d := range refusal.Errors {
		said = append(said, strings.TrimSuffix(string(d.Code)+": "+d.Message, ": "))
	}
	if len(said) == 0 {
		return http.StatusText(refusal.StatusCode)
	}
	return strings.Join(said, "; ")
}

// patienceTransport remembers for how long the server asked to be left alone:
// the library drops the headers of a refusal.
type patienceTransport struct {
	next  http.RoundTripper
	mu    sync.Mutex
	after time.Duration
}

func (p *patienceTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := p.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if unavailable(resp.StatusCode) {
		p.mu.Lock()
		p.after = retryAfter(resp.Header.Get("Retry-After"), time.Now())
		p.mu.Unlock()
	}
	return resp, nil
}

// with adds the server's wish to err, if it had one.
func (p *patienceTransport) with(err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.after <= 0 {
		return err
	}
	return &retryAfterError{err: err, after: p.after}
}

// retryAfter reads the header, which is in seconds or a date.
func retryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(text); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if date, err := http.ParseTime(text); err == nil {
		return date.Sub(now)
	}
	return 0
}

// retryAfterError is an error after which the server wants to be left alone.
type retryAfterError struct {
	err   error
	after time.Duration
}

func (r *retryAfterError) Error() string { return r.err.Error() }
func (r *retryAfterError) Unwrap() error { return r.err }
