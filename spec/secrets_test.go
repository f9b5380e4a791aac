package spec

import (
	"context"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func TestSecrets(t *testing.T) {
	asked := 0
	dir := files(t, map[string]string{
		"compose.yaml": `
include: [sub/more.yaml]
services:
  web:
    image: a
    secrets:
      - password
      - {source: key, target: tls.key, uid: "1000", gid: "1001", mode: 0440}
      - {source: key, target: /etc/app/key.pem, mode: "0400"}
      - from_env
      - inner
secrets:
  password: {file: ./password.txt}
  key: {file: key.age}
  from_env: {environment: TOKEN}
  unused: {file: none.txt}
`,
		"password.txt": "hunter two\n", "key.age": scrambled("a\x00b"), ".env": "TOKEN=t0ken\n",
		"sub/more.yaml": "secrets: {inner: {file: inner.txt}}\n", "sub/inner.txt": "inside",
	})
	p := mustLoad(t, Options{Dir: dir, ProjectName: "p", Decrypt: unscramble(&asked)})
	got := find(t, p, "web").Container.Secrets
	want := []Secret{
		{Target: "/etc/app/key.pem", Mode: 0o400, Content: "a\x00b"},
		{Target: "/run/secrets/from_env", Mode: 0o444, Content: "t0ken"},
		{Target: "/run/secrets/inner", Mode: 0o444, Content: "inside"},
		{Target: "/run/secrets/password", Mode: 0o444, Content: "hunter two\n"},
		{Target: "/run/secrets/tls.key", UID: 1000, GID: 1001, Mode: 0o440, Content: "a\x00b"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var kept Project
	if err := json.Unmarshal(text, &kept); err != nil || !reflect.DeepEqual(find(t, &kept, "web").Container.Secrets, want) {
		t.Errorf("kept as %+v, %v", find(t, &kept, "web").Container.Secrets, err)
	}
	if err := kept.Validate(Policy{}); err != nil {
		t.Errorf("what was loaded is not valid: %v", err)
	}
}

// TestASecretIsPartOfTheRevisionAndNotShown: a changed content is a new revision,
// and nobody sees which.
func TestASecretIsPartOfTheRevisionAndNotShown(t *testing.T) {
	with := func(content string) *Project {
		return mustLoad(t, Options{ProjectName: "p", Dir: files(t, map[string]string{
			"compose.yaml": "services: {web: {image: a, secrets: [s]}}\nsecrets: {s: {file: s}}\n", "s": content,
		})})
	}
	a, b := with("hunter-one"), with("hunter-two")
	one, two := find(t, a, "web"), find(t, b, "web")
	if RevisionID(one.Container, 0, "d") == RevisionID(two.Container, 0, "d") || Fingerprint(one) == Fingerprint(two) {
		t.Error("another content is the same revision")
	}
	shown, err := json.Marshal(one.Container.Shown())
	if err != nil {
		t.Fatal(err)
	}
	changes := Diff(*a, *b)
	if len(changes) != 1 || changes[0].Path != "services.web.container.secrets[0].content" || changes[0].New != "(changed)" {
		t.Errorf("changes %+v", changes)
	}
	without := mustCompose(t, "services: {web: {image: a}}")
	for _, d := range [][]Change{changes, Diff(*a, *without), Diff(*without, *b)} {
		for _, c := range d {
			shown = append(shown, c.String()...)
		}
	}
	for _, s := range []string{"hunter", "aHVudGVy"} {
		if strings.Contains(string(shown), s) {
			t.Errorf("told: %s", shown)
		}
	}
	if !strings.Contains(string(shown), `"content":"(hidden)"`) || !strings.Contains(string(shown), "/run/secrets/s") {
		t.Errorf("shown as %s", shown)
	}
}

func TestSecretsThatAreRefused(t *testing.T) {
	for _, c := range []struct{ what, service, secrets, want string }{
		{"undeclared", "secrets: [other]", "s: {file: s}", "services.web.secrets[0]: there is no secret \"other\"; declare it"},
		{"no file", "secrets: [s]", "s: {file: none}", "compose.yaml:6: secrets.s.file: none does not exist"},
		{"outside", "secrets: [s]", "s: {file: /etc/shadow}", "secrets.s.file: /etc/shadow lies outside the folder"},
		{"external", "secrets: [s]", "s: {external: true}", "secrets.s.external: Teal does not honour this key: an engine without Swarm keeps no secrets"},
		{"nothing", "secrets: [s]", "s: {}", "secrets.s"},
		{"both", "secrets: [s]", "s: {file: s, environment: A}", "secrets.s"},
		{"no variable", "secrets: [s]", "s: {environment: HOME}", "secrets.s.environment: the variable HOME has no value"},
		{"a user's name", "secrets: [{source: s, uid: web}]", "s: {file: s}", `services.web.secrets[0].uid: "web" is not a number`},
		{"a bad mode", "secrets: [{source: s, mode: 04755}]", "s: {file: s}", "the mode of /run/secrets/s must be from 0 to 0777"},
		{"twice", "secrets: [s, {source: s, target: s}]", "s: {file: s}", "services.web.secrets"},
		{"inside another", "secrets: [s, {source: s, target: s/t}]", "s: {file: s}", "/run/secrets/s/t would be inside another secret"},
		{"up", "secrets: [{source: s, target: ../../etc/passwd}]", "s: {file: s}", "must be an absolute path below /"},
		{"in /proc", "secrets: [{source: s, target: /proc/x}]", "s: {file: s}", "/proc/x cannot hold secrets"},
		{"on a tmpfs", "secrets: [s]\n    tmpfs: [/run]", "s: {file: s}", "/run/secrets/s would be on the mount at /run"},
		{"below a volume", "secrets: [s]\n    volumes: [vol:/run/secrets]", "s: {file: s}", "would be on the mount at /run/secrets"},
		{"a read-only root", "read_only: true\n    secrets: [{source: s, target: /etc/s}]", "s: {file: s}", "with read_only: true, secrets can only be below /run/secrets, not at /etc/s"},
		{"too large", "secrets: [large]", "large: {file: large}", "/run/secrets/large is larger than 500 KiB"},
		{"an unknown key", "secrets: [{source: s, owner: 1}]", "s: {file: s}", "services.web.secrets[0].owner: unknown key"},
	} {
		dir := files(t, map[string]string{
			"compose.yaml": "services:\n  web:\n    image: a\n    " + c.service + "\nsecrets:\n  " + c.secrets + "\nvolumes: {vol: {}}\n",
			"s":            "x", "large": strings.Repeat("x", maxSecret+1),
		})
		_, err := Load(context.Background(), Options{Dir: dir, ProjectName: "p"})
		if err == nil {
			t.Errorf("%s: not refused", c.what)
			continue
		}
		refused(t, err, c.want)
	}
	p := mustLoad(t, Options{ProjectName: "p", Dir: files(t, map[string]string{
		"compose.yaml": "services: {web: {image: a, read_only: true, secrets: [s]}}\nsecrets: {s: {file: s}}\n", "s": "x",
	})})
	for range 3 {
		s := &p.Services[0].Container.Secrets
		*s = append(*s, Secret{Target: "/run/secrets/" + strings.Repeat("t", len(*s)), Mode: 0o444, Content: Blob(strings.Repeat("x", maxSecret))})
	}
	refused(t, p.Validate(Policy{}), "together they are larger than 1024 KiB")
}
