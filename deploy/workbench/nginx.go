package workbench

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// nginxPrograms are what the image holds beside nginx: what an image of a
// distribution has, as far as Teal uses it.
var nginxPrograms = []string{"sh", "mv", "ln", "rm", "cat", "mkdir"}

// nginxFolders are made empty.
var nginxFolders = []string{
	"tmp/", "run/", "var/lock/", "var/log/nginx/", "var/lib/nginx/", "var/cache/nginx/",
	"usr/share/nginx/", "etc/nginx/conf.d/",
}

// nginxMain is the image's own main configuration, as packages have it: it
// serves nothing but what is put into conf.d.
const nginxMain = `user www-data;
worker_processes auto;
pid /run/nginx.pid;
error_log /dev/stderr notice;
events { worker_connections 4096; }
http {
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    access_log off;
    include /etc/nginx/conf.d/*.conf;
}
`

const (
	nginxUsers  = "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
	nginxGroups = "root:x:0:\nwww-data:x:33:\nnogroup:x:65534:\n"
)

// MakeNginx makes an image of the nginx that is installed on this machine, of
// the program, the libraries it is linked with and a few tools: what an image
// from a registry would be, without a registry. It starts nginx in the
// foreground with /etc/nginx/nginx.conf, which includes /etc/nginx/conf.d/*.conf.
// purpose is the value of [LabelMade].
func (b *Bench) MakeNginx(ctx context.Context, ref, purpose string) error {
	files, err := nginxFiles(ctx)
	if err != nil {
		return fmt.Errorf("pack image %s: %w", ref, err)
	}
	return b.load(ctx, ref, files, []string{
		`CMD ["nginx", "-g", "daemon off;"]`,
		"ENV PATH=/usr/sbin:/usr/bin:/sbin:/bin", fmt.Sprintf("LABEL %s=%q", LabelMade, purpose),
	})
}

// nginxFiles is the image's file system as a tar archive.
func nginxFiles(ctx context.Context) ([]byte, error) {
	p := packer{packed: map[string]bool{}}
	p.tar = tar.NewWriter(&p.out)
	for _, folder := range nginxFolders {
		p.put(&tar.Header{Name: folder, Typeflag: tar.TypeDir, Mode: 0o755}, nil)
	}
	p.program(ctx, "nginx", "usr/sbin/nginx")
	for _, name := range nginxPrograms {
		p.program(ctx, name, "bin/"+name)
	}
	mime, err := os.ReadFile("/etc/nginx/mime.types")
	p.fail(err)
	for _, file := range [][2]string{
		{"etc/passwd", nginxUsers},
		{"etc/group", nginxGroups},
		{"etc/nginx/nginx.conf", nginxMain},
		{"etc/nginx/mime.types", string(mime)},
	} {
		p.put(&tar.Header{Name: file[0], Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(file[1]))}, []byte(file[1]))
	}
	p.fail(p.tar.Close())
	return p.out.Bytes(), p.err
}

// packer writes an archive until the first error.
type packer struct {
	out    bytes.Buffer
	tar    *tar.Writer
	packed map[string]bool
	err    error
}

func (p *packer) fail(err error) {
	if p.err == nil {
		p.err = err
	}
}

func (p *packer) put(h *tar.Header, content []byte) {
	if p.err != nil || p.packed[h.Name] {
		return
	}
	p.packed[h.Name] = true
	p.fail(p.tar.WriteHeader(h))
	if p.err == nil && content != nil {
		_, err := p.tar.Write(content)
		p.fail(err)
	}
}

// program puts a program of this machine at a path of the image, and the
// libraries that it is linked with where they are here.
func (p *packer) program(ctx context.Context, name, at string) {
	path := findProgram(name)
	if path == "" {
		p.fail(fmt.Errorf("the program %s is not installed", name))
		return
	}
	p.file(path, at)
	linked, err := exec.CommandContext(ctx, "ldd", path).Output()
	if err != nil {
		p.fail(fmt.Errorf("list the libraries of %s: %w", path, err))
		return
	}
	for line := range strings.Lines(string(linked)) {
		for word := range strings.FieldsSeq(line) {
			if filepath.IsAbs(word) {
				p.file(word, word[1:])
			}
		}
	}
}

func (p *packer) file(path, at string) {
	content, err := os.ReadFile(path) // through links, so that the image has none
	if err != nil {
		p.fail(err)
		return
	}
	p.put(&tar.Header{Name: at, Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(content))}, content)
}

// findProgram looks where administrators' programs are, too.
func findProgram(name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, folder := range []string{"/usr/sbin", "/sbin"} {
		if path, err := exec.LookPath(filepath.Join(folder, name)); err == nil {
			return path
		}
	}
	return ""
}
