package adopt

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// locationWith is Teal's folder with the file of an app, and a location of an operator.
func locationWith(t *testing.T, location string) (Switch, *change, int) {
	t.Helper()
	folder := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("shop.web.conf", "set $a b;\nif ($a) {\n\treturn 200;\n}\nproxy_pass http://x;\ninclude "+folder+"/proxy.conf;\nproxy_read_timeout 1d;\n")
	write("proxy.conf", "proxy_connect_timeout 2s;\nproxy_set_header Host $http_host;\nproxy_set_header X-Real-IP $remote_addr;\naccess_log off;\n")
	write("proxy_params", "proxy_set_header Host $http_host;\nproxy_set_header X-Real-IP $remote_addr;\n")
	write("mixed", "proxy_set_header Host $http_host;\nadd_header X-Ours 1;\n")
	c := &change{file: "site.conf", lines: strings.Split("server {\n    send_timeout 5s;\n    proxy_connect_timeout 9s;\n    location / {\n"+location+"    }\n}\n", "\n")}
	for i, line := range c.lines {
		if strings.Contains(line, "proxy_pass") {
			return Switch{Folder: filepath.Join(folder, "none"), Config: filepath.Join(folder, "nginx.conf")}, c, i
		}
	}
	t.Fatal("no proxy_pass")
	return Switch{}, nil, 0
}

func TestRepeatedDirectivesBecomeComments(t *testing.T) {
	s, c, at := locationWith(t, `        proxy_connect_timeout 5s; # as ever
        proxy_set_header host $host;
        proxy_set_header X-Ours 1;
        access_log /var/log/x;
        proxy_pass http://web;
        proxy_read_timeout 30s;
        include proxy_params;
        if ($x) {
            proxy_set_header Host other;
        }
`)
	s.Folder = filepath.Dir(s.Config)
	var out Switched
	if err := s.yield(c, at, "shop.web.conf", &out); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(c.lines, "\n")
	for _, gone := range []string{"proxy_connect_timeout 5s", "proxy_set_header host $host", "proxy_read_timeout 30s", "include proxy_params"} {
		if !strings.Contains(text, "# Teal's file has it:         "+gone) {
			t.Errorf("%s is still in force in:\n%s", gone, text)
		}
	}
	if len(out.Changed) != 4 || strings.Count(text, "# Teal's") != 4 {
		t.Errorf("told %q of:\n%s", out.Changed, text)
	}
}

func TestIncludedFileThatSetsMoreIsLeftToAPerson(t *testing.T) {
	s, c, at := locationWith(t, "        proxy_pass http://web;\n        include mixed;\n")
	s.Folder = filepath.Dir(s.Config)
	err := s.yield(c, at, "shop.web.conf", &Switched{})
	if err == nil || !strings.Contains(err.Error(), "site.conf:6") || !strings.Contains(err.Error(), "mixed sets some") {
		t.Errorf("error %v", err)
	}
}
