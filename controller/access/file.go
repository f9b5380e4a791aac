package access

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"teal/controller/api"
)

// Names of what lies in the state folder, all of it for its owner only.
const (
	tokensFile = "tokens.json"
	usesFile   = "tokens.used.json"
	lockFile   = "tokens.lock"
)

// maxFile bounds the tokens' file, in bytes; some thousand tokens.
const maxFile = 1 << 20

// Refusals of [Tokens].
var (
	ErrTaken   = errors.New("there is a token of this name")
	ErrUnknown = errors.New("there is no such token")
)

// Tokens are the tokens of one state folder. They lie in a file, not in the
// store: so they can be made and taken away while the controller runs and while
// it does not, by whoever may write the folder, and by nobody over the network.
type Tokens struct{ dir string }

// In returns the tokens of a state folder. It touches nothing.
func In(state string) Tokens { return Tokens{dir: state} }

// kept is the tokens' file.
type kept struct {
	Version int     `json:"version"` // 1
	Tokens  []Token `json:"tokens"`
}

// List returns the tokens, sorted by name.
func (t Tokens) List() ([]Token, error) {
	path := filepath.Join(t.dir, tokensFile)
	data, err := readSmall(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the tokens: %w", err)
	}
	var k kept
	if err := json.Unmarshal(data, &k); err != nil {
		return nil, fmt.Errorf("read the tokens: %s is damaged; move it away and make the tokens anew: %w", path, err)
	}
	if k.Version != 1 {
		return nil, fmt.Errorf("read the tokens: %s has version %d, this program knows 1; move it away and make the tokens anew", path, k.Version)
	}
	return k.Tokens, nil
}

func readSmall(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, maxFile)
	}
	return os.ReadFile(path)
}

// Create makes a token and returns it: this once, it is kept nowhere. A name
// that is taken is [ErrTaken]. expires zero: never.
func (t Tokens) Create(name string, role api.Role, now, expires time.Time) (string, Token, error) {
	if err := CheckName(name); err != nil {
		return "", Token{}, err
	}
	if role != api.RoleViewer && role != api.RoleOperator {
		return "", Token{}, fmt.Errorf("%q is not a role: viewer or operator", role)
	}
	secret, made := issue(name, role, now, expires)
	err := t.change(func(all []Token) ([]Token, error) {
		if slices.ContainsFunc(all, func(x Token) bool { return x.Name == name }) {
			return nil, fmt.Errorf("%w: %s", ErrTaken, name)
		}
		all = append(all, made)
		slices.SortFunc(all, func(a, b Token) int { return strings.Compare(a.Name, b.Name) })
		return all, nil
	})
	if err != nil {
		return "", Token{}, err
	}
	return secret, made, nil
}

// Remove takes a token away, at once. A name that is not there is [ErrUnknown].
func (t Tokens) Remove(name string) error {
	return t.change(func(all []Token) ([]Token, error) {
		left := slices.DeleteFunc(slices.Clone(all), func(x Token) bool { return x.Name == name })
		if len(left) == len(all) {
			return nil, fmt.Errorf("%w: %q", ErrUnknown, name)
		}
		return left, nil
	})
}

// change rewrites the tokens under a lock.
func (t Tokens) change(edit func([]Token) ([]Token, error)) (err error) {
	if err := os.MkdirAll(t.dir, 0o700); err != nil {
		return fmt.Errorf("make the state folder: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(t.dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("lock the tokens: %w", err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("lock the tokens: %w", err)
	}
	all, err := t.List()
	if err != nil {
		return err
	}
	if all, err = edit(all); err != nil {
		return err
	}
	return t.write(tokensFile, kept{Version: 1, Tokens: all})
}

// write replaces a file by rename, so that a reader sees the old or the new.
func (t Tokens) write(name string, content any) error {
	data, err := json.MarshalIndent(content, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	f, err := os.CreateTemp(t.dir, "."+name+"-*") // its mode is 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	_, err = f.Write(append(data, '\n'))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), filepath.Join(t.dir, name))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", name, err), os.Remove(f.Name()))
	}
	return nil
}

// Uses returns when each token was last admitted, by name, to the minute. What
// cannot be read is nothing: it is for people only.
func (t Tokens) Uses() map[string]time.Time {
	out := map[string]time.Time{}
	data, err := readSmall(filepath.Join(t.dir, usesFile))
	if err != nil || json.Unmarshal(data, &out) != nil || out == nil {
		return map[string]time.Time{}
	}
	return out
}
