package source

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// fingerprints says what each path holds. What cannot be read is a content of
// its own, so that it is noticed when that changes.
func fingerprints(paths []string) map[string]string {
	out := make(map[string]string, len(paths))
	for _, p := range paths {
		sum, err := fingerprint(p)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			sum = "missing"
		case err != nil:
			sum = "unreadable: " + err.Error()
		}
		out[p] = sum
	}
	return out
}

// fingerprint returns the hash of a file's content. A path that is no regular
// file is not opened: reading a pipe could last for ever.
func fingerprint(path string) (sum string, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is a %s, not a file", path, info.Mode().Type())
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
