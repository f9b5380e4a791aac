package ssh

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// UnknownHostKeyError says that no known_hosts file has a key of the host.
type UnknownHostKeyError struct {
	Host        string // as in known_hosts
	Fingerprint string // SHA256:…
	Line        string // what to add, once the fingerprint is seen to be right
	File        string // where to
}

// Error tells the fingerprint and what to add where.
func (u *UnknownHostKeyError) Error() string {
	return fmt.Sprintf("the key of %s is not known: its fingerprint is %s; if that is right, add this line to %s: %s", u.Host, u.Fingerprint, u.File, u.Line)
}

// ChangedHostKeyError says that the host shows another key than the known one.
type ChangedHostKeyError struct {
	Host        string
	Fingerprint string   // of the key it shows
	Known       []string // where its key is known, as FILE:LINE
	Revoked     bool     // the key it shows is marked as revoked there
}

// Error warns, and tells where the known key is.
func (e *ChangedHostKeyError) Error() string {
	what := "HAS CHANGED"
	if e.Revoked {
		what = "IS REVOKED"
	}
	return fmt.Sprintf("THE HOST KEY OF %s %s: somebody may be in between, or the host was installed anew; it shows %s, see %s; nothing was sent to it",
		strings.ToUpper(e.Host), what, e.Fingerprint, strings.Join(e.Known, ", "))
}

// knownHosts are the keys that a host may show.
type knownHosts struct {
	files     []string
	host      string
	callback  ssh.HostKeyCallback
	authority bool // a file has a line @cert-authority

	accepted bool
	refused  error
}

// readKnownHosts reads files, or the user's and the host's own.
func readKnownHosts(files []string, to Address) (*knownHosts, error) {
	k := &knownHosts{host: to.Host}
	if len(files) == 0 {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, fmt.Errorf("find known_hosts: %w; name one with known_hosts", err)
		}
		k.files = []string{filepath.Join(home, ".ssh", "known_hosts"), "/etc/ssh/ssh_known_hosts"}
	} else {
		k.files = files
	}
	var exist []string
	for _, file := range k.files {
		text, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) && len(files) == 0 {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("known_hosts: %w", err)
		}
		exist = append(exist, file)
		k.authority = k.authority || namesAuthority(text)
	}
	callback, err := knownhosts.New(exist...)
	if err != nil {
		return nil, fmt.Errorf("known_hosts: %w", err)
	}
	k.callback = callback
	return k, nil
}

func namesAuthority(text []byte) bool {
	for {
		marker, _, _, _, rest, err := ssh.ParseKnownHosts(text)
		if errors.Is(err, io.EOF) {
			return false
		}
		if err == nil && marker == "cert-authority" {
			return true
		}
		text = rest
		if err != nil { // the next line may be readable; the library tells what is wrong
			return false
		}
	}
}

// check is asked about the key that the host shows.
func (k *knownHosts) check(address string, remote net.Addr, key ssh.PublicKey) error {
	err := k.callback(address, remote, key)
	if err == nil {
		k.accepted = true
		return nil
	}
	k.refused = k.refusal(key, err)
	return k.refused
}

func (k *knownHosts) refusal(key ssh.PublicKey, err error) error {
	host, print := knownhosts.Normalize(k.host), ssh.FingerprintSHA256(key)
	if revoked, ok := errors.AsType[*knownhosts.RevokedError](err); ok {
		return &ChangedHostKeyError{Host: host, Fingerprint: print, Known: []string{place(revoked.Revoked)}, Revoked: true}
	}
	mismatch, ok := errors.AsType[*knownhosts.KeyError](err)
	switch {
	case !ok:
		return fmt.Errorf("check the host key: %w", err)
	case len(mismatch.Want) == 0:
		return &UnknownHostKeyError{Host: host, Fingerprint: print, Line: knownhosts.Line([]string{k.host}, key), File: k.files[0]}
	}
	changed := &ChangedHostKeyError{Host: host, Fingerprint: print}
	for _, want := range mismatch.Want {
		changed.Known = append(changed.Known, place(want))
	}
	return changed
}

func place(k knownhosts.KnownKey) string { return fmt.Sprintf("%s:%d", k.Filename, k.Line) }

// algorithms are those of the keys that are known: a host has several keys, and
// one of another kind than the known one would look like a changed one. nil: all.
func (k *knownHosts) algorithms() []string {
	if k.authority {
		return nil
	}
	probe, err := ssh.NewPublicKey(ed25519.PublicKey(make([]byte, ed25519.PublicKeySize)))
	if err != nil {
		return nil // the key is of a kind that exists
	}
	mismatch, ok := errors.AsType[*knownhosts.KeyError](k.callback(k.host, &net.TCPAddr{IP: net.IPv4zero}, probe))
	if !ok {
		return nil
	}
	var out []string
	for _, want := range mismatch.Want {
		names := []string{want.Key.Type()}
		if names[0] == ssh.KeyAlgoRSA {
			names = []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
		}
		for _, name := range names {
			if !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	return out
}
