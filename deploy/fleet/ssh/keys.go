package ssh

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// keyring holds the keys to try, in order, while a connection is made.
type keyring struct {
	signers []ssh.Signer
	names   []string // of the signers, for people
	agent   net.Conn // nil: none
}

func (k *keyring) close() {
	if k.agent != nil {
		k.agent.Close()
	}
}

func (k *keyring) words() string { return strings.Join(k.names, ", ") }

func (k *keyring) add(s ssh.Signer, from string) {
	if slices.ContainsFunc(k.signers, func(have ssh.Signer) bool { return sameKey(have.PublicKey(), s.PublicKey()) }) {
		return
	}
	k.signers = append(k.signers, s)
	k.names = append(k.names, ssh.FingerprintSHA256(s.PublicKey())+" from "+from)
}

func sameKey(a, b ssh.PublicKey) bool { return bytes.Equal(a.Marshal(), b.Marshal()) }

// keys reads the identities and asks the agent. An identity that is encrypted
// is used through the agent, if that has it.
func (c *Client) keys(ctx context.Context) (*keyring, error) {
	k := &keyring{}
	held, absent := k.ask(ctx, c.opts.Agent)
	for _, file := range c.opts.Identities {
		s, err := identity(file, held)
		if err != nil {
			k.close()
			return nil, err
		}
		k.add(s, file)
	}
	for _, s := range held {
		k.add(s, "the agent")
	}
	if len(k.signers) == 0 {
		k.close()
		return nil, fmt.Errorf("there is no key to show: no identity is configured, and %w", absent)
	}
	return k, nil
}

// ask returns the agent's keys, or why there are none.
func (k *keyring) ask(ctx context.Context, socket string) ([]ssh.Signer, error) {
	if socket == "" {
		socket = os.Getenv("SSH_AUTH_SOCK")
	}
	if socket == "" {
		return nil, errors.New("SSH_AUTH_SOCK names no agent")
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("the agent does not answer: %w", err)
	}
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return nil, errors.Join(fmt.Errorf("set a limit for the agent: %w", err), conn.Close())
		}
	}
	signers, err := agent.NewClient(conn).Signers()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the agent does not list its keys: %w", err), conn.Close())
	}
	k.agent = conn // it signs while the connection is made
	if len(signers) == 0 {
		return nil, errors.New("the agent holds no key")
	}
	return signers, nil
}

// identity reads a private key. Like ssh, it refuses one that others may read.
func identity(file string, held []ssh.Signer) (ssh.Signer, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("identity %s may be read by others (mode %04o); type: chmod 600 %s", file, mode, file)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	s, err := ssh.ParsePrivateKey(text)
	encrypted, ok := errors.AsType[*ssh.PassphraseMissingError](err)
	if !ok {
		if err != nil {
			return nil, fmt.Errorf("identity %s: %w", file, err)
		}
		return s, nil
	}
	for _, h := range held {
		if encrypted.PublicKey != nil && sameKey(h.PublicKey(), encrypted.PublicKey) {
			return h, nil
		}
	}
	return nil, fmt.Errorf("identity %s is protected by a passphrase, which Teal cannot ask for; give it to the agent (ssh-add %s) or name a key without one", file, file)
}
