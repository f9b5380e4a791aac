package git

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// sshServer asks for refs over ssh.
type sshServer struct {
	address     Address
	credentials Credentials
	line        *line // shared with others of the same server
}

// refs asks over the connection that is there, and over a new one if that does
// not do any more.
func (s *sshServer) refs(ctx context.Context, prefixes []string) ([]Ref, error) {
	select {
	case s.line.asking <- struct{}{}:
	case <-ctx.Done(): // somebody else waits for that server
		return nil, unreachable(fmt.Errorf("%s did not answer in time", s.address))
	}
	defer func() { <-s.line.asking }()
	for {
		client, fresh, err := s.line.open(ctx, s.dial)
		if err != nil {
			return nil, err
		}
		refs, err := s.over(ctx, client, prefixes)
		if err == nil {
			return refs, nil
		}
		s.line.drop(client)
		if fresh || ctx.Err() != nil {
			return nil, err
		}
	}
}

// over asks over one connection.
func (s *sshServer) over(ctx context.Context, client *ssh.Client, prefixes []string) ([]Ref, error) {
	stop := context.AfterFunc(ctx, func() { s.line.drop(client) })
	refs, err := s.ask(client, prefixes)
	stop()
	var f *FollowError
	switch {
	case err == nil:
		return refs, nil
	case ctx.Err() != nil:
		return nil, unreachable(fmt.Errorf("%s did not answer in time", s.address))
	case errors.As(err, &f):
		return nil, f
	}
	return nil, unreachable(fmt.Errorf("list the refs of %s: %w", s.address, cut(plain(err))))
}

// ask talks to the server's git.
func (s *sshServer) ask(client *ssh.Client, prefixes []string) ([]Ref, error) {
	session, err := client.NewSession()
	if err != nil {
		return nil, fmt.Errorf("open a session: %w", err)
	}
	defer func() { _ = session.Close() }() // io.EOF when the other side was first
	// A server that does not accept the variable speaks an older version.
	_ = session.Setenv("GIT_PROTOCOL", "version=2")
	in, err := session.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("open a session: %w", err)
	}
	out, err := session.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("open a session: %w", err)
	}
	said := &tail{limit: 1 << 10}
	session.Stderr = said
	if err := session.Start("git-upload-pack " + quoted(s.address.remotePath())); err != nil {
		return nil, fmt.Errorf("start git: %w", err)
	}
	refs, err := converse(in, out, prefixes)
	if err == nil {
		return refs, nil
	}
	if ended := session.Wait(); ended != nil && said.String() != "" {
		return nil, &FollowError{Reason: ReasonNoRepository, Message: s.address.String() + ": " + cleaned(said.String()), Err: err}
	}
	return nil, err
}

// converse asks for refs where both sides talk in turn.
func converse(in io.WriteCloser, out io.Reader, prefixes []string) ([]Ref, error) {
	answers := bufio.NewReader(io.LimitReader(out, maxListing))
	first, err := readAdvert(answers)
	if err != nil {
		return nil, err
	}
	if !first.v2 {
		_, err := io.WriteString(in, flush)
		return first.refs, errors.Join(err, in.Close())
	}
	if _, err := io.WriteString(in, lsRefs(first.format, prefixes)); err != nil {
		return nil, err
	}
	refs, err := readRefs(answers)
	if err != nil {
		return nil, err
	}
	_, err = io.WriteString(in, flush)
	return refs, errors.Join(err, in.Close())
}

// dial connects, shows the key and checks the server's.
func (s *sshServer) dial(ctx context.Context) (*ssh.Client, error) {
	config, check, err := s.config()
	if err != nil {
		return nil, err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.host())
	if err != nil {
		return nil, unreachable(fmt.Errorf("reach %s: %w", s.address, plain(err)))
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() }) // the handshake knows no context
	defer stop()
	raw, channels, requests, err := ssh.NewClientConn(conn, s.host(), config)
	if err == nil {
		return ssh.NewClient(raw, channels, requests), nil
	}
	conn.Close()
	switch {
	case check.refused != nil:
		return nil, check.refused
	case ctx.Err() != nil:
		return nil, unreachable(fmt.Errorf("%s did not answer in time", s.address))
	case check.accepted:
		return nil, &FollowError{
			Reason: ReasonCredentials, Err: err,
			Message: fmt.Sprintf("%s does not let the key of %s in", s.address, s.credentials.Identity),
			Hint:    "add its public half there, as a deploy key that may read",
		}
	}
	return nil, unreachable(fmt.Errorf("reach %s: %w", s.address, plain(err)))
}

// host is what is dialled.
func (s *sshServer) host() string {
	if _, _, err := net.SplitHostPort(s.address.Host); err == nil {
		return s.address.Host
	}
	return net.JoinHostPort(strings.Trim(s.address.Host, "[]"), "22")
}

// config is how a connection is made, and what notes how the server's key fared.
func (s *sshServer) config() (*ssh.ClientConfig, *hostCheck, error) {
	signer, err := s.signer()
	if err != nil {
		return nil, nil, &FollowError{Reason: ReasonCredentials, Message: err.Error(), Err: err}
	}
	known, err := s.credentials.knownHosts()
	if err != nil {
		return nil, nil, &FollowError{Reason: ReasonHostKey, Message: err.Error(), Err: err}
	}
	check := &hostCheck{known: known, file: s.credentials.knownHostsFiles()[0]}
	return &ssh.ClientConfig{
		User: s.address.User, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)},
		HostKeyCallback: check.key, HostKeyAlgorithms: check.algorithms(s.host()),
	}, check, nil
}

func (s *sshServer) signer() (ssh.Signer, error) {
	if s.credentials.Identity == "" {
		return nil, errors.New("ssh needs a private key: identity")
	}
	if err := closed(s.credentials.Identity); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(s.credentials.Identity)
	if err != nil {
		return nil, fmt.Errorf("read the identity: %w", err)
	}
	signer, err := ssh.ParsePrivateKey(text)
	if err != nil {
		return nil, fmt.Errorf("identity %s: %w", s.credentials.Identity, err)
	}
	return signer, nil
}

// knownHostsFiles are the files that are asked, the first to be added to.
func (c Credentials) knownHostsFiles() []string {
	if c.KnownHosts != "" {
		return []string{c.KnownHosts}
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return []string{"/etc/ssh/ssh_known_hosts"}
	}
	return []string{filepath.Join(home, ".ssh", "known_hosts"), "/etc/ssh/ssh_known_hosts"}
}

func (c Credentials) knownHosts() (ssh.HostKeyCallback, error) {
	var exist []string
	for _, file := range c.knownHostsFiles() {
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) && c.KnownHosts == "" {
			continue
		}
		exist = append(exist, file)
	}
	callback, err := knownhosts.New(exist...)
	if err != nil {
		return nil, fmt.Errorf("read the known hosts: %w", err)
	}
	return callback, nil
}

// hostCheck is asked about the key that a server shows.
type hostCheck struct {
	known    ssh.HostKeyCallback
	file     string
	accepted bool
	refused  *FollowError
}

func (h *hostCheck) key(address string, remote net.Addr, key ssh.PublicKey) error {
	err := h.known(address, remote, key)
	if err == nil {
		h.accepted = true
		return nil
	}
	host, print := knownhosts.Normalize(address), ssh.FingerprintSHA256(key)
	h.refused = &FollowError{Reason: ReasonHostKey, Err: err, Message: fmt.Sprintf("the host key of %s is revoked or cannot be checked: %v", host, err)}
	if mismatch, ok := errors.AsType[*knownhosts.KeyError](err); ok {
		h.refused.Message = fmt.Sprintf("THE HOST KEY OF %s HAS CHANGED to %s: somebody may be in between, or the server was installed anew", host, print)
		if len(mismatch.Want) == 0 {
			h.refused.Message = fmt.Sprintf("the host key of %s is not known: its fingerprint is %s", host, print)
			h.refused.Hint = "if that is right, add this line to " + h.file + ": " + knownhosts.Line([]string{address}, key)
		}
	}
	return h.refused
}

// algorithms are those of the keys that are known of host; nil: all.
func (h *hostCheck) algorithms(host string) []string {
	var mismatch *knownhosts.KeyError
	if !errors.As(h.known(host, &net.TCPAddr{IP: net.IPv4zero}, noKey{}), &mismatch) {
		return nil
	}
	var out []string
	for _, want := range mismatch.Want {
		if want.Key.Type() == ssh.KeyAlgoRSA {
			out = append(out, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
			continue
		}
		out = append(out, want.Key.Type())
	}
	return out
}

// noKey is a key that no host has.
type noKey struct{}

func (noKey) Type() string                        { return "none" }
func (noKey) Marshal() []byte                     { return []byte("none") }
func (noKey) Verify([]byte, *ssh.Signature) error { return errors.New("no key") }

// quoted is s as one word of a shell.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
