package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	gogit "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
	"golang.org/x/crypto/ssh"
)

// library is a copy that go-git makes where no git program is. It knows no
// partial copies: every fetch brings all files of the newest commits.
type library struct {
	address     Address
	credentials Credentials
	limit       time.Duration
	dir         string // where copies are made

	folder string // of the present one
	repo   *gogit.Repository
}

// historyDepth is how much of the history is fetched to look for the commit that
// was followed before.
const historyDepth = 50

func (l *library) pull(ctx context.Context, ref string, since time.Time) (string, error) {
	depth := 1
	if !since.IsZero() {
		depth = historyDepth
	}
	if err := l.deepen(ctx, ref, depth); err != nil {
		return "", err
	}
	found, err := l.repo.Reference("refs/teal/new", false)
	if err != nil {
		return "", fmt.Errorf("read what was fetched: %w", err)
	}
	return found.Hash().String(), nil
}

// deepen makes the copy anew: a shallow one does not grow reliably there.
func (l *library) deepen(ctx context.Context, ref string, depth int) error {
	ctx, cancel := context.WithTimeout(ctx, l.limit)
	defer cancel()
	if err := l.close(); err != nil {
		return err
	}
	folder, err := os.MkdirTemp(l.dir, cachePrefix)
	if err != nil {
		return fmt.Errorf("make a copy: %w", err)
	}
	l.folder = folder
	if l.repo, err = gogit.PlainInit(folder, true); err != nil {
		return fmt.Errorf("make a copy: %w", err)
	}
	remote, err := l.repo.CreateRemote(&config.RemoteConfig{Name: "origin", URLs: []string{l.address.String()}})
	if err != nil {
		return fmt.Errorf("make a copy: %w", err)
	}
	auth, err := l.auth()
	if err != nil {
		return err
	}
	authority, err := l.authority()
	if err != nil {
		return err
	}
	err = remote.FetchContext(ctx, &gogit.FetchOptions{
		RefSpecs: []config.RefSpec{config.RefSpec("+" + ref + ":refs/teal/new")},
		Depth:    depth, Auth: auth, CABundle: authority, Tags: gogit.NoTags, Force: true,
	})
	if err != nil && !errors.Is(err, gogit.NoErrAlreadyUpToDate) {
		return unreachable(fmt.Errorf("fetch from %s: %w", l.address, plain(err)))
	}
	return nil
}

func (l *library) authority() ([]byte, error) {
	if l.credentials.CA == "" {
		return nil, nil
	}
	text, err := os.ReadFile(l.credentials.CA)
	if err != nil {
		return nil, fmt.Errorf("read the authority: %w", err)
	}
	return text, nil
}

// auth is what the library shows the server.
func (l *library) auth() (transport.AuthMethod, error) {
	if l.address.Scheme == "ssh" {
		return &sshAuth{server: &sshServer{address: l.address, credentials: l.credentials}}, nil
	}
	user, secret, err := l.credentials.basic()
	if err != nil || secret == "" {
		return nil, err
	}
	return &githttp.BasicAuth{Username: user, Password: secret}, nil
}

// sshAuth has the library connect as the polls do.
type sshAuth struct{ server *sshServer }

// Name implements the library's interface.
func (a *sshAuth) Name() string { return "teal" }

// String implements the library's interface.
func (a *sshAuth) String() string { return a.server.address.String() }

// ClientConfig implements the library's interface.
func (a *sshAuth) ClientConfig() (*ssh.ClientConfig, error) {
	config, _, err := a.server.config()
	return config, err
}

// bring has nothing to do: all files are here.
func (l *library) bring(context.Context, []string) error { return errMissing }

func (l *library) object(id string) (kind, []byte, error) {
	if l.repo == nil {
		return "", nil, errMissing
	}
	o, err := l.repo.Storer.EncodedObject(plumbing.AnyObject, plumbing.NewHash(id))
	if errors.Is(err, plumbing.ErrObjectNotFound) {
		return "", nil, fmt.Errorf("%s: %w", id, errMissing)
	}
	if err != nil {
		return "", nil, fmt.Errorf("read object %s: %w", id, err)
	}
	if o.Size() > maxObject {
		return "", nil, fmt.Errorf("object %s is of %d bytes, more than %d", id, o.Size(), maxObject)
	}
	in, err := o.Reader()
	if err != nil {
		return "", nil, fmt.Errorf("read object %s: %w", id, err)
	}
	raw, err := io.ReadAll(in)
	if err := errors.Join(err, in.Close()); err != nil {
		return "", nil, fmt.Errorf("read object %s: %w", id, err)
	}
	return kind(o.Type().String()), raw, nil
}

func (l *library) rest() error { return nil }

// worn: every pull begins anew.
func (l *library) worn() bool { return false }

func (l *library) close() error {
	if l.folder == "" {
		return nil
	}
	l.repo = nil
	if err := os.RemoveAll(l.folder); err != nil {
		return fmt.Errorf("remove a copy: %w", err)
	}
	l.folder = ""
	return nil
}
