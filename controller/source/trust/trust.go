package trust

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // names of objects, not signatures
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

const (
	beginPGP = "-----BEGIN PGP SIGNATURE-----"
	endPGP   = "-----END PGP SIGNATURE-----"
	beginSSH = "-----BEGIN SSH SIGNATURE-----"
	endSSH   = "-----END SSH SIGNATURE-----"
)

// maxObject bounds what is looked at: a commit is some hundred bytes.
const maxObject = 4 << 20

// ahead is how far a signer's clock may be ahead.
const ahead = time.Hour

// Commit returns who signed a commit, given as git hashes it, by a key that is
// listed and valid at now. The errors are those of this package.
func (k *Keyring) Commit(raw []byte, now time.Time) (signer string, err error) {
	if len(raw) > maxObject {
		return "", fmt.Errorf("%w: it is larger than %d bytes", ErrMalformed, maxObject)
	}
	o, err := parseCommit(raw)
	if err != nil {
		return "", err
	}
	return k.verify(o, now)
}

// Tag returns who signed an annotated tag that names the given commit. name is
// that of the tag that was followed, without refs/tags/: a signed tag cannot be
// passed off as another. An empty name is not compared.
func (k *Keyring) Tag(raw, commit []byte, name string, now time.Time) (signer string, err error) {
	if len(raw) > maxObject || len(commit) > maxObject {
		return "", fmt.Errorf("%w: it is larger than %d bytes", ErrMalformed, maxObject)
	}
	o, err := parseTag(raw)
	switch {
	case err != nil:
		return "", err
	case o.target != commitID(commit, len(o.target)):
		return "", fmt.Errorf("%w: it is on %.12s", ErrOther, o.target)
	case name != "" && o.name != name:
		return "", fmt.Errorf("%w: it says that it is %q, and was found as %q", ErrOther, o.name, name)
	}
	return k.verify(o, now)
}

// commitID is the name that git gives a commit, of so many digits.
func commitID(raw []byte, digits int) string {
	whole := append(fmt.Appendf(nil, "commit %d\x00", len(raw)), raw...)
	if digits == 2*sha256.Size {
		sum := sha256.Sum256(whole)
		return hex.EncodeToString(sum[:])
	}
	sum := sha1.Sum(whole) //nolint:gosec // that is how git names it
	return hex.EncodeToString(sum[:])
}

// verify checks the signature by its kind.
func (k *Keyring) verify(o object, now time.Time) (string, error) {
	text := strings.TrimSpace(string(o.signature))
	switch {
	case o.at.After(now.Add(ahead)):
		return "", fmt.Errorf("%w: it says that it was made at %s", ErrExpired, o.at.UTC().Format(time.RFC3339))
	case one(text, beginPGP, endPGP):
		return k.verifyPGP(o, now)
	case one(text, beginSSH, endSSH):
		return k.verifySSH(o, now)
	case strings.HasPrefix(text, "-----BEGIN SIGNED MESSAGE-----"):
		return "", fmt.Errorf("%w: X.509 signatures are not known here; sign with OpenPGP or ssh", ErrUnknownKey)
	}
	return "", fmt.Errorf("%w: its signature is in no form that is known", ErrMalformed)
}

// one reports whether text is exactly one block: what stands beside it would not
// be signed.
func one(text, begin, end string) bool {
	return strings.HasPrefix(text, begin) && strings.HasSuffix(text, end) &&
		strings.Count(text, begin) == 1 && strings.Count(text, end) == 1 && !bytes.ContainsRune([]byte(text), 0)
}
