package notify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"go.uber.org/goleak"

	"teal/controller/access/accesstest"
	"teal/reconcile"
	"teal/spec"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sample is an event that holds what formats trip over.
var sample = numbered{Number: 7, Event: reconcile.Event{
	At: time.Date(2026, 11, 23, 1, 2, 3, 0, time.UTC), App: spec.Name{Project: "shop", Service: "web"}, Warning: true,
	Reason: reconcile.ReasonRolledBack, Message: "shop/web:1.5 <b>& \"é\"\nwas taken back", Rollout: "r-3",
}}

// sent sends the sample to a target.
func sent(t *testing.T, text string) error {
	t.Helper()
	target := parsed(t, text)
	m, err := target.words.message("test", sample, spec.Origin{Commit: "0123456789", Author: "Ann", Subject: "Roll out 1.5"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), target.timeout)
	defer cancel()
	return target.sender.send(ctx, m)
}

func serve(t *testing.T, handle http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(handle)
	t.Cleanup(s.Close)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	return s.URL
}

func TestAWebhookGetsTheEventSigned(t *testing.T) {
	const key = "a shared key"
	var got Payload
	at := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		stamp, sum, ok := strings.Cut(strings.TrimPrefix(r.Header.Get(SignatureHeader), "t="), ",v1=")
		h := hmac.New(sha256.New, []byte(key))
		h.Write([]byte(stamp + "." + string(body)))
		if !ok || hex.EncodeToString(h.Sum(nil)) != sum {
			http.Error(w, "bad signature", http.StatusUnauthorized)
			return
		}
		if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Authorization") != "Bearer tok" {
			http.Error(w, "bad request", http.StatusBadRequest)
			return
		}
		if err := json.Unmarshal(body, &got); err != nil || r.Header.Get(DeliveryHeader) != got.ID {
			http.Error(w, "bad body", http.StatusUnprocessableEntity)
		}
	})
	if err := sent(t, at+"/hook?secret_file="+private(t, key+"\n")+"&token_file="+private(t, "tok")); err != nil {
		t.Fatal(err)
	}
	if got.ID != "test-7" || got.App != "shop/web" || got.Severity != "warning" || got.Event == nil || *got.Event != sample.Event {
		t.Errorf("got %+v", got)
	}
}

func TestASlackCompatibleWebhook(t *testing.T) {
	at := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Text *string `json:"text"`
		}
		d := json.NewDecoder(r.Body)
		d.DisallowUnknownFields()
		if err := d.Decode(&body); err != nil || body.Text == nil {
			http.Error(w, "invalid_payload", http.StatusBadRequest)
			return
		}
		if want := "⚠ shop/web RolledBack: shop/web:1.5 &lt;b&gt;&amp; \"é\"\nwas taken back"; *body.Text != want {
			t.Errorf("got %q, want %q", *body.Text, want)
		}
		io.WriteString(w, "ok")
	})
	if err := sent(t, "slack+"+at+"/services/T/B/X"); err != nil {
		t.Error(err)
	}
}

func TestATemplate(t *testing.T) {
	at := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var got Payload
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Error(err)
		}
		if got.Text != "WARNING shop web r-3 01234567 Ann: Roll out 1.5" || got.Title != "web failed" {
			t.Errorf("got %q, %q", got.Title, got.Text)
		}
	})
	file := private(t, "{{upper .Severity}} {{.Project}} {{.Service}} {{.Rollout}} {{short .Origin.Commit}} {{.Origin.Author}}: {{.Origin.Subject}}")
	if err := sent(t, at+"?subject={{.Service}}+failed&template_file="+file); err != nil {
		t.Error(err)
	}
}

func TestAnswersOfWebhooks(t *testing.T) {
	for _, c := range []struct {
		status int
		header string
		kind   kind
		after  time.Duration
	}{
		{200, "", 0, 0},
		{204, "", 0, 0},
		{500, "", again, 0},
		{503, "120", again, 2 * time.Minute},
		{429, "1.5", again, 1500 * time.Millisecond},
		{429, "999999999", again, 0},
		{429, "86400", again, time.Hour},
		{408, "", again, 0},
		{401, "", refused, 0},
		{403, "", refused, 0},
		{404, "", refused, 0},
		{410, "", refused, 0},
		{302, "", refused, 0},
		{400, "", unfit, 0},
		{413, "", unfit, 0},
		{422, "", unfit, 0},
	} {
		t.Run(fmt.Sprint(c.status, c.header), func(t *testing.T) {
			at := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				if c.header != "" {
					w.Header().Set("Retry-After", c.header)
				}
				w.Header().Set("Location", "/elsewhere/HUSHHUSH")
				w.WriteHeader(c.status)
				if c.status != 204 {
					fmt.Fprint(w, "no such path /hook/HUSHHUSH")
				}
			})
			err := sent(t, at+"/hook/HUSHHUSH")
			if c.status/100 == 2 {
				if err != nil {
					t.Error(err)
				}
				return
			}
			f, ok := errors.AsType[*failure](err)
			if !ok || f.kind != c.kind || f.after != c.after {
				t.Fatalf("got %+v", err)
			}
			if strings.Contains(f.words, "HUSHHUSH") || !strings.Contains(f.words, fmt.Sprint(c.status)) {
				t.Errorf("said %q", f.words)
			}
		})
	}
}

func TestNobodyThereHidesTheAddress(t *testing.T) {
	for _, text := range []string{
		"http://127.0.0.1:1/hook/HUSHHUSH?token=HUSHHUSH2", "slack+http://ops:HUSHHUSH@127.0.0.1:1/",
		"ntfy://ops:HUSHHUSH@127.0.0.1:1/HUSHHUSH2?scheme=http", "gotify://127.0.0.1:1/AHUSHHUSH.12345?disabletls=yes",
		"smtp://ops:HUSHHUSH@127.0.0.1:1?from=a@b.c&to=d@e.f",
	} {
		err := sent(t, text)
		f, ok := errors.AsType[*failure](err)
		if !ok || f.kind != again || strings.Contains(f.words, "HUSHHUSH") {
			t.Errorf("%s: got %+v", text, err)
		}
	}
}

func TestATargetThatHangsIsCut(t *testing.T) {
	release := make(chan struct{})
	at := serve(t, func(http.ResponseWriter, *http.Request) { <-release })
	t.Cleanup(func() { close(release) })
	for _, text := range []string{at + "?timeout=50ms", "ntfy://" + strings.TrimPrefix(at, "http://") + "/topic?scheme=http&timeout=50ms"} {
		if err := sent(t, text); err == nil || !strings.Contains(err.Error(), "did not answer in time") {
			t.Errorf("got %v", err)
		}
	}
}

func TestAServiceOfTheLibrary(t *testing.T) {
	at := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if r.URL.Path != "/alerts" || !strings.HasPrefix(string(body), "⚠ shop/web RolledBack") || r.Header.Get("Title") != "warning: shop/web RolledBack" {
			http.Error(w, `{"code":40001,"http":400,"error":"bad"}`, http.StatusBadRequest)
			t.Errorf("got %s %v %q", r.URL, r.Header, body)
			return
		}
		io.WriteString(w, `{"id":"1"}`)
	})
	if err := sent(t, "ntfy://"+strings.TrimPrefix(at, "http://")+"/alerts?scheme=http"); err != nil {
		t.Error(err)
	}
}

// post is a mail server that offers STARTTLS and wants a login.
type post struct {
	mu      sync.Mutex
	letters []letter
	refuse  *smtp.SMTPError
}

type letter struct {
	from string
	to   []string
	mail *mail.Message
	body string
}

func (p *post) NewSession(*smtp.Conn) (smtp.Session, error) { return &session{post: p}, nil }

type session struct {
	post *post
	in   bool
	letter
}

func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "teal" || password != "HUSHHUSH" {
			return smtp.ErrAuthFailed
		}
		s.in = true
		return nil
	}), nil
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if !s.in {
		return smtp.ErrAuthRequired
	}
	s.from = from
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if s.post.refuse != nil {
		return s.post.refuse
	}
	s.to = append(s.to, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	m, err := mail.ReadMessage(r)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(m.Body)
	s.mail, s.body = m, string(body)
	s.post.mu.Lock()
	defer s.post.mu.Unlock()
	s.post.letters = append(s.post.letters, s.letter)
	return err
}

func (s *session) Reset()        { s.letter = letter{} }
func (s *session) Logout() error { return nil }

// mailServer returns a server's port and who signed its certificate.
func mailServer(t *testing.T, p *post, implicit bool) (address, ca string) {
	t.Helper()
	ca, key := filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	accesstest.Certificate(t, ca, key, "mail")
	cert, err := tls.LoadX509KeyPair(ca, key)
	if err != nil {
		t.Fatal(err)
	}
	s := smtp.NewServer(p)
	s.Domain, s.TLSConfig = "localhost", &tls.Config{Certificates: []tls.Certificate{cert}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if implicit {
		l = tls.NewListener(l, s.TLSConfig)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.Serve(l); err != nil && !errors.Is(err, smtp.ErrServerClosed) {
			t.Error(err)
		}
	})
	t.Cleanup(func() { s.Close(); wg.Wait() })
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return "127.0.0.1:" + port, ca
}

func TestAnEmail(t *testing.T) {
	for _, c := range []struct {
		scheme   string
		implicit bool
	}{{"smtp", false}, {"smtps", true}} {
		t.Run(c.scheme, func(t *testing.T) {
			p := &post{}
			at, ca := mailServer(t, p, c.implicit)
			url := c.scheme + "://teal@" + at + "?from=Teal+<teal@example.com>&to=ops@example.com,Ann+<ann@example.com>&ca=" + ca + "&password_file=" + private(t, "HUSHHUSH\n")
			if err := sent(t, url); err != nil {
				t.Fatal(err)
			}
			if len(p.letters) != 1 {
				t.Fatalf("%d letters", len(p.letters))
			}
			l := p.letters[0]
			if l.from != "teal@example.com" || strings.Join(l.to, " ") != "ops@example.com ann@example.com" {
				t.Errorf("from %s to %v", l.from, l.to)
			}
			if got := l.mail.Header.Get("Subject"); got != "[teal] warning: shop/web RolledBack" {
				t.Errorf("subject %q", got)
			}
			if got := l.mail.Header.Get("Message-ID"); got != "<test-7@teal.127.0.0.1>" || l.mail.Header.Get("Auto-Submitted") != "auto-generated" {
				t.Errorf("header %v", l.mail.Header)
			}
			if !strings.Contains(l.body, "teal status shop/web") {
				t.Errorf("body %q", l.body)
			}
		})
	}
}

func TestMailServersThatRefuse(t *testing.T) {
	p := &post{}
	at, ca := mailServer(t, p, false)
	tail := "?from=teal@example.com&to=ops@example.com&ca=" + ca
	good := "smtp://teal@" + at + tail + "&password_file=" + private(t, "HUSHHUSH")
	for _, c := range []struct {
		name, url, want string
		refuse          *smtp.SMTPError
		kind            kind
	}{
		{"no login", "smtp://" + at + tail, "502", nil, refused},
		{"wrong password", "smtp://teal:HUSHHUSX@" + at + tail, "535", nil, refused},
		{"no such mailbox", good, "550", &smtp.SMTPError{Code: 550, Message: "no such user"}, refused},
		{"later", good, "451", &smtp.SMTPError{Code: 451, Message: "greylisted"}, again},
	} {
		t.Run(c.name, func(t *testing.T) {
			p.refuse = c.refuse
			err := sent(t, c.url)
			f, ok := errors.AsType[*failure](err)
			if !ok || f.kind != c.kind || !strings.Contains(f.words, c.want) || strings.Contains(f.words, "HUSHHUS") {
				t.Errorf("got %+v, want %s", err, c.want)
			}
		})
	}
}

func TestAMailServerWithoutTLSGetsNothing(t *testing.T) {
	p := &post{}
	s := smtp.NewServer(p)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.Serve(l); err != nil && !errors.Is(err, smtp.ErrServerClosed) {
			t.Error(err)
		}
	})
	t.Cleanup(func() { s.Close(); wg.Wait() })
	err = sent(t, "smtp://"+l.Addr().String()+"?from=teal@example.com&to=ops@example.com")
	if err == nil || !strings.Contains(err.Error(), "STARTTLS") || len(p.letters) > 0 {
		t.Errorf("got %v, %d letters", err, len(p.letters))
	}
}

func TestAWrongCertificateIsRefused(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was told") }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	if err := sent(t, s.URL); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("got %v", err)
	}
}

func TestAKeyThatChangesIsReadAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	var got []string
	at := serve(t, func(_ http.ResponseWriter, r *http.Request) { got = append(got, r.Header.Get("Authorization")) })
	if err := os.WriteFile(file, []byte("one"), 0o600); err != nil {
		t.Fatal(err)
	}
	target := parsed(t, at+"?token_file="+url.QueryEscape(file))
	for _, token := range []string{"one", "two"} {
		if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Test(t.Context(), target, "test"); err != nil {
			t.Fatal(err)
		}
	}
	if strings.Join(got, " ") != "Bearer one Bearer two" {
		t.Errorf("got %q", got)
	}
}
