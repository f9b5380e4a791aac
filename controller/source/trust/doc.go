// Package trust says whose key signed a commit or a tag of git: by OpenPGP or by
// an ssh key. It promises that what it accepts was signed, all of it, by a key
// that the operator listed, and that everything it does not understand is
// refused. What it reads of an object is what git signs: the object without its
// signature.
package trust

import "errors"

// Why a commit or tag is not trusted.
var (
	ErrUnsigned   = errors.New("it is not signed")
	ErrUnknownKey = errors.New("it is signed by a key that is not listed")
	ErrBad        = errors.New("its signature does not fit its content")
	ErrExpired    = errors.New("the key or the signature is not valid at that time")
	ErrRevoked    = errors.New("the key was revoked")
	ErrNamespace  = errors.New("it was not signed for git")
	ErrWeak       = errors.New("its signature or the key is too weak")
	ErrMalformed  = errors.New("it is not an object that git makes")
	// ErrOther says that a tag is of another commit or has another name than
	// what was followed.
	ErrOther = errors.New("the signed tag is another")
	// ErrKeys is what every error about a file with keys wraps.
	ErrKeys = errors.New("keys are not understood")
)
