package dockertest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// RegistryServer is a real registry on the loopback address.
type RegistryServer struct {
	Address string // host:port
	Auth    authn.Authenticator
}

// Credentials make a registry ask for a user and password. Hash is the line's
// bcrypt part, as htpasswd -B writes it.
type Credentials struct {
	User, Password, Hash string
}

// Registry starts Debian's docker-registry with storage of its own. With nil
// credentials everybody may read and write. It is stopped when the test ends.
func Registry(t testing.TB, with *Credentials) *RegistryServer {
	t.Helper()
	binary, err := exec.LookPath("docker-registry")
	if err != nil {
		t.Fatal("this test needs the program docker-registry (Debian package docker-registry): run `make tools`")
	}
	folder := t.TempDir()
	server := &RegistryServer{Address: freeAddress(t), Auth: authn.Anonymous}
	config := fmt.Sprintf("version: 0.1\nlog: {level: warn}\nstorage:\n  filesystem: {rootdirectory: %s}\nhttp: {addr: %q}\n",
		filepath.Join(folder, "data"), server.Address)
	if with != nil {
		server.Auth = authn.FromConfig(authn.AuthConfig{Username: with.User, Password: with.Password})
		users := filepath.Join(folder, "users")
		write(t, users, with.User+":"+with.Hash+"\n")
		config += fmt.Sprintf("auth: {htpasswd: {realm: test, path: %s}}\n", users)
	}
	file := filepath.Join(folder, "config.yml")
	write(t, file, config)
	run(t, exec.Command(binary, "serve", file))
	server.await(t)
	return server
}

// run starts cmd and stops it when the test ends.
func run(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = 5 * time.Second
	if err := startBound(cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Errorf("stop %s: %v", cmd.Path, err)
		}
		if err := cmd.Wait(); err != nil && t.Failed() {
			t.Logf("%s: %v\n%s", cmd.Path, err, output.String())
		}
	})
}

// startBound starts cmd from a thread that lives as long as this process: the
// kernel sends the death signal when the thread that made the process ends.
func startBound(cmd *exec.Cmd) error {
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // for ever: the goroutine does not end, so that the thread does not
		started <- cmd.Start()
		select {}
	}()
	return <-started
}

// await returns when the registry answers.
func (r *RegistryServer) await(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.Address+"/v2/", nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
			return
		}
		select {
		case <-ctx.Done():
			t.Fatal("the registry did not answer within 20 s")
		case <-tick.C:
		}
	}
}

// Push makes an image of the hello app in the registry, without the engine, and
// returns its reference and digest.
func (r *RegistryServer) Push(t testing.TB, path string, opts Options) (ref, digest string) {
	t.Helper()
	ref = r.Address + "/" + path
	parsed, err := name.ParseReference(ref, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	img := registryImage(t, opts)
	if err := remote.Write(parsed, img, remote.WithAuth(r.Auth)); err != nil {
		t.Fatalf("push %s: %v", ref, err)
	}
	hash, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return ref, hash.String()
}

// registryImage is an image of the hello app that no engine made.
func registryImage(t testing.TB, opts Options) v1.Image {
	t.Helper()
	fs := rootfs(t)
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(fs)), nil })
	if err != nil {
		t.Fatal(err)
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		t.Fatal(err)
	}
	file, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = "linux", runtime.GOARCH
	file.Config.Cmd, file.Config.Entrypoint = opts.cmd(), opts.Entrypoint
	file.Config.Labels = maps.Clone(opts.Labels)
	if file.Config.Labels[LabelTest] == "" {
		file.Config.Labels = map[string]string{LabelTest: Label(t)}
		maps.Copy(file.Config.Labels, opts.Labels)
	}
	for _, variable := range slices.Sorted(maps.Keys(opts.Env)) {
		file.Config.Env = append(file.Config.Env, variable+"="+opts.Env[variable])
	}
	if img, err = mutate.ConfigFile(img, file); err != nil {
		t.Fatal(err)
	}
	return img
}

// freeAddress returns a loopback address that nobody listens on now.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
