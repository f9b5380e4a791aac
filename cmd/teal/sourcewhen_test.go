package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"teal/controller/source/git"
	"teal/controller/source/trust"
)

const publicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMvmYBNYONuIf09wFpZg5Tl0pckVT+ij1XmjHTLPfpeo ann@example.com\n"

func TestSourcesSayWhen(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	secret, key, nothing := file("secret", strings.Repeat("x", 32)), file("key.pub", publicKey), file("nothing", "")
	base := "https://git.example.com/ops/shop.git?"
	s, err := readSource("shop", base+"branch=main&every=*/5+*+*+*+*&windows=Mon-Fri+09:00-17:00+Europe/Berlin,Sat+10:00-12:00&freeze=2026-12-20..2027-01-03&trust="+key+"&webhook=github&webhook_secret_file="+secret)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 23, 10, 2, 30, 0, time.UTC)
	if next := s.options.Next(at); next.Before(at.Truncate(5*time.Minute).Add(5*time.Minute)) || next.After(at.Truncate(5*time.Minute).Add(5*time.Minute+30*time.Second)) {
		t.Errorf("next look at %s", next)
	}
	if len(s.calendar.Windows) != 2 || len(s.calendar.Freezes) != 1 || s.calendar.By != "source shop" || s.options.Verify == nil || s.hook == nil {
		t.Errorf("%+v", s)
	}
	if !s.hook.Follows("refs/heads/main") || s.hook.Follows("refs/heads/dev") || s.hook.Follows("refs/tags/main") {
		t.Errorf("pushes to main are of interest, and no other")
	}
	for query, words := range map[string]string{
		"every=soon":                             "schedule not understood",
		"every=100ms":                            "shorter than 1s",
		"windows=always":                         "not a time range",
		"freeze=2027-01-03..2026-12-20":          "ends before it begins",
		"trust=" + nothing:                       "has no key",
		"trust=" + dir + "/none":                 "no such file",
		"trust=":                                 "names no file",
		"webhook=bitbucket&webhook_secret_file=": "none of [github gitlab gitea generic]",
		"webhook=github":                         "needs webhook_secret_file",
		"webhook_secret_file=" + secret:          "who calls",
	} {
		if _, err := readSource("shop", base+query); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v, want words like %q", query, err, words)
		}
	}
	for words, h := range map[string]hooking{
		"nothing listens":        {},
		"not an address":         {address: "nowhere"},
		"not an address of loop": {address: ":9000"},
		"certificate and its":    {address: ":9000", cert: "a"},
	} {
		if err := h.check([]pulled{s}); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%+v: %v, want words like %q", h, err, words)
		}
	}
	if err := (&hooking{address: "127.0.0.1:9000"}).check([]pulled{s}); err != nil {
		t.Error(err)
	}
	if err := (&hooking{address: "127.0.0.1:9000"}).check(nil); err == nil {
		t.Error("nobody is called for, and it listens")
	}
}

func TestVerifierAsksForWhatIsFollowed(t *testing.T) {
	dir := t.TempDir()
	run := func(name string, args ...string) []byte {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=A", "GIT_COMMITTER_EMAIL=a@b")
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s %q: %v", name, args, err)
		}
		return out
	}
	run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ann", "-f", dir+"/key")
	run("git", "init", "-q", ".")
	sign := []string{"-c", "gpg.format=ssh", "-c", "user.signingkey=" + dir + "/key"}
	run("git", append(sign, "commit", "-q", "-S", "--allow-empty", "-m", "x")...)
	run("git", append(sign, "tag", "-s", "-m", "x", "v1.0.0")...)
	commit, tag := run("git", "cat-file", "commit", "HEAD"), run("git", "cat-file", "tag", "v1.0.0")
	files := []string{dir + "/key.pub"}
	for says, c := range map[string]struct {
		follow git.Follow
		signed git.Signed
		want   error
	}{
		"a commit of a branch":            {git.Follow{Branch: "main"}, git.Signed{Commit: commit, Name: "refs/heads/main"}, nil},
		"a signed tag":                    {git.Follow{Tags: ">=1"}, git.Signed{Commit: commit, Tag: tag, Name: "refs/tags/v1.0.0"}, nil},
		"a signed tag under another name": {git.Follow{Tags: ">=1"}, git.Signed{Commit: commit, Tag: tag, Name: "refs/tags/v2.0.0"}, trust.ErrOther},
		"a plain tag on a signed commit":  {git.Follow{Tag: "v9"}, git.Signed{Commit: commit, Name: "refs/tags/v9"}, trust.ErrUnsigned},
		"a commit that nobody has signed": {git.Follow{}, git.Signed{Commit: []byte("tree 0\nauthor a\ncommitter a\n\nx")}, trust.ErrUnsigned},
	} {
		who, err := verifier(files, c.follow)(t.Context(), c.signed)
		if !errors.Is(err, c.want) || c.want == nil && (err != nil || !strings.HasPrefix(who, "ann (ssh ")) {
			t.Errorf("%s: %q, %v, want %v", says, who, err, c.want)
		}
	}
}
