package embedded

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestSpoofing: what the app is told of a client cannot be made up by it, nor
// taken away.
func TestSpoofing(t *testing.T) {
	p := startProxy(t, Config{})
	serveApp(t, p, func(w http.ResponseWriter, r *http.Request) {
		if err := r.Header.Write(w); err != nil {
			t.Error(err)
		}
	})
	nc, br := dialProxy(t, p)
	_, err := io.WriteString(nc, strings.Join([]string{
		"GET / HTTP/1.1", "Host: h",
		"Connection: close, X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, X-Real-Ip, Authorization, Cookie",
		"X-Forwarded-For: 6.6.6.6", "x_forwarded_for: 6.6.6.6", "X-Forwarded-Host: evil", "X-Forwarded-Proto: evil", "X-Forwarded-Port: 6666",
		"X-Real-IP: 6.6.6.6", "x-real_ip: 6.6.6.6", "Forwarded: for=6.6.6.6", "Teal-Preview: true", "TEAL-PREVIEW: x",
		"Proxy-Authorization: 6666", "Te: trailers", "Keep-Alive: 6666", "", "",
	}, "\r\n"))
	must(t, err)
	resp, err := http.ReadResponse(br, nil)
	must(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(t, err)
	text := string(body)
	for _, made := range []string{"6.6.6.6", "evil", "6666", "Teal-Preview", "Keep-Alive"} {
		if strings.Contains(text, made) {
			t.Errorf("the app was told %q:\n%s", made, text)
		}
	}
	for _, real := range []string{"X-Forwarded-For: 127.0.0.1", "X-Forwarded-Proto: http\r", "X-Forwarded-Host: h\r"} {
		if !strings.Contains(text, real) {
			t.Errorf("the app was not told %q:\n%s", real, text)
		}
	}
}
