package spec

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// scrambled stands for an encrypted file: age's header, and the text reversed.
func scrambled(text string) string {
	b := []byte(text)
	slices.Reverse(b)
	return "age-encryption.org/v1\n" + string(b)
}

// unscramble counts how often it is asked.
func unscramble(asked *int) func(context.Context, Encrypted) ([]byte, error) {
	return func(_ context.Context, e Encrypted) ([]byte, error) {
		*asked++
		text := bytes.TrimPrefix(bytes.Clone(e.Content), ageBinary)
		if bytes.HasPrefix(text, []byte("damaged")) {
			return nil, &DecryptError{Message: "is not whole", Hint: "write it again"}
		}
		slices.Reverse(text)
		return text, nil
	}
}

func TestWhatIsEncryptedIsKnownByItsContent(t *testing.T) {
	for content, want := range map[string]Encryption{
		"":                                     "",
		"A=1\nB=ENC[x]":                        "",
		"services: {}":                         "",
		"age-encryption.org/v1\n-> X25519 x\n": EncryptedAge,
		"\n-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n":                                           EncryptedAge,
		"# age-encryption.org/v1\n":                                                              "",
		"a: ENC[AES256_GCM,data:x]\nsops:\n    age: []\n    mac: ENC[AES256_GCM,data:y]\n":       EncryptedSOPSYAML,
		"sops:\n    age:\n        - enc: |\n            x\n\n            y\n    mac: ENC[AES]\n": EncryptedSOPSYAML,
		"A=ENC[AES256_GCM,data:x]\nsops_mac=ENC[AES256_GCM,data:y]\n":                            EncryptedSOPSDotenv,
		"[a]\nb=ENC[AES256_GCM,data:x]\n[sops]\nversion = 3\nmac     = ENC[AES256_GCM,data:y]\n": EncryptedSOPSINI,
		`{"data": "ENC[AES256_GCM,data:x]", "sops": {"mac": "ENC[AES256_GCM,data:y]"}}`:          EncryptedSOPSBinary,
		`{"data": "ENC[AES256_GCM,data:x]", "b": 1, "sops": {"mac": "ENC[AES256_GCM,data:y]"}}`:  EncryptedSOPSJSON,
		`{"services": {"a": "ENC[AES256_GCM,data:x]"}, "sops": {"mac": "ENC[AES256_GCM,da:y]"}}`: EncryptedSOPSJSON,
	} {
		if got, err := EncryptionOf([]byte(content)); err != nil || got != want {
			t.Errorf("%q: got %q, %v, want %q", content, got, err, want)
		}
	}
	for _, cut := range []string{
		"A=ENC[AES256_GCM,data:x,iv:y,tag:z,type:str]\n", "a: ENC[AES256_GCM,data:x,iv:y,tag:z,type:str]\nsops:\n    age: []\n",
		`{"a": "ENC[AES256_GCM,data:x]", "sops": {}}`,
	} {
		if got, err := EncryptionOf([]byte(cut)); err == nil {
			t.Errorf("%q is taken for %q", cut, got)
		}
	}
}

// TestEveryFileMayBeEncrypted: the Compose file, what it includes and extends,
// .env, env files.
func TestEveryFileMayBeEncrypted(t *testing.T) {
	dir := files(t, map[string]string{
		"compose.yaml": scrambled("include: [more.yaml]\nservices:\n  a:\n    extends: {file: base.yaml, service: b}\n    image: \"${IMAGE}\"\n    env_file: [a.env, plain.env]\n"),
		"more.yaml":    scrambled("services: {c: {image: \"c:1\"}}"),
		"base.yaml":    scrambled("services: {b: {command: [run]}}"),
		".env":         scrambled("IMAGE=a:1\n"),
		"a.env":        scrambled("PASSWORD='hunter two'\n"),
		"plain.env":    "PLAIN=1\n",
	})
	asked := 0
	opts := Options{Dir: dir, ProjectName: "p", Decrypt: unscramble(&asked), Keys: []string{"/etc/key"}}
	p := mustLoad(t, opts)
	a := find(t, p, "a")
	if a.Container.Image != "a:1" || a.Container.Environment["PASSWORD"] != "hunter two" || a.Container.Environment["PLAIN"] != "1" || a.Container.Command[0] != "run" {
		t.Errorf("got %+v", a.Container)
	}
	find(t, p, "c")
	if asked != 5 {
		t.Errorf("decrypted %d times, want once for each of 5 files", asked)
	}
	for _, want := range []string{"/etc/key", filepath.Join(dir, "a.env"), filepath.Join(dir, "base.yaml")} {
		if !slices.Contains(p.Source.Inputs, want) {
			t.Errorf("%s is not among the inputs %q", want, p.Source.Inputs)
		}
	}
	plain := Options{Dir: files(t, map[string]string{"compose.yaml": "services: {a: {image: a}}"}), ProjectName: "p", Keys: opts.Keys}
	if p := mustLoad(t, plain); slices.Contains(p.Source.Inputs, "/etc/key") {
		t.Error("the key is an input though nothing is encrypted")
	}
}

func TestEncryptedWithoutKeyIsRefused(t *testing.T) {
	dir := files(t, map[string]string{
		"compose.yaml": "services:\n  a:\n    image: a\n    env_file: [a.env]\n", "a.env": scrambled("A=1\n"),
	})
	_, err := Load(t.Context(), Options{Dir: dir, ProjectName: "p", Keys: []string{"/k"}})
	refused(t, err, "compose.yaml:4: services.a.env_file[0]: env file a.env: is encrypted (age), and there is no key; name a file with an age identity: --age-identity FILE")
	var asked int
	if err := os.WriteFile(filepath.Join(dir, "a.env"), append(bytes.Clone(ageBinary), "damaged"...), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Load(t.Context(), Options{Dir: dir, ProjectName: "p", Decrypt: unscramble(&asked)})
	refused(t, err, "compose.yaml:4: services.a.env_file[0]: env file a.env: is not whole; write it again")
	if err := os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte("a: ENC[AES256_GCM,data:x]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Load(t.Context(), Options{Dir: dir, ProjectName: "p"})
	refused(t, err, "compose.yaml: compose.yaml: holds values that SOPS encrypted, but not the block with its keys")
}

// TestMistakesInEncryptedFilesTellNoValues: neither those of the file nor those
// that stand in for a variable.
func TestMistakesInEncryptedFilesTellNoValues(t *testing.T) {
	secret := "s3cr3t-value"
	for what, text := range map[string]string{
		"an image":          "services: {a: {image: \"" + secret + " x\"}}",
		"a variable":        "services: {a: {image: \"${SECRET}:${SECRET}:1\"}}",
		"a number":          "services: {a: {image: a, scale: " + secret + "}}",
		"a duration":        "services: {a: {image: a, stop_grace_period: " + secret + "}}",
		"a port":            "services: {a: {image: a, ports: [\"" + secret + ":80\"]}}",
		"an enumeration":    "services: {a: {image: a, pull_policy: " + secret + "}}",
		"a restart policy":  "services: {a: {image: a, restart: " + secret + "}}",
		"x-teal":            "services: {a: {image: a, x-teal: {active: " + secret + "}}}",
		"a required string": "services: {a: {image: a, environment: [\"A=${B:?" + secret + "}\"]}}",
		"a bind":            "services: {a: {image: a, volumes: [\"/" + secret + ":/x\"]}}",
		"a network":         "services: {a: {image: a, networks: [" + secret + "]}}",
		"no YAML":           "services: {a: {image: " + secret + "}",
		"a tag":             "services: {a: !!int " + secret + "}",
	} {
		asked := 0
		dir := files(t, map[string]string{"compose.yaml": scrambled(text), ".env": scrambled("SECRET='" + secret + "'\n")})
		_, err := Load(t.Context(), Options{Dir: dir, ProjectName: "p", Decrypt: unscramble(&asked)})
		if err == nil {
			t.Errorf("%s: not refused", what)
		} else if strings.Contains(err.Error(), secret) {
			t.Errorf("%s: told: %v", what, err)
		}
	}
}
