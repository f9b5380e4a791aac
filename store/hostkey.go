package store

import (
	"bytes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/crypto/chacha20poly1305"
)

// KeyFile is the name of the host key beside the store, where none is named.
const KeyFile = "host.key"

// The text of a host key: one line of it is keyMark and the key in base64; lines
// that begin with # say what it is for.
const (
	keyMark = "teal-host-key-1 "
	keyText = "# The host key of Teal: it opens teal.db, and backups of it. Keep a copy, apart from them.\n"
	keyMost = 4 << 10 // bytes
)

// hostKey encrypts values with XChaCha20-Poly1305, each with a random nonce,
// which is long enough to never come twice.
type hostKey struct {
	id   string // eight hex digits, which tell nothing about the key
	aead cipher.AEAD
}

func newHostKey(secret []byte) (*hostKey, error) {
	aead, err := chacha20poly1305.NewX(secret)
	if err != nil {
		return nil, err
	}
	id := sha256.Sum256(append([]byte("id of a host key of Teal: "), secret...))
	return &hostKey{id: hex.EncodeToString(id[:4]), aead: aead}, nil
}

// seal encrypts body for its place.
func (k *hostKey) seal(place, body []byte) []byte {
	nonce := make([]byte, chacha20poly1305.NonceSizeX, chacha20poly1305.NonceSizeX+len(body)+chacha20poly1305.Overhead)
	_, _ = rand.Read(nonce) // ends the program rather than to fail
	return k.aead.Seal(nonce, nonce, body, place)
}

// open is the reverse of seal; ok is false for what seal did not make.
func (k *hostKey) open(place, sealed []byte) (body []byte, ok bool) {
	if len(sealed) < chacha20poly1305.NonceSizeX {
		return nil, false
	}
	body, err := k.aead.Open(nil, sealed[:chacha20poly1305.NonceSizeX], sealed[chacha20poly1305.NonceSizeX:], place)
	return body, err == nil
}

// keyring is where the host key of a store is.
type keyring struct {
	file  string
	named bool // by the operator: it is never made
}

func keyringOf(path, file string) keyring {
	if file != "" {
		return keyring{file: file, named: true}
	}
	return keyring{file: filepath.Join(filepath.Dir(path), KeyFile)}
}

// get returns the key with the id of a store that is encrypted.
func (r keyring) get(path, id string) (*hostKey, error) {
	k, err := r.load()
	if err == nil && k.id != id {
		err = fmt.Errorf("is another one, %s", k.id)
	}
	if err != nil {
		return nil, &KeyError{Path: path, File: r.file, Key: id, Words: err.Error()}
	}
	return k, nil
}

// getOrMake returns the key for a store that is not encrypted yet.
func (r keyring) getOrMake(path string) (*hostKey, error) {
	k, err := r.load()
	if errors.Is(err, fs.ErrNotExist) && !r.named {
		if err := makeKey(r.file); err != nil {
			return nil, fmt.Errorf("make the host key %s: %w", r.file, err)
		}
		k, err = r.load()
	}
	if err != nil {
		return nil, &KeyError{Path: path, File: r.file, Words: err.Error()}
	}
	return k, nil
}

// load reads the key. Its errors continue "the host key FILE", and hold nothing
// of the key.
func (r keyring) load() (*hostKey, error) {
	text, err := readKey(r.file)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		code, marked := strings.CutPrefix(line, keyMark)
		secret, err := base64.StdEncoding.DecodeString(code)
		if !marked || err != nil || len(secret) != chacha20poly1305.KeySize {
			break
		}
		return newHostKey(secret)
	}
	return nil, errors.New("is not a host key")
}

// errNoKey says that there is no file.
var errNoKey = fmt.Errorf("is missing%w", silent{fs.ErrNotExist})

// silent wraps an error without words of its own.
type silent struct{ error }

func (silent) Error() string   { return "" }
func (s silent) Unwrap() error { return s.error }

// readKey reads a file that nobody but its owner may read, or, if that is root,
// one group.
func readKey(name string) (text []byte, err error) {
	file, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNoKey
	}
	if err != nil {
		return nil, unreadable(err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return nil, unreadable(err)
	}
	closed := fs.FileMode(0o077)
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && owner.Uid == 0 {
		closed = 0o037
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("is not a regular file")
	}
	if mode := info.Mode().Perm(); mode&closed != 0 {
		return nil, fmt.Errorf("may be read by others (mode %04o; chmod 600)", mode)
	}
	if text, err = io.ReadAll(io.LimitReader(file, keyMost)); err != nil {
		return nil, unreadable(err)
	}
	return text, nil
}

func unreadable(err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		err = path.Err
	}
	return fmt.Errorf("cannot be read: %w", err)
}

// makeKey makes a new key, whole or not at all, and brings it to the disk: what
// is encrypted with it comes later. The caller holds the lock of the store.
func makeKey(name string) error {
	secret := make([]byte, chacha20poly1305.KeySize)
	_, _ = rand.Read(secret) // ends the program rather than to fail
	text := bytes.NewBufferString(keyText + keyMark + base64.StdEncoding.EncodeToString(secret) + "\n")
	fresh := name + copyMark
	if err := receive(fresh, text); err != nil {
		return errors.Join(err, removeLeft(fresh))
	}
	if err := os.Rename(fresh, name); err != nil {
		return err
	}
	return syncFolder(name)
}
