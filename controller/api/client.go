package api

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"syscall"
	"time"

	"teal/spec"
)

// Client talks to one controller. It is safe for concurrent use.
type Client struct {
	http   *http.Client
	base   url.URL
	secret string // sent as bearer token; empty: none
	broken error  // why no request can be made
}

// maxAnswer bounds what a client reads of one answer, in bytes.
const maxAnswer = 64 << 20

// Dial returns a client of the controller at a unix socket. It connects with
// the first request; when nobody answers, that is [ErrUnreachable].
func Dial(socket string) *Client {
	dialer := net.Dialer{Timeout: 5 * time.Second}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, "unix", socket)
			if err != nil {
				return nil, fmt.Errorf("%w at %s: %w", ErrUnreachable, socket, cause(err))
			}
			return c, nil
		},
		ResponseHeaderTimeout: 60 * time.Second,
		MaxIdleConns:          4,
		IdleConnTimeout:       30 * time.Second,
	}
	return &Client{http: &http.Client{Transport: transport}, base: url.URL{Scheme: "http", Host: "teal"}}
}

// Broken returns a client whose every request fails with err.
func Broken(err error) *Client { return &Client{http: &http.Client{}, broken: err} }

// Close gives up idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Apply sends a desired state.
func (c *Client) Apply(ctx context.Context, req ApplyRequest) (ApplyResult, error) {
	var out ApplyResult
	return out, c.call(ctx, http.MethodPost, "/v1/apply", nil, req, &out)
}

// Plan asks what a desired state would lead to.
func (c *Client) Plan(ctx context.Context, req PlanRequest) (PlanResult, error) {
	var out PlanResult
	return out, c.call(ctx, http.MethodPost, "/v1/plan", nil, req, &out)
}

// Remove gives a project up.
func (c *Client) Remove(ctx context.Context, req RemoveRequest) (ApplyResult, error) {
	var out ApplyResult
	q := url.Values{}
	set(q, "by", req.By)
	return out, c.call(ctx, http.MethodDelete, "/v1/projects/"+url.PathEscape(req.Project), q, nil, &out)
}

// Sync has sources looked at now.
func (c *Client) Sync(ctx context.Context, req SyncRequest) (SyncResult, error) {
	var out SyncResult
	return out, c.call(ctx, http.MethodPost, "/v1/sync", nil, req, &out)
}

// Status asks for the status of the apps that match filter (see [Controller]).
func (c *Client) Status(ctx context.Context, filter spec.Name) (StatusList, error) {
	var out StatusList
	return out, c.call(ctx, http.MethodGet, "/v1/status", appQuery(filter), nil, &out)
}

// Command sends an operator's word to app.
func (c *Client) Command(ctx context.Context, app spec.Name, req CommandRequest) (CommandResult, error) {
	var out CommandResult
	return out, c.call(ctx, http.MethodPost, appPath(app)+"/commands", nil, req, &out)
}

// Answer asks what came of a command, and waits for it up to wait (at most what
// the server allows; the state is then still [CommandWaiting]).
func (c *Client) Answer(ctx context.Context, token string, wait time.Duration) (CommandResult, error) {
	var out CommandResult
	q := url.Values{}
	set(q, "wait", wait.String())
	return out, c.call(ctx, http.MethodGet, "/v1/commands/"+url.PathEscape(token), q, nil, &out)
}

// Events asks for one page of events.
func (c *Client) Events(ctx context.Context, q EventQuery) (EventPage, error) {
	var out EventPage
	return out, c.call(ctx, http.MethodGet, "/v1/events", eventValues(q), nil, &out)
}

// History asks for finished rollouts of app, newest first.
func (c *Client) History(ctx context.Context, app spec.Name, limit int) (HistoryList, error) {
	var out HistoryList
	q := url.Values{"limit": {strconv.Itoa(limit)}}
	return out, c.call(ctx, http.MethodGet, appPath(app)+"/history", q, nil, &out)
}

// Version asks who answers.
func (c *Client) Version(ctx context.Context) (Version, error) {
	var out Version
	return out, c.call(ctx, http.MethodGet, "/v1/version", nil, nil, &out)
}

// call does one request that is answered once.
func (c *Client) call(ctx context.Context, method, path string, q url.Values, in, out any) (err error) {
	res, err := c.do(ctx, method, path, q, in)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, res.Body.Close()) }()
	data, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return lost(ctx, err)
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("read the controller's answer to %s %s: %w", method, path, err)
	}
	return nil
}

// do sends a request and returns a response that is a success.
func (c *Client) do(ctx context.Context, method, path string, q url.Values, in any) (*http.Response, error) {
	if c.broken != nil {
		return nil, c.broken
	}
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("encode the request: %w", err)
		}
		body = bytes.NewReader(data)
	}
	target := c.base
	target.RawQuery = q.Encode()
	req, err := http.NewRequestWithContext(ctx, method, target.JoinPath(path).String(), body)
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.secret != "" {
		req.Header.Set("Authorization", "Bearer "+c.secret)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, lost(ctx, err)
	}
	if res.StatusCode >= 300 {
		return nil, readRefusal(res)
	}
	return res, nil
}

// readRefusal turns an answer that is no success into an [Error].
func readRefusal(res *http.Response) error {
	data, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err = errors.Join(err, res.Body.Close()); err != nil {
		return fmt.Errorf("read the controller's refusal: %w", err)
	}
	e := &Error{}
	if json.Unmarshal(data, e) != nil || e.Message == "" {
		return &Error{Reason: ReasonInternal, Message: "the controller answered " + res.Status}
	}
	return e
}

// lost says that a connection did not hold, unless the caller gave up.
func lost(ctx context.Context, err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	if ctx.Err() != nil || errors.Is(err, ErrUnreachable) {
		return err
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fmt.Errorf("the controller's certificate is not trusted: %w", err)
	}
	return fmt.Errorf("%w: the connection broke: %w", ErrUnreachable, cause(err))
}

// cause returns the system's word of a failed dial, which names no path twice.
func cause(err error) error {
	if no, ok := errors.AsType[syscall.Errno](err); ok {
		return no
	}
	return err
}

// isRefused reports whether err says that nobody listens at a socket.
func isRefused(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOENT)
}

func appPath(app spec.Name) string {
	return "/v1/apps/" + url.PathEscape(app.Project) + "/" + url.PathEscape(app.Service)
}

func appQuery(app spec.Name) url.Values {
	q := url.Values{}
	if app.Service == "" {
		set(q, "app", app.Project)
		return q
	}
	q.Set("app", app.String())
	return q
}

func eventValues(q EventQuery) url.Values {
	out := appQuery(q.App)
	out.Set("after", strconv.FormatUint(q.After, 10))
	out.Set("limit", strconv.Itoa(q.Limit))
	return out
}

func set(q url.Values, name, value string) {
	if value != "" {
		q.Set(name, value)
	}
}
