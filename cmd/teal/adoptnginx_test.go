package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"teal/deploy/docker/dockertest"
	"teal/reconcile"
	"teal/spec"
)

// oldNginx is the nginx that the site has in front, with both colours in one
// upstream. It returns its main configuration file.
func oldNginx(t *testing.T, listen string, blue, green int) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "teal-bastion-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil { // its workers are somebody else
		t.Fatal(err)
	}
	main := filepath.Join(dir, "nginx.conf")
	text := fmt.Sprintf(`daemon off;
pid %[1]s/pid;
error_log %[1]s/error.log;
events { worker_connections 512; }
http {
    access_log off;
    upstream was {
        server 127.0.0.1:%[3]d max_fails=1;
        server 127.0.0.1:%[4]d max_fails=1;
    }
    server {
        listen %[2]s;
        server_name api.example.com;
        location / {
            proxy_pass http://was;
        }
    }
}
`, dir, listen, blue, green)
	if err := os.WriteFile(main, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("nginx", "-c", main)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := errors.Join(cmd.Process.Signal(syscall.SIGTERM), cmd.Wait())
		if log, readErr := os.ReadFile(filepath.Join(dir, "error.log")); t.Failed() || err != nil {
			t.Logf("nginx: %v, %v\n%s", err, readErr, log)
		}
	})
	return main
}

// load sends POSTs, each on a connection of its own, until it is told to stop,
// and returns how many were sent and what went wrong.
func load(url string) (stop func() (int64, []string)) {
	var quit atomic.Bool
	var sent atomic.Int64
	var all sync.WaitGroup
	var mu sync.Mutex
	var wrong []string
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for range 4 {
		all.Go(func() {
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for !quit.Load() {
				<-tick.C
				sent.Add(1)
				res, err := client.Post(url, "text/plain", strings.NewReader("x"))
				if err == nil {
					res.Body.Close()
				}
				if err != nil || res.StatusCode >= 500 {
					mu.Lock()
					wrong = append(wrong, fmt.Sprintf("%s: %v, %v", time.Now().Format("15:04:05.000"), res, err))
					mu.Unlock()
				}
			}
		})
	}
	return func() (int64, []string) {
		quit.Store(true)
		all.Wait()
		return sent.Load(), wrong
	}
}

// TestPairIsTakenOver: from two Compose services behind an nginx to Teal, under
// load, without a failed request; the old container is stopped at the end and
// not removed.
func TestPairIsTakenOver(t *testing.T) {
	v1, v2 := image(t, "v1", ""), image(t, "v2", "")
	ports := [2]int{(&lab{t: t, address: freeAddress(t)}).port(), (&lab{t: t, address: freeAddress(t)}).port()}
	main := ""
	l := before(t, func(l *lab) []dockertest.Composed {
		main = oldNginx(t, l.address, ports[0], ports[1]) // it ends after the controller
		return []dockertest.Composed{
			{Project: l.project, Service: "was_blue", Image: v1, Publish: map[int]int{ports[0]: 8080}},
			{Project: l.project, Service: "was_green", Image: v2, Publish: map[int]int{ports[1]: 8080}, Stopped: true},
			{Project: l.project, Service: "cache", Image: v2},
		}
	})
	folder := filepath.Join(filepath.Dir(main), "teal")
	service := func(colour, image string, port int) string {
		return fmt.Sprintf("  was_%s:\n    container_name: was_%[1]s\n    image: %s\n    pull_policy: never\n    stop_grace_period: 3s\n    depends_on: [cache]\n    ports: ['%d:8080']\n", colour, image, port)
	}
	l.compose("name: " + l.project + "\nservices:\n" + service("blue", v1, ports[0]) + service("green", v2, ports[1]) + "  cache: {image: " + v2 + "}\n")
	l.served("v1")
	stop := load("http://" + l.address + "/")

	adopt := []string{"adopt", "-f", "docker-compose.yml", "--nginx", main, "--nginx-folder", folder, "--health", "/health"}
	l.teal(append(adopt, "-o", "compose.yaml")...).expect(t, exitDone,
		"was_blue serves: nginx names both, and was_green does not run", l.project+"/cache  goes on in container "+l.project+"_cache_1",
		"write at the beginning of the http block of "+main+": include "+folder+"/teal.conf;",
		main+":15: write  include "+folder+"/"+l.project+".was.conf;  in place of  proxy_pass http://was;")
	l.teal(append(adopt, "--edit-nginx")...).expect(t, exitDone, "was added to the http block", "its file is not in "+folder+" yet")
	l.teal(append(adopt, "--edit-nginx")...).expect(t, exitFailed, "nothing was changed", "wait until teal status shows the old colour")
	text := strings.Replace(l.written(), "promotion:", "standby: 0s\n      drain: 1s\n      promotion:", 1)
	l.edit(text)
	l.start("--proxy", "nginx", "--nginx-service", "--nginx-own-servers", "--nginx-folder", folder, "--nginx-config", main, "--nginx-admin", freeAddress(t))
	l.until("green is staged, and the old container is routed", func() error {
		return errors.Join(want(l.named("was", spec.Green).Role, "staged"), want(fmt.Sprint(l.named("was", spec.Blue).Weight), "100"))
	})
	l.teal(append(adopt, "--edit-nginx")...).expect(t, exitDone, "include "+folder+"/"+l.project+".was.conf; in place of proxy_pass http://was;", "reloaded once")
	l.teal(append(adopt, "--edit-nginx")...).expect(t, exitDone, "nothing was changed")
	l.served("v1")
	l.teal("promote", "was").expect(t, exitDone)
	l.until("the old container is stopped", func() error { return want(dockertest.State(t, l.project+"_was_blue_1"), "exited") })
	l.edit(regexp.MustCompile(`(?m)^ *promotion: manual.*\n`).ReplaceAllString(strings.Replace(text, "image: "+v1, "image: "+v2, 1), ""))
	l.served("v2")
	if got := dockertest.State(t, l.project+"_cache_1"); got != "running" {
		t.Errorf("the dependency is %s", got)
	}
	sent, wrong := stop()
	t.Logf("%d requests, ports %s and %s", sent, strconv.Itoa(ports[0]), strconv.Itoa(ports[1]))
	if len(wrong) > 0 || sent < 100 {
		t.Errorf("of %d requests went wrong:\n%s", sent, strings.Join(wrong, "\n"))
	}
}

// named is what the status says of a colour of one of several services.
func (l *lab) named(service string, c spec.Colour) (out reconcile.ColourStatus) {
	for _, s := range l.listed().Apps {
		for _, x := range s.Colours {
			if s.App.Service == service && x.Colour == c {
				return x
			}
		}
	}
	return out
}
