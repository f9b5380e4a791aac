package loadgen

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// VersionHeader is the response header that names the version of the app that
// answered.
const VersionHeader = "Version"

// Config says what is sent. The zero value of each field but URL stands for the
// default named at it.
type Config struct {
	// URL receives every request; http or https, on a loopback or private address.
	URL string
	// Host replaces the Host header. Default: the host of URL.
	Host string
	// Header is sent with every request.
	Header http.Header
	// Rate is requests per second, at most 100,000. Default 100.
	Rate float64
	// Post is the share of POSTs, 0 to 1, spread evenly. Default 0.5; negative: none.
	Post float64
	// Body is the size of a POST's body in bytes. Default 128.
	Body int
	// Connections is how many clients, each with its own kept connections, take
	// turns. Default 16.
	Connections int
	// Timeout limits one request from its due time to the last byte of the
	// answer. Default 10 s.
	Timeout time.Duration
	// MaxInFlight limits how many requests are under way at once. Default: what
	// is due in one Timeout, at most 10,000.
	MaxInFlight int
	// Samples is how many failures are kept word for word. Default 20.
	Samples int
}

const (
	defaultRate        = 100
	maxRate            = 100_000
	defaultPost        = 0.5
	defaultBody        = 128
	defaultConnections = 16
	defaultTimeout     = 10 * time.Second
	maxDefaultInFlight = 10_000
	defaultSamples     = 20
)

// withDefaults fills in what c leaves open and refuses what cannot be sent.
func (c Config) withDefaults() (Config, *url.URL, error) {
	c.Rate = orElse(c.Rate, defaultRate)
	c.Post = max(orElse(c.Post, defaultPost), 0)
	c.Body = orElse(c.Body, defaultBody)
	c.Connections = orElse(c.Connections, defaultConnections)
	c.Timeout = orElse(c.Timeout, defaultTimeout)
	c.Samples = orElse(c.Samples, defaultSamples)
	c.MaxInFlight = orElse(c.MaxInFlight, min(maxDefaultInFlight, max(64, int(c.Rate*c.Timeout.Seconds()))))

	if c.Rate < 0 || c.Rate > maxRate {
		return c, nil, fmt.Errorf("rate %g: must be over 0 and at most %d requests per second", c.Rate, maxRate)
	}
	if c.Post > 1 {
		return c, nil, fmt.Errorf("share of POSTs %g: must be between 0 and 1", c.Post)
	}
	if c.Body < 0 || c.Connections < 0 || c.Timeout < 0 || c.Samples < 0 || c.MaxInFlight < 0 {
		return c, nil, errors.New("sizes, counts and times must not be negative")
	}
	u, err := url.Parse(c.URL)
	if err != nil {
		return c, nil, fmt.Errorf("read URL: %w", err)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
		return c, nil, fmt.Errorf("URL %q: must look like http://127.0.0.1:8000/", c.URL)
	}
	return c, u, nil
}

func orElse[T comparable](v, fallback T) T {
	var zero T
	if v == zero {
		return fallback
	}
	return v
}
