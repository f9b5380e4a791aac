package commitstatus

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// report is one status on its way.
type report struct {
	commit  string
	ref     string
	context string
	state   State
	words   string
}

// refusal is why a status was not written. Its words hold no secret.
type refusal struct {
	words string
	after time.Duration // what the host asked for; 0: nothing
	setUp bool          // the token or the address is wrong
	unfit bool          // this status will never be taken
}

func (r *refusal) Error() string { return r.words }

// body is what is posted, in each host's words.
func (s *Service) body(r report) map[string]string {
	out := map[string]string{"state": s.kind.states[r.state], "description": shortened(r.words), "context": r.context}
	if s.target != "" {
		out["target_url"] = s.target
	}
	if s.kind.name == "gitlab" {
		out["ref"] = strings.TrimPrefix(strings.TrimPrefix(r.ref, "refs/heads/"), "refs/tags/")
	}
	return out
}

// address is where statuses of a commit are posted.
func (s *Service) address(commit string) string {
	if s.kind.name == "gitlab" {
		return s.base + "/projects/" + url.PathEscape(s.project) + "/statuses/" + url.PathEscape(commit)
	}
	return s.base + "/repos/" + s.project + "/statuses/" + url.PathEscape(commit)
}

// headers are those by which a host knows who asks, and for what.
func (s *Service) headers(h http.Header, token string) {
	h.Set("Content-Type", "application/json")
	h.Set("User-Agent", "teal")
	switch s.kind.name {
	case "github":
		h.Set("Accept", "application/vnd.github+json")
		h.Set("X-GitHub-Api-Version", "2022-11-28")
		h.Set("Authorization", "Bearer "+token)
	case "gitlab":
		h.Set("Private-Token", token)
	case "gitea":
		h.Set("Authorization", "token "+token)
	}
}

// client returns one that follows no redirects: the token is for the named host.
func (s *Service) client() (*http.Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	transport.DisableKeepAlives = true // seldom
	if s.ca != "" {
		data, err := os.ReadFile(s.ca)
		if err != nil {
			return nil, err
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(data) {
			return nil, fmt.Errorf("%s holds no certificate (PEM)", s.ca)
		}
		transport.TLSClientConfig.RootCAs = pool
	}
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// write posts one status. The error is a refusal.
func (s *Service) write(ctx context.Context, r report) error {
	token, err := s.token()
	if err != nil {
		return &refusal{words: "status_token_file: " + err.Error(), setUp: true}
	}
	data, err := json.Marshal(s.body(r))
	if err != nil {
		return &refusal{words: err.Error(), unfit: true}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.address(r.commit), bytes.NewReader(data))
	if err != nil {
		return &refusal{words: err.Error(), setUp: true}
	}
	s.headers(req.Header, token)
	client, err := s.client()
	if err != nil {
		return &refusal{words: err.Error(), setUp: true}
	}
	resp, err := client.Do(req)
	if err != nil {
		return &refusal{words: strings.ReplaceAll(inner(err), token, "…")}
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
	if err != nil {
		said = nil // the status says enough
	}
	return judge(resp, strings.ReplaceAll(string(said), token, "…"), time.Now())
}

// inner is an error of the way, without the request.
func inner(err error) string {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "it did not answer in time"
	}
	return err.Error()
}

// judge says what an answer means; nil is well.
func judge(resp *http.Response, said string, now time.Time) error {
	code := resp.StatusCode
	if code/100 == 2 {
		return nil
	}
	// GitLab refuses a status that a commit has already.
	if code == http.StatusBadRequest && strings.Contains(said, "Cannot transition status") {
		return nil
	}
	r := &refusal{words: strings.TrimSuffix("answered "+resp.Status+": "+shortened(said), ": "), after: patience(resp.Header, now)}
	switch {
	case code == http.StatusTooManyRequests, code == http.StatusRequestTimeout, code >= 500:
	case code == http.StatusForbidden && r.after > 0: // GitHub's limits
	case code == http.StatusBadRequest, code == http.StatusUnprocessableEntity, code == http.StatusConflict, code == http.StatusRequestEntityTooLarge:
		r.unfit = true
	default:
		r.setUp = true
	}
	return r
}

// longestPatience is how long a host is believed that asks to be left alone.
const longestPatience = 2 * time.Hour

// patience is for how long the host asks to be left alone: Retry-After, or, when
// nothing is left of a quota, until that begins anew.
func patience(h http.Header, now time.Time) time.Duration {
	wait := time.Duration(0)
	if text := h.Get("Retry-After"); text != "" {
		if seconds, err := strconv.Atoi(text); err == nil {
			wait = time.Duration(min(max(seconds, 0), 1e6)) * time.Second
		} else if date, err := http.ParseTime(text); err == nil {
			wait = date.Sub(now)
		}
	}
	for _, prefix := range []string{"X-RateLimit-", "RateLimit-"} {
		if h.Get(prefix+"Remaining") != "0" {
			continue
		}
		if at, err := strconv.ParseInt(h.Get(prefix+"Reset"), 10, 64); err == nil {
			wait = max(wait, time.Unix(at, 0).Sub(now))
		}
	}
	return min(max(wait, 0), longestPatience)
}
