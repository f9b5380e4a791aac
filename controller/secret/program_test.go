//go:build sops

package secret

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"teal/spec"
)

// The tests of this file run the program sops that the variable SOPS names (make
// test-sops). It is not among those of make test: to build it takes minutes.

func program(t *testing.T, identities ...string) *Keys {
	t.Helper()
	path := os.Getenv("SOPS")
	if path == "" {
		t.Fatal("SOPS does not name the program: make test-sops")
	}
	k, err := New(Options{Identities: identities, Program: path})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestSOPSDecrypts(t *testing.T) {
	_, other := newIdentity(t)
	for name, want := range map[string]string{
		"compose.yaml": "services:\n    # the shop\n    web:\n        image: shop:1\n        environment:\n            PASSWORD: hunter two\n",
		"compose.json": "{\n\t\"password\": \"hunter two\"\n}\n",
		"compose.env":  "# the shop\nPASSWORD=hunter two\n",
		"compose.ini":  "[shop]\npassword = hunter two\n",
		"compose.bin":  "hunter\x00two\n",
	} {
		text, err := program(t, other, opener(t)).Decrypt(t.Context(), spec.Encrypted{Form: forms[name], Content: testdata(t, name)})
		if err != nil || strings.TrimSpace(string(text)) != strings.TrimSpace(want) {
			t.Errorf("%s: got %q, %v, want %q", name, text, err, want)
		}
	}
}

func TestSOPSRefusesWhatWasChanged(t *testing.T) {
	content := strings.Replace(string(testdata(t, "compose.yaml")), "PASSWORD:", "PASSWARD:", 1)
	_, err := program(t, opener(t)).Decrypt(t.Context(), spec.Encrypted{Form: spec.EncryptedSOPSYAML, Content: []byte(content)})
	says(t, err, "could not be decrypted by sops") // names are part of what each value is bound to
	var kept strings.Builder
	for line := range strings.Lines(string(testdata(t, "compose.yaml"))) {
		if !strings.Contains(line, "image:") {
			kept.WriteString(line)
		}
	}
	_, err = program(t, opener(t)).Decrypt(t.Context(), spec.Encrypted{Form: spec.EncryptedSOPSYAML, Content: []byte(kept.String())})
	says(t, err, "does not fit its MAC")
}

// TestSOPSAsksNobody: a file that names a key service beside age is decrypted
// without it, although that stands first.
func TestSOPSAsksNobody(t *testing.T) {
	content := strings.Replace(string(testdata(t, "compose.yaml")), "    age:\n", "    hc_vault:\n        - vault_address: http://127.0.0.1:9\n          engine_path: t\n          key_name: k\n          created_at: \"2026-11-23T01:29:50Z\"\n          enc: x\n    age:\n", 1)
	if _, err := program(t, opener(t)).Decrypt(t.Context(), spec.Encrypted{Form: spec.EncryptedSOPSYAML, Content: []byte(content)}); err != nil {
		t.Error(err)
	}
}

func TestSOPSWithAnSSHKey(t *testing.T) {
	public, file := newSSHKey(t, "")
	plain := filepath.Join(t.TempDir(), "plain.env")
	if err := os.WriteFile(plain, []byte("A=1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	content, err := exec.CommandContext(t.Context(), os.Getenv("SOPS"), "--age", strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public))), "--encrypt", plain).Output()
	if err != nil {
		t.Fatal(err)
	}
	text, err := program(t, file).Decrypt(t.Context(), spec.Encrypted{Form: spec.EncryptedSOPSDotenv, Content: content})
	if err != nil || string(text) != "A=1\n" {
		t.Errorf("got %q, %v", text, err)
	}
}
