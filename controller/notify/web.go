package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"teal/reconcile"
)

// SignatureHeader holds t=TIME,v1=HEX: the time of sending in Unix seconds, and
// the HMAC-SHA256 with the target's key of that time, a dot, and the body.
const SignatureHeader = "Teal-Signature"

// DeliveryHeader holds the message's id, which is the same when it is sent again.
const DeliveryHeader = "Teal-Delivery"

// web posts JSON.
type web struct {
	client  *http.Client
	url     string
	secrets []string
	token   string // file
	key     string // file
}

func newWeb(u *url.URL, f field) (web, error) {
	if u.Host == "" {
		return web{}, errors.New("the URL names no host")
	}
	client, err := newClient(f("ca"))
	if err != nil {
		return web{}, inField("ca", err)
	}
	w := web{client: client, url: u.String(), secrets: secretsOf(u, false), token: f("token_file")}
	if w.token != "" {
		if _, err := secret(w.token); err != nil {
			return web{}, inField("token_file", err)
		}
	}
	return w, nil
}

// newClient returns one that follows no redirects: what is sent is meant for the
// place that was named.
func newClient(ca string) (*http.Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost, transport.IdleConnTimeout = 1, 30*time.Second
	pool, err := authorities(ca)
	if err != nil {
		return nil, err
	}
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// authorities reads who signs certificates; nil: those of the system.
func authorities(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("%s holds no certificate (PEM)", file)
	}
	return pool, nil
}

// post sends a body; the error is a failure.
func (w web) post(ctx context.Context, id string, body any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return &failure{kind: unfit, words: err.Error()}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(data))
	if err != nil {
		return &failure{kind: refused, words: plain(err, w.secrets)}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "teal")
	req.Header.Set(DeliveryHeader, id)
	if err := w.sign(req, data); err != nil {
		return &failure{kind: refused, words: err.Error()}
	}
	resp, err := w.client.Do(req)
	if err != nil {
		return &failure{words: plain(err, w.secrets)}
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
	if err != nil {
		said = nil // the status says enough
	}
	return answer(resp, scrub(string(said), w.secrets), time.Now())
}

// sign adds what shows who sends. The files are read each time: they may change.
func (w web) sign(req *http.Request, body []byte) error {
	if w.token != "" {
		token, err := secret(w.token)
		if err != nil {
			return inField("token_file", err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if w.key != "" {
		key, err := secret(w.key)
		if err != nil {
			return inField("secret_file", err)
		}
		at := strconv.FormatInt(time.Now().Unix(), 10)
		req.Header.Set(SignatureHeader, "t="+at+",v1="+signature(key, at, body))
	}
	return nil
}

func signature(key, at string, body []byte) string {
	h := hmac.New(sha256.New, []byte(key))
	h.Write([]byte(at + ".")) // never fails
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil))
}

// webhook posts all that is known of an event.
type webhook struct{ web }

func newWebhook(u *url.URL, f field) (sender, error) {
	w, err := newWeb(u, f)
	if err != nil {
		return nil, err
	}
	if w.key = f("secret_file"); w.key != "" {
		if _, err := secret(w.key); err != nil {
			return nil, inField("secret_file", err)
		}
	}
	return webhook{w}, nil
}

// Payload is what a webhook is sent.
type Payload struct {
	ID         string           `json:"id"` // the same when it is sent again
	Controller string           `json:"controller"`
	Severity   string           `json:"severity"` // info or warning
	Number     uint64           `json:"number"`   // of the event; of a summary's, the last
	At         time.Time        `json:"at"`
	App        string           `json:"app,omitempty"`
	Title      string           `json:"title"`
	Text       string           `json:"text"`
	Event      *reconcile.Event `json:"event,omitempty"`
	Summary    *summary         `json:"summary,omitempty"`
}

func (w webhook) send(ctx context.Context, m message) error {
	p := Payload{
		ID: m.ID, Controller: m.Controller, Severity: m.Severity, Number: m.Number, At: m.At,
		Title: m.Title, Text: m.Text, Event: m.Event, Summary: m.Summary,
	}
	if m.Event != nil {
		p.App = appOf(*m.Event)
	}
	return w.post(ctx, m.ID, p)
}

// slack posts what incoming webhooks of Slack take, and those of Mattermost,
// Rocket.Chat and others that take the same.
type slack struct{ web }

func newSlack(u *url.URL, f field) (sender, error) {
	w, err := newWeb(u, f)
	return slack{w}, err
}

// maxSlack is what Slack shows of a text.
const maxSlack = 4000

func (s slack) send(ctx context.Context, m message) error {
	// These three are the only ones that Slack wants written otherwise.
	text := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(cut(m.Text, maxSlack))
	return s.post(ctx, m.ID, map[string]string{"text": text})
}

// sortByLength puts the longest first.
func sortByLength(texts []string) {
	slices.SortFunc(texts, func(a, b string) int { return len(b) - len(a) })
}
