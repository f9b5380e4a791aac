// Package secret decrypts files of a desired state: those encrypted with age by
// itself, those encrypted with SOPS by running the program sops.
//
// It promises:
//
//   - Only age identities decrypt, and only those of the named files. Nothing is
//     asked of a network: no key service, whatever an encrypted file names.
//   - An identity that others may read is refused.
//   - Identities are read anew for every file, so one that was replaced works at
//     once. They are given to sops in memory, not on a disk or in an argument.
//   - Errors name keys by their public part, and nothing of a plain text.
package secret

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"filippo.io/age"
	"filippo.io/age/armor"

	"teal/spec"
)

// Defaults of [Options].
const (
	defaultProgram = "sops"
	defaultLimit   = 30 * time.Second
)

// mostText bounds a plain text, in bytes; what reads it has a limit of its own.
const mostText = 4 << 20

// Options of [New].
type Options struct {
	Identities []string      // files, absolute; none: nothing can be decrypted
	Program    string        // sops; empty: the one on the path
	Limit      time.Duration // how long it may take; 0: 30 s
}

// Keys decrypts with the identities of some files. It may be used from several
// goroutines.
type Keys struct{ opts Options }

// New returns Keys whose files can be read now: an error tells which cannot.
func New(opts Options) (*Keys, error) {
	if opts.Program == "" {
		opts.Program = defaultProgram
	}
	if opts.Limit <= 0 {
		opts.Limit = defaultLimit
	}
	k := &Keys{opts: opts}
	_, err := k.identities()
	return k, err
}

// Files are those that decrypting depends on.
func (k *Keys) Files() []string { return k.opts.Identities }

// Decrypt returns the plain text of e. Why it cannot is a [spec.DecryptError].
func (k *Keys) Decrypt(ctx context.Context, e spec.Encrypted) ([]byte, error) {
	have, err := k.identities()
	if err != nil {
		return nil, err
	}
	if e.Form == spec.EncryptedAge {
		return decryptAge(e.Content, have)
	}
	return k.decryptSOPS(ctx, e, have)
}

// decryptAge decrypts a whole file.
func decryptAge(content []byte, have []identity) ([]byte, error) {
	if len(have) == 0 {
		return nil, refusal("is encrypted with age, and there is no identity", nil)
	}
	text, err := open(content, have)
	switch {
	case unfit(err):
		return nil, &spec.DecryptError{
			Message: "is encrypted with age for none of the identities here (" + public(have) + ")",
			Hint:    "name the file with one that fits: --age-identity FILE; or encrypt it for one of these: age -r " + have[0].public,
		}
	case err != nil:
		return nil, &spec.DecryptError{Message: "is not a whole age file: " + plainWords(err), Hint: "bring the whole file back, as age wrote it"}
	}
	return text, nil
}

// open decrypts an age file, armoured or not.
func open(content []byte, have []identity) ([]byte, error) {
	var from io.Reader = bytes.NewReader(content)
	if trimmed := bytes.TrimLeft(content, " \t\r\n"); bytes.HasPrefix(trimmed, []byte(armor.Header)) {
		from = armor.NewReader(bytes.NewReader(trimmed))
	}
	all := make([]age.Identity, len(have))
	for i, h := range have {
		all[i] = h.key
	}
	text, err := age.Decrypt(from, all...)
	if err != nil {
		return nil, err
	}
	out, err := io.ReadAll(io.LimitReader(text, mostText+1))
	if err == nil && len(out) > mostText {
		err = fmt.Errorf("it holds more than %d MiB", mostText>>20)
	}
	return out, err
}

// unfit reports whether no identity is one of the recipients.
func unfit(err error) bool {
	_, ok := errors.AsType[*age.NoIdentityMatchError](err)
	return ok
}

// plainWords are the library's, which tell of headers and chunks.
func plainWords(err error) string {
	words := err.Error()
	return words[:min(len(words), 200)]
}

// refusal says that there is no identity at all. wanted are public keys.
func refusal(words string, wanted []string) error {
	if len(wanted) > 0 {
		words += "; it is for " + strings.Join(wanted, ", ")
	}
	return &spec.DecryptError{Message: words, Hint: "name a file with one: --age-identity FILE"}
}
