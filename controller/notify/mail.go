package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/mail"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
)

// mailer sends by SMTP: smtp:// with STARTTLS, which the server must offer unless
// tls is none, or smtps://, which is TLS from the first byte.
type mailer struct {
	host     string
	options  []gomail.Option
	from     string
	to       []string
	password func() (string, error)
	secrets  []string
}

func newMail(u *url.URL, f field) (sender, error) {
	m := &mailer{host: u.Hostname(), secrets: secretsOf(&url.URL{User: u.User}, false)}
	if m.host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return nil, errors.New("the URL is not smtp://USER@HOST:PORT")
	}
	if err := m.addresses(f); err != nil {
		return nil, err
	}
	pool, err := authorities(f("ca"))
	if err != nil {
		return nil, inField("ca", err)
	}
	m.options = append(m.options, gomail.WithTLSConfig(&tls.Config{ServerName: m.host, MinVersion: tls.VersionTLS12, RootCAs: pool}))
	if err := m.transport(u, f("tls")); err != nil {
		return nil, err
	}
	return m, m.credentials(u, f("password_file"))
}

// addresses reads who writes to whom.
func (m *mailer) addresses(f field) error {
	from, err := mail.ParseAddress(f("from"))
	if err != nil {
		return inField("from", errors.New("an address is needed, such as teal@example.com"))
	}
	to, err := mail.ParseAddressList(f("to"))
	if err != nil {
		return inField("to", errors.New("an address is needed, or several with commas between them"))
	}
	m.from = from.String()
	for _, a := range to {
		m.to = append(m.to, a.String())
	}
	return nil
}

// transport sets port and encryption.
func (m *mailer) transport(u *url.URL, policy string) error {
	port, own := 587, gomail.WithTLSPolicy(gomail.TLSMandatory)
	switch {
	case policy != "" && policy != "required" && policy != "none":
		return fmt.Errorf("tls: %q is neither required nor none", policy)
	case strings.EqualFold(u.Scheme, "smtps"):
		if policy == "none" {
			return errors.New("tls: none and smtps:// contradict each other")
		}
		port, own = 465, gomail.WithSSL()
	case policy == "none":
		if u.User != nil {
			return errors.New("tls: none would send the password in clear text")
		}
		port, own = 25, gomail.WithTLSPolicy(gomail.NoTLS)
	}
	if text := u.Port(); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 65535 {
			return fmt.Errorf("%q is no port", text)
		}
		port = n
	}
	m.options = append(m.options, own, gomail.WithPort(port))
	return nil
}

// credentials sets user and password; the password's file is read each time.
func (m *mailer) credentials(u *url.URL, file string) error {
	password, inURL := u.User.Password()
	switch {
	case u.User == nil && file != "":
		return errors.New("password_file is given, but the URL names no user: smtp://USER@HOST")
	case u.User == nil:
		return nil
	case inURL && file != "":
		return errors.New("the password is given twice")
	case !inURL && file == "":
		return errors.New("the URL names a user: a password_file is needed")
	}
	m.password = func() (string, error) { return password, nil }
	if file != "" {
		m.password = func() (string, error) { return secret(file) }
	}
	m.options = append(m.options, gomail.WithUsername(u.User.Username()), gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover))
	_, err := m.password()
	return inField("password_file", err)
}

func (m *mailer) send(ctx context.Context, msg message) error {
	letter, err := m.letter(msg)
	if err != nil {
		return &failure{kind: unfit, words: err.Error()}
	}
	options := m.options
	secrets := m.secrets
	if m.password != nil {
		password, err := m.password()
		if err != nil {
			return &failure{kind: refused, words: "password_file: " + err.Error()}
		}
		options = append(slices.Clip(options), gomail.WithPassword(password))
		secrets = append(slices.Clip(secrets), password)
	}
	if deadline, ok := ctx.Deadline(); ok {
		left := max(time.Until(deadline), time.Millisecond)
		options = append(slices.Clip(options), gomail.WithTimeout(left))
	}
	client, err := gomail.NewClient(m.host, options...)
	if err != nil {
		return &failure{kind: refused, words: plain(err, secrets)}
	}
	err = client.DialAndSendWithContext(ctx, letter)
	if letter.IsDelivered() {
		return nil // whatever became of the connection then
	}
	return mailFailure(err, secrets)
}

// letter is a message as e-mail.
func (m *mailer) letter(msg message) (*gomail.Msg, error) {
	out := gomail.NewMsg()
	if err := errors.Join(out.From(m.from), out.To(m.to...)); err != nil {
		return nil, err
	}
	out.Subject("[teal] " + msg.Title)
	out.SetDateWithValue(msg.At)
	// The same for the same message: one that comes twice is known by it.
	out.SetMessageIDWithValue(msg.ID + "@teal." + m.host)
	out.SetGenHeader("Auto-Submitted", "auto-generated")
	out.SetBodyString(gomail.TypeTextPlain, msg.Text+"\n\n"+footer(msg))
	return out, nil
}

// footer says where the message is from.
func footer(msg message) string {
	out := fmt.Sprintf("-- \nTeal %s, %s", msg.Controller, clock(msg.At))
	if msg.Event != nil && appOf(*msg.Event) != "" {
		out += "\nteal status " + appOf(*msg.Event)
	}
	return out + "\n"
}

// mailFailure judges what a mail server answered: 5xx answers are for good, those
// to the login are about the settings.
func mailFailure(err error, secrets []string) error {
	if err == nil {
		return nil
	}
	f := &failure{words: plain(err, secrets)}
	if e, ok := errors.AsType[*gomail.SendError](err); ok && e.ErrorCode() >= 500 {
		f.kind = unfit
		if e.Reason == gomail.ErrSMTPMailFrom || e.Reason == gomail.ErrSMTPRcptTo {
			f.kind = refused
		}
	} else if reply, ok := errors.AsType[*textproto.Error](err); ok && reply.Code >= 500 {
		f.kind = refused
	}
	return f
}
