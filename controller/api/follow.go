package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"teal/spec"
)

// maxLine bounds one line of a stream, in bytes.
const maxLine = 16 << 20

// FollowStatus calls each with the status now and after every change, until
// each returns an error (which is returned), ctx ends, or the controller goes
// ([ErrUnreachable]).
func (c *Client) FollowStatus(ctx context.Context, filter spec.Name, each func(StatusList) error) error {
	q := appQuery(filter)
	q.Set("follow", "1")
	return follow(ctx, c, "/v1/status", q, each)
}

// FollowEvents calls each with pages of events as they come, until each returns
// an error (which is returned), ctx ends, or the controller goes
// ([ErrUnreachable]); EventPage.Last is where to go on.
func (c *Client) FollowEvents(ctx context.Context, query EventQuery, each func(EventPage) error) error {
	q := eventValues(query)
	q.Set("follow", "1")
	return follow(ctx, c, "/v1/events", q, each)
}

// Logs calls each with every line. Without query.Follow it returns nil after
// the last one.
func (c *Client) Logs(ctx context.Context, query LogQuery, each func(LogLine) error) error {
	q := url.Values{"tail": {strconv.Itoa(query.Tail)}}
	set(q, "rollout", query.Rollout)
	set(q, "colour", string(query.Colour))
	if query.Follow {
		q.Set("follow", "1")
	}
	err := follow(ctx, c, appPath(query.App)+"/logs", q, each)
	if errors.Is(err, errEnded) {
		return nil
	}
	return err
}

// errEnded says that the controller ended a stream in an orderly way.
var errEnded = fmt.Errorf("%w: it ended the stream", ErrUnreachable)

// follow reads a stream line by line.
func follow[T any](ctx context.Context, c *Client, path string, q url.Values, each func(T) error) (err error) {
	res, err := c.do(ctx, http.MethodGet, path, q, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, res.Body.Close()) }()
	scanner := bufio.NewScanner(res.Body)
	scanner.Buffer(nil, maxLine)
	for scanner.Scan() {
		value, err := readLine[T](scanner.Bytes())
		if err != nil {
			return err
		}
		if err := each(value); err != nil {
			return err
		}
	}
	if err := scanner.Err(); err != nil && !errors.Is(err, io.EOF) {
		return lost(ctx, err)
	}
	return errEnded
}

// readLine reads one value, or the refusal that ends a stream.
func readLine[T any](line []byte) (T, error) {
	var value T
	var e Error
	if err := json.Unmarshal(line, &e); err == nil && e.Message != "" && e.Reason != "" {
		return value, &e
	}
	if err := json.Unmarshal(line, &value); err != nil {
		return value, fmt.Errorf("read a line of the controller's stream: %w", err)
	}
	return value, nil
}
