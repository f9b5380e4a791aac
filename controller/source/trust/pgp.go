package trust

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// verifyPGP checks an OpenPGP signature. The library refuses MD5, SHA-1 and
// RIPEMD signatures, DSA, and RSA keys under 2048 bits.
func (k *Keyring) verifyPGP(o object, now time.Time) (string, error) {
	config := &packet.Config{Time: func() time.Time { return now }}
	block, err := armor.Decode(bytes.NewReader(o.signature))
	if err != nil || block.Type != openpgp.SignatureType {
		return "", fmt.Errorf("%w: its signature is damaged", ErrMalformed)
	}
	sig, signer, err := openpgp.VerifyDetachedSignature(k.pgp, bytes.NewReader(o.payload), block.Body, config)
	switch {
	case err != nil:
		return "", pgpError(err)
	case signer == nil:
		return "", ErrUnknownKey
	case sig.SigType != packet.SigTypeBinary:
		return "", fmt.Errorf("%w: it is signed as text, which leaves line ends open", ErrWeak)
	case sig.CreationTime.After(now.Add(ahead)):
		return "", fmt.Errorf("%w: it says that it was signed at %s", ErrExpired, sig.CreationTime.UTC().Format(time.RFC3339))
	}
	name := pgpName(signer)
	if signer.Revoked(now) {
		return "", fmt.Errorf("%w: %s", ErrRevoked, name)
	}
	if sig.IssuerKeyId == nil {
		return "", fmt.Errorf("%w: its signature names no key", ErrMalformed)
	}
	if _, ok := signer.SigningKeyById(now, *sig.IssuerKeyId, config); !ok {
		return "", fmt.Errorf("%w: %s", ErrExpired, name)
	}
	return name, nil
}

// pgpError tells the library's errors in this package's.
func pgpError(err error) error {
	kind := ErrBad
	switch {
	case errors.Is(err, pgperrors.ErrUnknownIssuer):
		return ErrUnknownKey
	case errors.Is(err, pgperrors.ErrKeyRevoked):
		return ErrRevoked
	case errors.Is(err, pgperrors.ErrKeyExpired), errors.Is(err, pgperrors.ErrSignatureExpired), errors.Is(err, pgperrors.ErrSignatureOlderThanKey):
		kind = ErrExpired
	case bytes.Contains([]byte(err.Error()), []byte("insecure")), bytes.Contains([]byte(err.Error()), []byte("rejected")):
		kind = ErrWeak // the library has no type for it
	}
	return fmt.Errorf("%w: %w", kind, err)
}

// pgpName is whose key it is, and its fingerprint.
func pgpName(e *openpgp.Entity) string {
	print := fmt.Sprintf("%X", e.PrimaryKey.Fingerprint)
	for _, id := range e.Identities {
		if id.UserId != nil && id.UserId.Id != "" {
			return id.UserId.Id + " (OpenPGP " + print + ")"
		}
	}
	return "OpenPGP " + print
}
