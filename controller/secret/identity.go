package secret

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"golang.org/x/crypto/ssh"

	"teal/spec"
)

// mostIdentity bounds a file with identities, in bytes.
const mostIdentity = 64 << 10

// identity is one that can decrypt.
type identity struct {
	key    age.Identity
	public string // its recipient: age1…, or ssh-ed25519 …
	ssh    bool
	text   []byte // of the file it stands in
}

// identities reads all files.
func (k *Keys) identities() ([]identity, error) {
	var out []identity
	for _, file := range k.opts.Identities {
		text, err := readPrivate(file)
		if err != nil {
			return nil, err
		}
		found, err := parseIdentities(text)
		if err != nil {
			return nil, &spec.DecryptError{
				Message: fmt.Sprintf("needs the identities in %s, and that file %v", file, err),
				Hint:    "age-keygen -o " + file + " makes one; an ssh key must have no passphrase",
			}
		}
		out = append(out, found...)
	}
	return out, nil
}

// readPrivate reads a file that only its owner may: or, if that is root, one
// group of his choice.
func readPrivate(file string) (text []byte, err error) {
	refused := func(err error) error {
		if path, ok := errors.AsType[*fs.PathError](err); ok {
			err = path.Err
		}
		return &spec.DecryptError{Message: fmt.Sprintf("needs the identities in %s: %v", file, err), Hint: "see ls -l " + file}
	}
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, refused(err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return nil, refused(err)
	}
	open := fs.FileMode(0o077)
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && owner.Uid == 0 {
		open = 0o037
	}
	switch {
	case !info.Mode().IsRegular():
		return nil, refused(errors.New("not a regular file"))
	case info.Mode().Perm()&open != 0:
		return nil, &spec.DecryptError{
			Message: fmt.Sprintf("needs the identities in %s, which others may read (mode %04o)", file, info.Mode().Perm()), Hint: "chmod 600 " + file,
		}
	}
	text, err = io.ReadAll(io.LimitReader(f, mostIdentity+1))
	if err == nil && len(text) > mostIdentity {
		err = fmt.Errorf("larger than %d KiB", mostIdentity>>10)
	}
	if err != nil {
		return nil, refused(err)
	}
	return text, nil
}

// parseIdentities reads age identities, one a line, or one private ssh key. Its
// errors hold nothing of the text.
func parseIdentities(text []byte) ([]identity, error) {
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("-----BEGIN ")) {
		return parseSSH(text)
	}
	list, err := age.ParseIdentities(bytes.NewReader(text))
	if err != nil {
		return nil, errors.New("holds no age identities")
	}
	var out []identity
	for _, key := range list {
		one := identity{key: key, text: text}
		switch key := key.(type) {
		case *age.X25519Identity:
			one.public = key.Recipient().String()
		case *age.HybridIdentity:
			one.public = key.Recipient().String()
		default:
			return nil, errors.New("holds an identity of an unknown kind")
		}
		out = append(out, one)
	}
	return out, nil
}

func parseSSH(text []byte) ([]identity, error) {
	signer, err := ssh.ParsePrivateKey(text)
	if _, locked := errors.AsType[*ssh.PassphraseMissingError](err); locked {
		return nil, errors.New("is protected by a passphrase, which nobody is there to type")
	}
	if err != nil {
		return nil, errors.New("is neither an age identity nor a private ssh key")
	}
	key, err := agessh.ParseIdentity(text)
	if err != nil {
		return nil, errors.New("is an ssh key of a kind that age does not take: it takes ed25519 and RSA")
	}
	return []identity{{key: key, public: strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey()))), ssh: true, text: text}}, nil
}

// public names identities by what may be told of them.
func public(have []identity) string {
	out := make([]string, len(have))
	for i, h := range have {
		out[i] = h.public
	}
	return strings.Join(out, ", ")
}
