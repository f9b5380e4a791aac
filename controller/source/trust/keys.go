package trust

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"golang.org/x/crypto/ssh"
)

// Keyring is the keys that are trusted.
type Keyring struct {
	pgp openpgp.EntityList
	ssh []sshKey
}

// sshKey is one line of a file.
type sshKey struct {
	name          string
	key           ssh.PublicKey
	forGit        bool
	after, before time.Time // zero: no limit
}

func (s sshKey) valid(at time.Time) bool {
	return !at.Before(s.after) && (s.before.IsZero() || at.Before(s.before))
}

// listed are the lines that list a key.
func (k *Keyring) listed(key ssh.PublicKey) (out []sshKey) {
	for _, s := range k.ssh {
		if bytes.Equal(s.key.Marshal(), key.Marshal()) {
			out = append(out, s)
		}
	}
	return out
}

// maxKeys bounds a file with keys.
const maxKeys = 4 << 20

// Load reads files with keys: public keys of OpenPGP, armored or binary, as gpg
// --export writes them; allowed signers, as git's gpg.ssh.allowedSignersFile
// names them; and public ssh keys, as ssh-keygen writes them. Errors name file
// and line, and a file without any key is one.
func Load(files []string) (*Keyring, error) {
	k := &Keyring{}
	for _, name := range files {
		raw, err := os.ReadFile(name)
		switch {
		case err != nil:
			return nil, fmt.Errorf("read keys: %w", err)
		case len(raw) > maxKeys:
			return nil, fmt.Errorf("%w: %s is larger than %d bytes", ErrKeys, name, maxKeys)
		}
		before := len(k.pgp) + len(k.ssh)
		if err := k.read(raw); err != nil {
			return nil, fmt.Errorf("%w: %s%w", ErrKeys, name, err)
		}
		if len(k.pgp)+len(k.ssh) == before {
			return nil, fmt.Errorf("%w: %s has no key", ErrKeys, name)
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%w: no file is named", ErrKeys)
	}
	return k, nil
}

// read adds the keys of one file.
func (k *Keyring) read(raw []byte) error {
	switch {
	case bytes.Contains(raw, []byte("PRIVATE KEY")):
		return errors.New(" holds a private key, which belongs to its owner only: write the public one")
	case bytes.Contains(raw, []byte("-----BEGIN PGP PUBLIC KEY BLOCK-----")):
		return k.readArmored(raw)
	case len(raw) > 0 && raw[0]&0x80 != 0: // a packet of OpenPGP begins like that, and no text
		return k.readPGP(bytes.NewReader(raw))
	}
	for i, line := range strings.Split(string(raw), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		s, err := parseLine(line)
		if err != nil {
			return fmt.Errorf(":%d: %w", i+1, err)
		}
		k.ssh = append(k.ssh, s)
	}
	return nil
}

// readArmored adds the keys of all blocks.
func (k *Keyring) readArmored(raw []byte) error {
	const begin = "-----BEGIN "
	for {
		i := bytes.Index(raw, []byte(begin))
		if i < 0 {
			return nil
		}
		raw = raw[i:]
		end := bytes.Index(raw[1:], []byte(begin))
		if end < 0 {
			end = len(raw) - 1
		}
		block, err := armor.Decode(bytes.NewReader(raw[:end+1]))
		if err != nil || block.Type != openpgp.PublicKeyType {
			return errors.New(": a block is no public key of OpenPGP")
		}
		if err := k.readPGP(block.Body); err != nil {
			return err
		}
		raw = raw[end+1:]
	}
}

func (k *Keyring) readPGP(r io.Reader) error {
	list, err := openpgp.ReadKeyRing(r)
	if err != nil {
		return fmt.Errorf(": read OpenPGP keys: %w", err)
	}
	k.pgp = append(k.pgp, list...)
	return nil
}

// parseLine reads "ssh-ed25519 AAAA… comment", or "principals [options]
// ssh-ed25519 AAAA…" as ssh-keygen(1) describes allowed signers.
func parseLine(line string) (sshKey, error) {
	out := sshKey{forGit: true}
	words := split(line)
	if i := slices.IndexFunc(words, isKeyType); i > 0 {
		out.name = strings.Trim(words[0], `"`)
		for _, w := range words[1:i] {
			if err := out.options(w); err != nil {
				return out, err
			}
		}
		words = words[i:]
	} else if i < 0 {
		return out, errors.New("it names no kind of key, such as ssh-ed25519")
	}
	key, comment, _, rest, err := ssh.ParseAuthorizedKey([]byte(strings.Join(words, " ")))
	if err != nil || len(rest) > 0 {
		return out, errors.New("the key is damaged")
	}
	if _, isCert := key.(*ssh.Certificate); isCert {
		return out, errors.New("certificates are not known here: list the key")
	}
	if why := weak(key); why != "" {
		return out, errors.New(why)
	}
	out.key = key
	if out.name == "" {
		out.name = comment
	}
	if out.name == "" {
		out.name = "a key without a name"
	}
	return out, nil
}

func isKeyType(word string) bool {
	return strings.HasPrefix(word, "ssh-") || strings.HasPrefix(word, "ecdsa-sha2-") || strings.HasPrefix(word, "sk-ssh-") || strings.HasPrefix(word, "sk-ecdsa-")
}

// split cuts a line at blanks that are not in quotes.
func split(line string) []string {
	quoted := false
	return strings.FieldsFunc(line, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return !quoted && (r == ' ' || r == '\t')
	})
}

// options reads namespaces="git",valid-after="20260101",valid-before="…".
func (s *sshKey) options(word string) error {
	quoted := false
	for o := range strings.FieldsFuncSeq(word, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return !quoted && r == ','
	}) {
		key, text, _ := strings.Cut(o, "=")
		text = strings.Trim(text, `"`)
		var err error
		switch strings.ToLower(key) {
		case "namespaces":
			s.forGit = slices.Contains(strings.Split(text, ","), gitNamespace) || slices.Contains(strings.Split(text, ","), "*")
		case "valid-after":
			s.after, err = validity(text)
		case "valid-before":
			s.before, err = validity(text)
		case "cert-authority":
			err = errors.New("cert-authority is not known here: list the keys themselves")
		default:
			err = fmt.Errorf("%q is not an option; there are namespaces, valid-after, valid-before", key)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// validity reads YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS, in the zone of this
// machine, or in UTC with a Z behind it.
func validity(text string) (time.Time, error) {
	digits, utc := strings.CutSuffix(text, "Z")
	loc := time.Local
	if utc {
		loc = time.UTC
	}
	for _, form := range []string{"20060102", "200601021504", "20060102150405"} {
		if t, err := time.ParseInLocation(form, digits, loc); err == nil && len(digits) == len(form) {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time; write 20261231 or 20261231235959Z", text)
}
