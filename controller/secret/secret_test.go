package secret

import (
	"bytes"
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"filippo.io/age/armor"
	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"

	"teal/spec"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newIdentity makes an age identity and the file it stands in.
func newIdentity(t *testing.T) (key *age.X25519Identity, file string) {
	t.Helper()
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return key, write(t, "# made for a test\n"+key.String()+"\n")
}

// newSSHKey makes a private ssh key and the file it stands in.
func newSSHKey(t *testing.T, passphrase string) (ssh.PublicKey, string) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return signer.PublicKey(), write(t, string(pem.EncodeToMemory(block)))
}

func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// encrypt encrypts text with age.
func encrypt(t *testing.T, text string, armoured bool, to ...age.Recipient) []byte {
	t.Helper()
	var out bytes.Buffer
	var sink io.WriteCloser = nopCloser{&out}
	if armoured {
		sink = armor.NewWriter(&out)
	}
	w, err := age.Encrypt(sink, to...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Close(), sink.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// keys must take the files.
func keys(t *testing.T, files ...string) *Keys {
	t.Helper()
	k, err := New(Options{Identities: files})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// says requires a refusal with all of words in it, its hint included.
func says(t *testing.T, err error, words ...string) {
	t.Helper()
	refused, ok := errors.AsType[*spec.DecryptError](err)
	if !ok {
		t.Fatalf("got %v, want a refusal that says %q", err, words)
	}
	for _, w := range words {
		if !strings.Contains(refused.Message+" → "+refused.Hint, w) {
			t.Errorf("%s → %s\ndoes not say %q", refused.Message, refused.Hint, w)
		}
	}
}

func TestAge(t *testing.T) {
	key, file := newIdentity(t)
	other, otherFile := newIdentity(t)
	public, sshFile := newSSHKey(t, "")
	toSSH, err := agessh.ParseRecipient(string(ssh.MarshalAuthorizedKey(public)))
	if err != nil {
		t.Fatal(err)
	}
	for what, content := range map[string][]byte{
		"binary":             encrypt(t, "A=1\n", false, key.Recipient()),
		"armoured":           encrypt(t, "A=1\n", true, key.Recipient()),
		"armoured, indented": append([]byte("\n\n"), encrypt(t, "A=1\n", true, key.Recipient())...),
		"for several":        encrypt(t, "A=1\n", true, other.Recipient(), key.Recipient()),
		"for an ssh key":     encrypt(t, "A=1\n", true, toSSH),
	} {
		if form, err := spec.EncryptionOf(content); form != spec.EncryptedAge || err != nil {
			t.Errorf("%s: taken for %q, %v", what, form, err)
		}
		text, err := keys(t, file, sshFile).Decrypt(t.Context(), spec.Encrypted{Form: spec.EncryptedAge, Content: content})
		if err != nil || string(text) != "A=1\n" {
			t.Errorf("%s: got %q, %v", what, text, err)
		}
	}
	wrong := spec.Encrypted{Form: spec.EncryptedAge, Content: encrypt(t, "A=s3cr3t\n", true, key.Recipient())}
	_, err = keys(t, otherFile).Decrypt(t.Context(), wrong)
	says(t, err, other.Recipient().String(), "--age-identity FILE")
	_, err = keys(t).Decrypt(t.Context(), wrong)
	says(t, err, "there is no identity", "--age-identity FILE")
	cut := spec.Encrypted{Form: spec.EncryptedAge, Content: encrypt(t, "A=s3cr3t\n", false, key.Recipient())}
	cut.Content = cut.Content[:len(cut.Content)-1]
	_, err = keys(t, file).Decrypt(t.Context(), cut)
	says(t, err, "not a whole age file")
}

// TestIdentitiesAreReadAnew: a key that was replaced works at once.
func TestIdentitiesAreReadAnew(t *testing.T) {
	_, file := newIdentity(t)
	next, _ := newIdentity(t)
	k := keys(t, file)
	content := spec.Encrypted{Form: spec.EncryptedAge, Content: encrypt(t, "A=1\n", true, next.Recipient())}
	if _, err := k.Decrypt(t.Context(), content); err == nil {
		t.Fatal("decrypted with another key")
	}
	if err := os.WriteFile(file, []byte(next.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := k.Decrypt(t.Context(), content); err != nil || string(text) != "A=1\n" {
		t.Errorf("got %q, %v", text, err)
	}
}

func TestIdentitiesThatAreRefused(t *testing.T) {
	_, good := newIdentity(t)
	_, locked := newSSHKey(t, "hunter2")
	open := write(t, "x")
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	for file, words := range map[string][]string{
		filepath.Join(t.TempDir(), "none"): {"no such file"},
		t.TempDir():                        {"not a regular file"},
		open:                               {"others may read (mode 0644)", "chmod 600 " + open},
		locked:                             {"passphrase"},
		write(t, ""):                       {"holds no age identities"},
		write(t, "AGE-SECRET-KEY-1QQQ"):    {"holds no age identities"},
		write(t, "-----BEGIN RSA PRIVATE KEY-----\nx"):            {"neither an age identity nor a private ssh key"},
		write(t, string(key)+strings.Repeat("#\n", mostIdentity)): {"larger than 64 KiB"},
	} {
		_, err := New(Options{Identities: []string{good, file}})
		says(t, err, append(words, file)...)
		if strings.Contains(err.Error(), "SECRET-KEY") {
			t.Errorf("a key is told: %v", err)
		}
	}
}
