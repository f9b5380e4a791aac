package notify

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

// Fields are those of a target beside its URL, as they stand in a configuration;
// Paths are those that hold files.
var (
	Fields = []string{
		"url_file", "events", "apps", "subject", "template", "template_file", "limit", "timeout",
		"secret_file", "token_file", "ca", "from", "to", "password_file", "tls",
	}
	Paths = []string{"url_file", "template_file", "secret_file", "token_file", "ca", "password_file"}
)

// Target is one place that is told. It comes from [Parse].
type Target struct {
	Name  string
	Kind  string // webhook, slack, e-mail, or the library's name of a service
	Place string // where, without anything secret

	wants   selection
	words   wording
	limit   rate
	timeout time.Duration
	sender  sender
}

// sender delivers one message. It ends when ctx does. Its error is a [Failure].
type sender interface {
	send(ctx context.Context, m message) error
}

// Longest and default times of one delivery.
const (
	defaultTimeout = 15 * time.Second
	longestTimeout = 5 * time.Minute
)

// maxSecret is how long a file with a URL, a key or a password may be.
const maxSecret = 16 << 10

// Parse reads URL?field=value&…, as a configuration has it. Parameters that are
// no fields stay in the URL. The errors hold nothing secret.
func Parse(name, text string) (Target, error) {
	raw, fields, err := split(text)
	if err != nil {
		return Target{}, err
	}
	t := Target{Name: name, timeout: defaultTimeout}
	for _, read := range []func(field) error{
		func(f field) (err error) { t.wants, err = parseSelection(f("events"), f("apps")); return err },
		func(f field) (err error) { t.limit, err = parseRate(f("limit")); return err },
		func(f field) (err error) { t.words, err = parseWording(f); return err },
		func(f field) (err error) {
			if f("timeout") == "" {
				return nil
			}
			t.timeout, err = time.ParseDuration(f("timeout"))
			if err == nil && (t.timeout <= 0 || t.timeout > longestTimeout) {
				err = errors.New("it is not above 0 and at most 5m")
			}
			return inField("timeout", err)
		},
		func(f field) error { return t.open(raw, f) },
	} {
		if err := read(fields.get); err != nil {
			return Target{}, err
		}
	}
	return t, fields.unread(t.Kind)
}

// open makes the sender that the URL's scheme names.
func (t *Target) open(raw string, f field) (err error) {
	if file := f("url_file"); file != "" {
		if raw != "" {
			return errors.New("url and url_file are both given")
		}
		if raw, err = secret(file); err != nil {
			return inField("url_file", err)
		}
	}
	u, err := url.Parse(raw)
	if err != nil || u.Scheme == "" {
		return errors.New("the URL cannot be read: it is https://…, slack+https://…, smtp://… or that of another service")
	}
	switch strings.ToLower(u.Scheme) {
	case "http", "https":
		t.Kind = "webhook"
		t.sender, err = newWebhook(u, f)
	case "slack+http", "slack+https":
		t.Kind = "slack"
		u.Scheme = strings.TrimPrefix(strings.ToLower(u.Scheme), "slack+")
		t.sender, err = newSlack(u, f)
	case "smtp", "smtps":
		t.Kind = "e-mail"
		t.sender, err = newMail(u, f)
	default:
		t.Kind = strings.ToLower(u.Scheme)
		t.sender, err = newService(raw, u)
		t.Place = t.Kind
		return err
	}
	t.Place = t.Kind + " at " + u.Host
	return err
}

// field returns the value of a field, "" if it was not given.
type field func(name string) string

// given are the fields of one target, and which of them somebody asked for.
type given struct {
	values url.Values
	read   map[string]bool
}

func (g given) get(name string) string {
	g.read[name] = true
	return g.values.Get(name)
}

// unread refuses fields that mean nothing for a kind of target.
func (g given) unread(kind string) error {
	for name := range g.values {
		if !g.read[name] {
			return fmt.Errorf("%s means nothing for %s", name, kind)
		}
	}
	return nil
}

// split takes the fields out of the URL's parameters.
func split(text string) (raw string, fields given, err error) {
	fields = given{values: url.Values{}, read: map[string]bool{}}
	raw, query, _ := strings.Cut(text, "?")
	var rest []string
	for part := range strings.SplitSeq(query, "&") {
		key, value, _ := strings.Cut(part, "=")
		if !slices.Contains(Fields, key) {
			if part != "" {
				rest = append(rest, part)
			}
			continue
		}
		if value, err = url.QueryUnescape(value); err != nil {
			return "", fields, fmt.Errorf("%s: a %% in a URL is written %%25", key)
		}
		if fields.values.Has(key) {
			return "", fields, fmt.Errorf("%s is given twice", key)
		}
		fields.values.Set(key, value)
	}
	if len(rest) > 0 {
		raw += "?" + strings.Join(rest, "&")
	}
	return raw, fields, nil
}

// inField names the field that an error is about.
func inField(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", name, err)
}

// secret reads a file that holds one secret. Others may not read it.
func secret(file string) (string, error) {
	info, err := os.Stat(file)
	if err != nil {
		return "", err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("%s can be read by others: chmod 600 %s", file, file)
	}
	if info.Size() > maxSecret {
		return "", fmt.Errorf("%s is longer than %d bytes", file, maxSecret)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(string(data))
	if text == "" {
		return "", fmt.Errorf("%s is empty", file)
	}
	return text, nil
}
