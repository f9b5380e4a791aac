package trust

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// house is a repository and the keys of those who commit to it.
type house struct {
	t   *testing.T
	dir string
	env []string
}

func newHouse(t *testing.T) *house {
	t.Helper()
	dir, err := os.MkdirTemp("", "trust") // short: gpg's socket is in it
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, dir: dir, env: append(os.Environ(),
		"HOME="+dir, "GNUPGHOME="+dir+"/gnupg", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+dir+"/gitconfig",
		"GIT_AUTHOR_NAME=Ann", "GIT_AUTHOR_EMAIL=ann@example.com", "GIT_COMMITTER_NAME=Ann", "GIT_COMMITTER_EMAIL=ann@example.com")}
	if err := os.Mkdir(dir+"/gnupg", 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if out, err := h.try("gpgconf", "--kill", "all"); err != nil {
			t.Errorf("end the agent: %v\n%s", err, out)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	h.run("git", "init", "-q", "-b", "main", dir+"/repo")
	return h
}

// try runs a program in the repository.
func (h *house) try(name string, args ...string) ([]byte, error) {
	cmd := exec.Command(name, args...)
	cmd.Env = h.env
	if _, err := os.Stat(h.dir + "/repo"); err == nil {
		cmd.Dir = h.dir + "/repo"
	}
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return said.Bytes(), err
	}
	return out.Bytes(), nil
}

func (h *house) run(name string, args ...string) string {
	h.t.Helper()
	out, err := h.try(name, args...)
	if err != nil {
		h.t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// gpgKey makes a key of OpenPGP and returns the file with its public half.
func (h *house) gpgKey(user, kind, life string) string {
	h.t.Helper()
	h.run("gpg", "--batch", "--quiet", "--passphrase", "", "--quick-generate-key", user, kind, "sign", life)
	return h.exported(user)
}

func (h *house) exported(user string) string {
	h.t.Helper()
	return h.file(strings.Fields(user)[0]+".asc", h.run("gpg", "--armor", "--export", user))
}

func (h *house) file(name, text string) string {
	h.t.Helper()
	path := filepath.Join(h.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
	return path
}

// sshKey makes an ssh key and returns its file; the public half is beside it.
func (h *house) sshKey(name string, args ...string) string {
	h.t.Helper()
	path := filepath.Join(h.dir, name)
	h.run("ssh-keygen", append([]string{"-q", "-N", "", "-C", name + "@example.com", "-f", path}, args...)...)
	return path
}

// commit makes a commit, signed by a key, and returns it as git hashes it. A key
// that is a path is an ssh key, and an empty one signs nothing.
func (h *house) commit(key string, config ...string) []byte {
	h.t.Helper()
	h.run("git", append(signing(key, config), "commit", "-q", "--allow-empty", "-m", "a change", signed(key))...)
	return []byte(h.run("git", "cat-file", "commit", "HEAD"))
}

// tag puts a tag on the newest commit.
func (h *house) tag(name, key string) []byte {
	h.t.Helper()
	sign := "-s"
	if key == "" {
		sign = "-a"
	}
	h.run("git", append(signing(key, nil), "tag", sign, "-m", "release "+name, name)...)
	return []byte(h.run("git", "cat-file", "tag", name))
}

func signing(key string, config []string) []string {
	out := []string{"-c", "user.signingkey=" + key}
	if strings.HasPrefix(key, "/") {
		out = append(out, "-c", "gpg.format=ssh")
	}
	for _, c := range config {
		out = append(out, "-c", c)
	}
	return out
}

func signed(key string) string {
	if key == "" {
		return "--no-gpg-sign"
	}
	return "-S"
}

func (h *house) keyring(files ...string) *Keyring {
	h.t.Helper()
	k, err := Load(files)
	if err != nil {
		h.t.Fatal(err)
	}
	return k
}

// read returns a file's text.
func (h *house) read(path string) string {
	h.t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		h.t.Fatal(err)
	}
	return string(b)
}

// now is a little later: whole seconds are cut off in objects.
func now() time.Time { return time.Now().Add(2 * time.Second) }
