package trust

import (
	"crypto/dsa" //nolint:staticcheck // to refuse it
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// Of the format of ssh signatures (PROTOCOL.sshsig of OpenSSH).
const (
	sshMagic     = "SSHSIG"
	sshVersion   = 1
	gitNamespace = "git"
)

// leastRSA is the shortest RSA key, in bits.
const leastRSA = 2048

// sshBlob is the signature without its magic.
type sshBlob struct {
	Version   uint32
	PublicKey []byte
	Namespace string
	Reserved  string
	Hash      string
	Signature []byte
}

// sshSigned is what the key has signed, without the magic.
type sshSigned struct {
	Namespace, Reserved, Hash string
	Sum                       []byte
}

// sshRaw is the signature proper.
type sshRaw struct {
	Format string
	Blob   []byte
	Rest   []byte `ssh:"rest"`
}

// verifySSH checks an ssh signature.
func (k *Keyring) verifySSH(o object, now time.Time) (string, error) {
	blob, key, err := readSSH(o.signature)
	if err != nil {
		return "", err
	}
	if blob.Namespace != gitNamespace {
		return "", fmt.Errorf("%w: its namespace is %q", ErrNamespace, blob.Namespace)
	}
	listed := k.listed(key)
	if len(listed) == 0 {
		return "", fmt.Errorf("%w: %s", ErrUnknownKey, ssh.FingerprintSHA256(key))
	}
	if err := checkSSH(o.payload, blob, key); err != nil {
		return "", err
	}
	at := o.at
	if at.IsZero() {
		at = now
	}
	why := ErrExpired
	for _, l := range listed {
		switch {
		case !l.forGit:
			why = ErrNamespace
		case l.valid(at) && !l.after.After(now):
			return l.name + " (ssh " + ssh.FingerprintSHA256(key) + ")", nil
		}
	}
	return "", fmt.Errorf("%w: %s", why, listed[0].name)
}

// readSSH takes a signature apart.
func readSSH(armored []byte) (sshBlob, ssh.PublicKey, error) {
	text := strings.TrimSpace(string(armored))
	text = strings.TrimSuffix(strings.TrimPrefix(text, beginSSH), endSSH)
	damaged := fmt.Errorf("%w: its signature is damaged", ErrMalformed)
	raw, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil || !strings.HasPrefix(string(raw), sshMagic) {
		return sshBlob{}, nil, damaged
	}
	var blob sshBlob
	if err := ssh.Unmarshal(raw[len(sshMagic):], &blob); err != nil || blob.Version != sshVersion {
		return sshBlob{}, nil, damaged
	}
	key, err := ssh.ParsePublicKey(blob.PublicKey)
	if err != nil {
		return sshBlob{}, nil, fmt.Errorf("%w: its key is not understood: %w", ErrUnknownKey, err)
	}
	return blob, key, nil
}

// checkSSH checks that key signed payload, as blob says.
func checkSSH(payload []byte, blob sshBlob, key ssh.PublicKey) error {
	if why := weak(key); why != "" {
		return fmt.Errorf("%w: %s", ErrWeak, why)
	}
	var sum []byte
	switch blob.Hash {
	case "sha512":
		s := sha512.Sum512(payload)
		sum = s[:]
	case "sha256":
		s := sha256.Sum256(payload)
		sum = s[:]
	default:
		return fmt.Errorf("%w: hashed by %q", ErrWeak, blob.Hash)
	}
	var raw sshRaw
	if err := ssh.Unmarshal(blob.Signature, &raw); err != nil {
		return fmt.Errorf("%w: its signature is damaged", ErrMalformed)
	}
	switch key.Type() {
	case ssh.KeyAlgoRSA:
		if raw.Format != ssh.KeyAlgoRSASHA256 && raw.Format != ssh.KeyAlgoRSASHA512 {
			return fmt.Errorf("%w: signed by %q", ErrWeak, raw.Format)
		}
	case ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256:
		const touched = 1
		if len(raw.Rest) == 0 || raw.Rest[0]&touched == 0 {
			return fmt.Errorf("%w: nobody touched the key", ErrWeak)
		}
	}
	signed := append([]byte(sshMagic), ssh.Marshal(sshSigned{blob.Namespace, blob.Reserved, blob.Hash, sum})...)
	if err := key.Verify(signed, &ssh.Signature{Format: raw.Format, Blob: raw.Blob, Rest: raw.Rest}); err != nil {
		return ErrBad
	}
	return nil
}

// weak says why a key must not be used; empty: it may.
func weak(key ssh.PublicKey) string {
	c, ok := key.(ssh.CryptoPublicKey)
	if !ok {
		return ""
	}
	switch p := c.CryptoPublicKey().(type) {
	case *dsa.PublicKey:
		return "DSA keys are broken"
	case *rsa.PublicKey:
		if p.N.BitLen() < leastRSA {
			return fmt.Sprintf("an RSA key of %d bits; at least %d are wanted", p.N.BitLen(), leastRSA)
		}
	}
	return ""
}
