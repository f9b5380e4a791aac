package adopt

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// nginxOf parses one file without includes.
func nginxOf(t *testing.T, text string) *Nginx {
	t.Helper()
	n, err := ParseNginx("nginx.conf", text, func(string) ([]File, error) { return nil, nil })
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestNginxShapes(t *testing.T) {
	for _, c := range []struct {
		what, text string
		want       []Proxied
	}{
		{"an address", "http { server { listen 80; server_name a.b c.d;\nlocation / { proxy_pass http://127.0.0.1:8080; } } }", []Proxied{{
			File: "nginx.conf", Line: 2, Names: []string{"a.b", "c.d"}, Path: "/", Pass: "http://127.0.0.1:8080",
			Targets: []Target{{Address: "127.0.0.1:8080", File: "nginx.conf", Line: 2}},
		}}},
		{"an upstream with both", "upstream was {\n least_conn;\n server 10.0.0.5:8080 weight=2 max_fails=3; # blue }\n server 10.0.0.5:8081 down;\n server h backup;\n keepalive 8; }\nserver { location ^~ /api { proxy_pass http://was; } }", []Proxied{{
			File: "nginx.conf", Line: 7, Path: "/api", Pass: "http://was",
			Targets: []Target{
				{Address: "10.0.0.5:8080", File: "nginx.conf", Line: 3},
				{Address: "10.0.0.5:8081", File: "nginx.conf", Line: 4, Off: true},
				{Address: "h:80", File: "nginx.conf", Line: 5, Backup: true},
			},
		}}},
		{"a variable that is set", "server { set $up was; location / {\n set $port 8081; proxy_pass http://$up:${port}; } }", []Proxied{{
			File: "nginx.conf", Line: 2, Path: "/", Pass: "http://$up:${port}",
			Targets: []Target{{Address: "was:8081", File: "nginx.conf", Line: 2}},
		}}},
		{"a variable that a request decides", "server { location / { proxy_pass http://$arg_up; } }", []Proxied{{
			File: "nginx.conf", Line: 1, Path: "/", Pass: "http://$arg_up",
		}}},
		{"a path that is rewritten", "server { location /app/ { proxy_pass http://h:1/; } }", []Proxied{{
			File: "nginx.conf", Line: 1, Path: "/app/", Pass: "http://h:1/", Rewrite: true,
			Targets: []Target{{Address: "h:1", File: "nginx.conf", Line: 1}},
		}}},
		{"a path that is not", "server { location / { proxy_pass https://h/; } }", []Proxied{{
			File: "nginx.conf", Line: 1, Path: "/", Pass: "https://h/",
			Targets: []Target{{Address: "h:443", File: "nginx.conf", Line: 1}},
		}}},
		{"a regular expression", `server { location ~* "^/v[0-9]{1,2}/(a|b)$" { proxy_pass http://h:1; } }`, []Proxied{{
			File: "nginx.conf", Line: 1, Pass: "http://h:1",
			Targets: []Target{{Address: "h:1", File: "nginx.conf", Line: 1}},
		}}},
		{"a socket, a stream, maps and logs", `log_format main '$remote_addr {x} "$request"' '$status';
map $http_upgrade $connection_upgrade { default upgrade; '' close; }
split_clients "${remote_addr}A" $v { 50% .one; * ""; }
stream { server { listen 3306; proxy_pass rdb; } }
server { location / { if ($request_method = OPTIONS) { return 204; } proxy_pass http://unix:/run/was.sock; more_headers on; } }`, []Proxied{{
			File: "nginx.conf", Line: 5, Path: "/", Pass: "http://unix:/run/was.sock",
		}}},
	} {
		if got := nginxOf(t, c.text).Proxied; !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", c.what, got, c.want)
		}
	}
}

func TestNginxDump(t *testing.T) {
	n, err := ParseNginx("-", "nginx: the configuration file is ok\n# configuration file /etc/nginx/nginx.conf:\nhttp {\n  include mime.types;\n  include /etc/nginx/conf.d/*.conf;\n}\n\n"+
		"# configuration file /etc/nginx/mime.types:\ntypes { text/html html; }\n\n"+
		"# configuration file /etc/nginx/conf.d/was.conf:\nserver {\n  include snippets/proxy.conf;\n}\n\n"+
		"# configuration file /etc/nginx/snippets/proxy.conf:\nlocation / {\n  proxy_pass http://h:8080;\n}\n# configuration file /etc/nginx/conf.d/bad.conf:\nserver {\n", nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(n.Proxied) != 1 || n.Proxied[0].Place() != "/etc/nginx/snippets/proxy.conf:2" {
		t.Errorf("got %+v", n.Proxied)
	}
	if len(n.Unread) != 1 || n.Unread[0] != "/etc/nginx/conf.d/bad.conf: unexpected eof in block" {
		t.Errorf("unread %q", n.Unread)
	}
	if _, err := ParseNginx("x", "server {", nil); err == nil {
		t.Error("half a file is no configuration")
	}
}

func TestNginxOfFiles(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"nginx.conf":    "http { include sites/*; }",
		"sites/a":       "server { location / { proxy_pass http://h:1; } }",
		"sites/.backup": "server { location / { proxy_pass http://h:2; } }",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	n, err := ReadNginx(filepath.Join(dir, "nginx.conf"))
	if err != nil {
		t.Fatal(err)
	}
	if len(n.Proxied) != 1 || n.Proxied[0].File != filepath.Join(dir, "sites/a") {
		t.Errorf("got %+v", n)
	}
	if _, err := ReadNginx(filepath.Join(dir, "none")); err == nil {
		t.Error("a file that is not there was read")
	}
}
