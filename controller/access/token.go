package access

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"regexp"
	"time"

	"teal/controller/api"
)

// Prefix begins every token, so that scanners for secrets can find one that
// went astray.
const Prefix = "teal_"

// secretBytes is how much of a token is random. With that much, a plain fast
// hash is as good as a slow one: there is nothing to guess.
const secretBytes = 32

// Token is one token as it is kept: not the token, but what it is known by.
type Token struct {
	Name    string    `json:"name"` // unique; small letters, digits, hyphens
	Role    api.Role  `json:"role"`
	Hash    string    `json:"sha256"` // of the whole token, base64
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero"` // zero: never
}

// Expired reports whether the token has run out at now.
func (t Token) Expired(now time.Time) bool { return !t.Expires.IsZero() && !now.Before(t.Expires) }

// maxName bounds a token's name, in bytes.
const maxName = 40

var goodName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)

// CheckName refuses what cannot be the name of a token.
func CheckName(name string) error {
	if len(name) > maxName || !goodName.MatchString(name) {
		return fmt.Errorf("%q is not a name of a token: small letters, digits and hyphens between them, at most %d", name, maxName)
	}
	return nil
}

// issue makes a token and returns it with what is kept of it.
func issue(name string, role api.Role, now, expires time.Time) (secret string, kept Token) {
	random := make([]byte, secretBytes)
	_, _ = rand.Read(random) // it never fails: it ends the program instead
	secret = Prefix + base64.RawURLEncoding.EncodeToString(random)
	return secret, Token{Name: name, Role: role, Hash: hash(secret), Created: now.UTC().Truncate(time.Second), Expires: expires}
}

func hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// find returns the token that secret is. It looks at all of them, so that the
// time it takes says nothing.
func find(all []Token, secret string) (Token, bool) {
	offered := []byte(hash(secret))
	var found Token
	known := false
	for _, t := range all {
		if subtle.ConstantTimeCompare(offered, []byte(t.Hash)) == 1 {
			found, known = t, true
		}
	}
	return found, known
}
