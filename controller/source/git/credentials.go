package git

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// Credentials are files with what a server is shown. They are read anew for each
// request, so that a token may be renewed in place.
type Credentials struct {
	TokenFile    string // https: a token
	Username     string // https: beside a password or token; default for a token: git
	PasswordFile string // https
	CA           string // https: PEM file with the only authorities that are trusted; empty: the system's
	Identity     string // ssh: private key
	KnownHosts   string // ssh: the server's key; empty: the user's and the system's own
}

// errReadable says that a file with a secret is open to others.
var errReadable = errors.New("may be read by others")

// header is the value of Authorization; empty: none.
func (c Credentials) header() (string, error) {
	user, secret, err := c.basic()
	if err != nil || secret == "" {
		return "", err
	}
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+secret)), nil
}

// basic is what the server is shown; an empty secret: nothing. Servers of all
// kinds take a token as the password of any user.
func (c Credentials) basic() (user, secret string, err error) {
	file := c.TokenFile
	if file == "" {
		file = c.PasswordFile
	}
	if file == "" {
		return "", "", nil
	}
	if user = c.Username; user == "" {
		user = "git"
	}
	if secret, err = readSecret(file); err != nil {
		return "", "", &FollowError{Reason: ReasonCredentials, Message: err.Error(), Err: err}
	}
	return user, secret, nil
}

// readSecret reads the first line of a file that only its owner may read.
func readSecret(file string) (string, error) {
	if err := closed(file); err != nil {
		return "", err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read the credentials: %w", err)
	}
	secret := strings.TrimRight(string(text), "\r\n")
	switch {
	case secret == "":
		return "", fmt.Errorf("%s is empty", file)
	case strings.ContainsAny(secret, "\r\n\x00"):
		return "", fmt.Errorf("%s has more than one line", file)
	}
	return secret, nil
}

// closed refuses a secret that others may read.
func closed(file string) error {
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s does not exist", file)
	}
	if err != nil {
		return fmt.Errorf("look at the credentials: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("%s %w (mode %04o); type: chmod 600 %s", file, errReadable, mode, file)
	}
	return nil
}
