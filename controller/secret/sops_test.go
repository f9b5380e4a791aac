package secret

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"teal/spec"
)

// forms are the files of testdata, which sops 3.13.3 wrote.
var forms = map[string]spec.Encryption{
	"compose.yaml": spec.EncryptedSOPSYAML, "compose.json": spec.EncryptedSOPSJSON, "compose.env": spec.EncryptedSOPSDotenv,
	"compose.ini": spec.EncryptedSOPSINI, "compose.bin": spec.EncryptedSOPSBinary,
}

func testdata(t *testing.T, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// opener is a copy of the identity that opens the files of testdata.
func opener(t *testing.T) string { t.Helper(); return write(t, string(testdata(t, "identity.txt"))) }

// TestKeysOfSOPSFiles: whatever the form, the keys are found, and the one that
// fits is known before any program runs.
func TestKeysOfSOPSFiles(t *testing.T) {
	_, other := newIdentity(t)
	have, err := keys(t, other, opener(t)).identities()
	if err != nil {
		t.Fatal(err)
	}
	for name, form := range forms {
		content := testdata(t, name)
		if got, err := spec.EncryptionOf(content); got != form || err != nil {
			t.Errorf("%s: taken for %q, %v", name, got, err)
		}
		b, err := readBlock(spec.Encrypted{Form: form, Content: content})
		if err != nil || len(b.age) != 1 || b.recipients()[0] != have[1].public || b.split || len(b.others) > 0 {
			t.Errorf("%s: got %+v, %v", name, b, err)
		}
		if fits, ok := b.fits(have); !ok || fits.public != have[1].public {
			t.Errorf("%s: no identity fits", name)
		}
		if _, ok := b.fits(have[:1]); ok {
			t.Errorf("%s: a stranger's identity fits", name)
		}
	}
}

func TestSOPSFilesThatNoIdentityOpens(t *testing.T) {
	key, other := newIdentity(t)
	content := testdata(t, "compose.yaml")
	have, err := keys(t, opener(t)).identities()
	if err != nil {
		t.Fatal(err)
	}
	e := spec.Encrypted{Form: spec.EncryptedSOPSYAML, Content: content}
	_, err = keys(t, other).Decrypt(t.Context(), e)
	says(t, err, "for "+have[0].public, "the identities here are "+key.Recipient().String(), "sops rotate -i --add-age "+key.Recipient().String())
	_, err = keys(t).Decrypt(t.Context(), e)
	says(t, err, "there is no identity", have[0].public)
	edit := func(from, to string) spec.Encrypted {
		return spec.Encrypted{Form: e.Form, Content: []byte(strings.Replace(string(content), from, to, 1))}
	}
	_, err = keys(t, opener(t)).Decrypt(t.Context(), edit("    age:\n", "    kms:\n        - arn: a\n    hc_vault:\n        - vault_address: https://127.0.0.1:1\n    x:\n"))
	says(t, err, "only for kms, hc_vault", "no key service")
	_, err = keys(t, opener(t)).Decrypt(t.Context(), edit("    age:\n", "    key_groups:\n        - age: []\n    age:\n"))
	says(t, err, "several key groups")
	_, err = keys(t, opener(t)).Decrypt(t.Context(), edit("    age:\n", "    age: {\n"))
	says(t, err, "cannot be read")
	k, err := New(Options{Identities: []string{opener(t)}, Program: "no-such-sops"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = k.Decrypt(t.Context(), e)
	says(t, err, "there is no program no-such-sops", "https://getsops.io")
}

// standIn is a program in the place of sops.
func standIn(t *testing.T, script string, limit time.Duration) *Keys {
	t.Helper()
	program := filepath.Join(t.TempDir(), "sops")
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	k, err := New(Options{Identities: []string{opener(t)}, Program: program, Limit: limit})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestHowTheProgramIsRun: what it is given, and that it cannot do harm.
func TestHowTheProgramIsRun(t *testing.T) {
	t.Setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
	e := spec.Encrypted{Form: spec.EncryptedSOPSDotenv, Content: testdata(t, "compose.env")}
	text, err := standIn(t, `echo "$*"; env | grep -v ^PWD= | cut -d= -f1 | sort | tr '\n' ' '; echo; cat "$SOPS_AGE_KEY_FILE" "$SOPS_AGE_KEY_FILE" | grep -c AGE-SECRET; grep -c sops_mac; pwd`, 0).Decrypt(t.Context(), e)
	want := "--decryption-order age --input-type dotenv --output-type dotenv --decrypt /dev/stdin\nHOME PATH SOPS_AGE_KEY_FILE \n2\n1\n/\n"
	if err != nil || string(text) != want {
		t.Errorf("got\n%s%v, want\n%s", text, err, want)
	}
	for script, words := range map[string]string{
		"sleep 60":                  "longer than 50ms",
		"exec yes":                  "larger than 4 MiB",
		"echo hunter2; exit 51 >&2": "does not fit its MAC",
		"echo hunter2 >&2; exit 1":  "sops 3.9 or newer",
		"exit 128":                  "with the identity that fits",
		"exit 7":                    "exit status 7",
	} {
		limit := time.Minute
		if strings.HasPrefix(script, "sleep") {
			limit = 50 * time.Millisecond
		}
		text, err := standIn(t, script, limit).Decrypt(t.Context(), e)
		says(t, err, words)
		if text != nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %q, %v", script, text, err)
		}
	}
	given, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := standIn(t, "sleep 60", 0).Decrypt(given, e); !errors.Is(err, context.Canceled) {
		t.Errorf("given up, it says %v", err)
	}
}
