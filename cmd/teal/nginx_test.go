package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"teal/deploy/docker/dockertest"
	"teal/spec"
)

// nginxImage makes an image of this machine's nginx, removed after the test.
func nginxImage(t *testing.T) string {
	t.Helper()
	b := bench(t)
	purpose := "test-" + dockertest.Unique()
	ref := "teal-test-nginx:" + purpose
	t.Cleanup(func() {
		if _, err := b.RemoveImages(context.Background(), purpose); err != nil {
			t.Error(err)
		}
	})
	if err := b.MakeNginx(t.Context(), ref, purpose); err != nil {
		t.Fatal(err)
	}
	return ref
}

// counted waits until requests are told of the app.
func (l *lab) counted() {
	l.t.Helper()
	l.until("requests are counted", func() error {
		for _, c := range l.status().Colours {
			if c.Traffic != nil && c.Traffic.Requests > 0 {
				return nil
			}
		}
		_, err := l.get()
		return errors.Join(err, fmt.Errorf("%+v", l.status().Colours))
	})
}

func TestNginxInAContainerOfTealsOwn(t *testing.T) {
	v1, v2 := image(t, "v1", ""), image(t, "v2", "")
	nginx := nginxImage(t)
	l := newLab(t)
	settings := []string{"--proxy", "nginx", "--nginx-image", nginx, "--nginx-admin", freeAddress(t)}
	l.edit(l.wants(v1))
	l.start(settings...)
	l.teal("wait", "--timeout", "60s").expect(t, exitDone)
	l.served("v1")
	l.edit(l.wants(v2))
	l.served("v2")
	l.teal("wait", "--timeout", "60s").expect(t, exitDone)
	l.teal("undo").expect(t, exitDone, "undo took effect", "✔")
	l.served("v1")
	l.counted()
	of := append([]string{"--http", l.address, "--controller", l.id}, settings...)
	l.teal(append([]string{"doctor"}, of...)...).
		expect(t, exitDone, "proxy: container teal-nginx-"+l.id, "its configuration is sound", "taken, and Teal's proxy runs")

	l.kill()
	l.served("v1") // traffic does not depend on the controller
	l.start(settings...)
	l.edit(l.wants(v2, "drain: 1s"))
	l.served("v2")
	l.teal("wait", "--timeout", "60s").expect(t, exitDone)

	if _, err := bench(t).Remove(t.Context(), spec.LabelController, l.id); err != nil {
		t.Fatal(err)
	}
	l.served("v2") // everything was made again

	l.stop()
	l.teal(append([]string{"down", "--yes"}, of[2:]...)...).expect(t, exitDone, "nothing of controller "+l.id+" is left")
	if list := containers(t, l.id); len(list) > 0 {
		t.Errorf("left: %v", list)
	}
	if _, err := os.Stat(filepath.Join(l.folder, "state", nginxFolder)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder is left: %v", err)
	}
}

// service runs an nginx as a site has it, with server blocks of its own, until
// the test ends. It returns its main configuration and the folder for Teal.
func (l *lab) service(server string) (config, folder string) {
	l.t.Helper()
	dir := filepath.Join(l.folder, "nginx")
	config, folder = filepath.Join(dir, "nginx.conf"), filepath.Join(dir, "teal")
	text := fmt.Sprintf("worker_processes 1;\npid %[1]s/pid;\nerror_log %[1]s/error.log;\nevents {}\nhttp {\n"+
		"access_log off;\nclient_body_temp_path %[1]s/1;\nproxy_temp_path %[1]s/2;\nfastcgi_temp_path %[1]s/3;\nuwsgi_temp_path %[1]s/4;\nscgi_temp_path %[1]s/5;\n"+
		"include %[2]s/teal.conf;\n%[3]s\n}\n", dir, folder, server)
	err := errors.Join(os.Chmod(l.folder, 0o755), os.MkdirAll(folder, 0o755),
		os.WriteFile(config, []byte(text), 0o644), os.WriteFile(filepath.Join(folder, "teal.conf"), nil, 0o644))
	if err != nil {
		l.t.Fatal(err)
	}
	if out, err := exec.CommandContext(l.t.Context(), "/usr/sbin/nginx", "-c", config).CombinedOutput(); err != nil {
		l.t.Fatalf("start nginx: %v: %s", err, out)
	}
	l.t.Cleanup(func() {
		text, err := os.ReadFile(filepath.Join(dir, "pid"))
		if err != nil {
			l.t.Errorf("stop nginx: %v", err)
			return
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err = errors.Join(err, syscall.Kill(pid, syscall.SIGTERM)); err != nil {
			l.t.Errorf("stop nginx: %v", err)
		}
		l.until("nginx has ended", func() error {
			if syscall.Kill(pid, 0) == nil {
				return errors.New("it runs")
			}
			return nil
		})
	})
	return config, folder
}

func TestNginxThatIsAServiceWithServersOfItsOwn(t *testing.T) {
	v1, v2 := image(t, "v1", ""), image(t, "v2", "")
	l := newLab(t)
	config, folder := l.service(fmt.Sprintf("server { listen %s; location / { include %s/%s.web.con[f]; } location = /mine { return 200 mine; } }",
		l.address, filepath.Join(l.folder, "nginx", "teal"), l.project))
	settings := []string{"--proxy", "nginx", "--nginx-service", "--nginx-own-servers", "--nginx-folder", folder, "--nginx-config", config, "--nginx-admin", freeAddress(t)}
	l.edit(l.wants(v1))
	l.start(settings...)
	l.teal("wait", "--timeout", "60s").expect(t, exitDone)
	l.served("v1")
	l.edit(l.wants(v2))
	l.served("v2")
	l.teal(append([]string{"doctor", "--controller", l.id}, settings...)...).expect(t, exitDone, "proxy: this host ("+folder+")", "its configuration is sound")

	l.stop()
	l.teal(append([]string{"down", "--yes", "--controller", l.id}, settings...)...).expect(t, exitDone, "is left on the host")
	if out, err := exec.CommandContext(t.Context(), "/usr/sbin/nginx", "-t", "-c", config).CombinedOutput(); err != nil {
		t.Errorf("nginx cannot be loaded any more: %v: %s", err, out)
	}
	l.until("nothing of Teal is served", func() error {
		if v, err := l.get(); err == nil || !strings.Contains(err.Error(), "404") {
			return fmt.Errorf("%s serves, %w", v, err)
		}
		return nil
	})
}
