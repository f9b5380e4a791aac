package trust

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
)

// is fails unless err is what is wanted, nil included.
func is(t *testing.T, what string, err, want error) {
	t.Helper()
	if want == nil && err != nil || want != nil && !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

func TestSignedByARealGPG(t *testing.T) {
	h := newHouse(t)
	ann := h.gpgKey("ann <ann@example.com>", "ed25519", "1y")
	bob := h.gpgKey("bob <bob@example.com>", "rsa2048", "0")
	both, onlyBob := h.keyring(ann, bob), h.keyring(bob)
	byAnn, byBob, byNobody := h.commit("ann"), h.commit("bob"), h.commit("")
	for _, raw := range [][]byte{byAnn, byBob} {
		_, err := both.Commit(raw, now())
		is(t, "listed", err, nil)
	}
	if who, _ := both.Commit(byAnn, now()); !strings.HasPrefix(who, "ann <ann@example.com> (OpenPGP ") {
		t.Errorf("signed by %q", who)
	}
	_, err := onlyBob.Commit(byAnn, now())
	is(t, "not listed", err, ErrUnknownKey)
	_, err = both.Commit(byNobody, now())
	is(t, "not signed", err, ErrUnsigned)
	tampered(t, both, byAnn)
	injected(t, both, byAnn, byBob)
	_, err = both.Commit(h.commit("bob", "gpg.program="+h.program("#!/bin/sh\nexec gpg --digest-algo SHA1 \"$@\"\n")), now())
	is(t, "SHA-1", err, ErrWeak)
}

// program writes an executable file.
func (h *house) program(text string) string {
	h.t.Helper()
	path := h.file("program", text)
	h.run("chmod", "755", path)
	return path
}

// tampered changes every byte of a commit, one at a time: none is trusted.
func tampered(t *testing.T, k *Keyring, raw []byte) {
	t.Helper()
	from := bytes.Index(raw, []byte("gpgsig "))
	to := from + bytes.Index(raw[from:], []byte("\n\n"))
	for i := range raw {
		if i >= from && i <= to && i%16 != 0 {
			continue // armor has bytes that mean nothing
		}
		other := bytes.Clone(raw)
		other[i] ^= 0x01
		who, err := k.Commit(other, now())
		if err == nil && (i < from || i > to) {
			t.Fatalf("byte %d (%q) was changed, and it is signed by %s:\n%s", i, raw[i], who, other)
		}
	}
	for what, other := range map[string][]byte{
		"cut":         raw[:len(raw)-1],
		"longer":      append(bytes.Clone(raw), '\n'),
		"CRLF":        bytes.ReplaceAll(raw, []byte("\n"), []byte("\r\n")),
		"empty":       nil,
		"no head":     []byte("\n"),
		"a CR inside": bytes.Replace(raw, []byte("\nauthor "), []byte("\r\nauthor "), 1),
	} {
		if who, err := k.Commit(other, now()); err == nil {
			t.Errorf("%s: signed by %s", what, who)
		}
	}
}

// injected puts headers into a signed commit, and the signature of another.
func injected(t *testing.T, k *Keyring, raw, other []byte) {
	t.Helper()
	cut := func(b []byte) []byte {
		from := bytes.Index(b, []byte("gpgsig "))
		return b[from : from+bytes.Index(b[from:], []byte("\n\n"))+1]
	}
	tree := raw[:bytes.IndexByte(raw, '\n')+1]
	evil := bytes.Replace(tree, tree[5:9], []byte("0000"), 1)
	for what, c := range map[string]struct {
		raw  []byte
		want error
	}{
		"two signatures":       {bytes.Replace(raw, cut(raw), append(cut(raw), cut(raw)...), 1), ErrMalformed},
		"two of other kinds":   {bytes.Replace(raw, cut(raw), append(bytes.Replace(cut(other), []byte("gpgsig "), []byte("gpgsig-sha256 "), 1), cut(raw)...), 1), ErrMalformed},
		"another tree first":   {append(bytes.Clone(evil), raw...), ErrMalformed},
		"another tree last":    {bytes.Replace(raw, []byte("\n\n"), append(append([]byte("\n"), evil...), '\n'), 1), ErrMalformed},
		"another's signature":  {bytes.Replace(raw, cut(raw), cut(other), 1), ErrBad},
		"a header more":        {bytes.Replace(raw, []byte("gpgsig "), []byte("x-teal evil\ngpgsig "), 1), ErrBad},
		"text beside the seal": {bytes.Replace(raw, []byte(" SIGNATURE-----\n\n"), []byte(" SIGNATURE-----\n evil\n\n"), 1), ErrMalformed},
	} {
		_, err := k.Commit(c.raw, now())
		is(t, what, err, c.want)
	}
}

func TestSignedByARealSSHKey(t *testing.T) {
	h := newHouse(t)
	ann, bob, rsa, ec := h.sshKey("ann", "-t", "ed25519"), h.sshKey("bob", "-t", "ed25519"), h.sshKey("rsa", "-t", "rsa", "-b", "2048"), h.sshKey("ec", "-t", "ecdsa")
	all := h.keyring(ann+".pub", rsa+".pub", ec+".pub")
	for _, key := range []string{ann, rsa, ec} {
		raw := h.commit(key)
		who, err := all.Commit(raw, now())
		is(t, key, err, nil)
		if !strings.Contains(who, "@example.com (ssh SHA256:") {
			t.Errorf("signed by %q", who)
		}
		tampered(t, all, raw)
	}
	byAnn, byBob := h.commit(ann), h.commit(bob)
	_, err := all.Commit(byBob, now())
	is(t, "not listed", err, ErrUnknownKey)
	injected(t, h.keyring(ann+".pub", bob+".pub"), byAnn, byBob)
	foreign := h.program(strings.ReplaceAll("#!/bin/sh\nfor last; do :; done\nexec ssh-keygen -Y sign -n file -f KEY \"$last\"\n", "KEY", ann))
	_, err = all.Commit(h.commit(ann, "gpg.ssh.program="+foreign), now())
	is(t, "signed for files", err, ErrNamespace)
}

func TestAllowedSigners(t *testing.T) {
	h := newHouse(t)
	ann := h.sshKey("ann", "-t", "ed25519")
	public := strings.TrimSpace(h.read(ann + ".pub"))
	raw := h.commit(ann)
	for line, want := range map[string]error{
		"ann@example.com " + public:                                                       nil,
		"# the team\n\nann@example.com,*@example.org " + public:                           nil,
		`ann@example.com namespaces="git" ` + public:                                      nil,
		`ann@example.com namespaces="file,git",valid-after="20200101Z" ` + public:         nil,
		`ann@example.com namespaces="file" ` + public:                                     ErrNamespace,
		`ann@example.com valid-before="20200101" ` + public:                               ErrExpired,
		`ann@example.com valid-after="20900101" ` + public:                                ErrExpired,
		"ann@example.com valid-before=\"20200101\" " + public + "\nann@home " + public:    nil,
		`ann@example.com valid-after="20200101",valid-before="20900101120000Z" ` + public: nil,
	} {
		_, err := h.keyring(h.file("signers", line)).Commit(raw, now())
		is(t, line, err, want)
	}
	for text, words := range map[string]string{
		"":                                   "has no key",
		"# nobody":                           "has no key",
		"\nann@example.com":                  "signers:2: it names no kind of key",
		"ann cert-authority " + public:       "cert-authority",
		"ann valid-before=soon " + public:    "no time",
		"ann valid-until=\"2026\" " + public: "not an option",
		"ssh-ed25519 AAAA":                   "signers:1: the key is damaged",
		h.read(ann):                          "private key",
	} {
		_, err := Load([]string{h.file("signers", text)})
		if !errors.Is(err, ErrKeys) || !strings.Contains(err.Error(), words) {
			t.Errorf("%q: %v, want words like %q", text, err, words)
		}
	}
	if _, err := Load(nil); !errors.Is(err, ErrKeys) {
		t.Errorf("no files: %v", err)
	}
	if _, err := Load([]string{h.file("weak.pub", h.read(h.sshKey("weak", "-t", "rsa", "-b", "1024")+".pub"))}); err == nil || !strings.Contains(err.Error(), "1024 bits") {
		t.Errorf("a short RSA key: %v", err)
	}
}

func TestTags(t *testing.T) {
	h := newHouse(t)
	ann, sshAnn := h.gpgKey("ann <ann@example.com>", "ed25519", "0"), h.sshKey("sann", "-t", "ed25519")
	k := h.keyring(ann, sshAnn+".pub")
	other := h.commit("")
	otherTag := h.tag("v0.9.0", "ann")
	commit := h.commit("")
	for name, key := range map[string]string{"v1.0.0": "ann", "v1.0.1": sshAnn} {
		raw := h.tag(name, key)
		_, err := k.Tag(raw, commit, name, now())
		is(t, name, err, nil)
		_, err = k.Tag(raw, commit, "v2.0.0", now())
		is(t, "found under another name", err, ErrOther)
		_, err = k.Tag(raw, other, name, now())
		is(t, "put on another commit", err, ErrOther)
		_, err = k.Tag(otherTag, commit, "v0.9.0", now())
		is(t, "a tag of another commit", err, ErrOther)
		for i := range bytes.Index(raw, []byte("-----BEGIN")) {
			changed := bytes.Clone(raw)
			changed[i] ^= 1
			if who, err := k.Tag(changed, commit, "", now()); err == nil {
				t.Fatalf("byte %d was changed: signed by %s", i, who)
			}
		}
		_, err = k.Tag(append(bytes.Clone(raw), "evil\n"...), commit, name, now())
		is(t, "text behind the signature", err, ErrMalformed)
	}
	_, err := k.Tag(h.tag("v1.1.0", ""), commit, "v1.1.0", now())
	is(t, "not signed", err, ErrUnsigned)
	if _, err := k.Commit(otherTag, now()); err == nil {
		t.Errorf("a tag was taken for a commit")
	}
}

func TestKeysThatAreOver(t *testing.T) {
	h := newHouse(t)
	long := h.gpgKey("ann <ann@example.com>", "ed25519", "1y")
	k := h.keyring(long)
	raw := h.commit("ann")
	_, err := k.Commit(raw, now().AddDate(2, 0, 0))
	is(t, "expired by now", err, ErrExpired)
	_, err = k.Commit(raw, now().AddDate(-1, 0, 0))
	is(t, "signed in the future", err, ErrExpired)
	print := strings.Fields(h.run("gpg", "--list-keys", "--with-colons", "ann"))
	id := ""
	for _, line := range print {
		if strings.HasPrefix(line, "fpr:") {
			id = strings.Split(line, ":")[9]
		}
	}
	revocation := strings.ReplaceAll(h.read(h.dir+"/gnupg/openpgp-revocs.d/"+id+".rev"), ":-----BEGIN", "-----BEGIN")
	h.run("gpg", "--batch", "--import", h.file("rev", revocation))
	_, err = h.keyring(h.exported("ann <ann@example.com>")).Commit(raw, now())
	is(t, "revoked", err, ErrRevoked)
	if _, err := k.Commit(raw, now()); err != nil {
		t.Errorf("where the revocation is not known: %v", err)
	}
}

func FuzzObjects(f *testing.F) {
	f.Add([]byte("tree 0\nauthor a <b> 1 +0\ncommitter a <b> 1 +0\ngpgsig -----BEGIN SSH SIGNATURE-----\n U1NIU0lH\n -----END SSH SIGNATURE-----\n\nx"))
	f.Add([]byte("object 0\ntype commit\ntag v1\n\nx\n-----BEGIN PGP SIGNATURE-----\n\n=AAAA\n-----END PGP SIGNATURE-----\n"))
	k := &Keyring{}
	f.Fuzz(func(t *testing.T, raw []byte) {
		at := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
		if who, err := k.Commit(raw, at); err == nil {
			t.Errorf("signed by %s, and there is no key", who)
		}
		if who, err := k.Tag(raw, raw, "", at); err == nil {
			t.Errorf("signed by %s, and there is no key", who)
		}
	})
}
