package spec

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// TestShown: what people are shown of a container has its shape, and none of
// what is often secret.
func TestShown(t *testing.T) {
	const word = "s3cr3t"
	c := Container{
		Image: "web:1", Command: []string{"/app", "--password=" + word}, Entrypoint: []string{word}, Environment: map[string]string{"PASSWORD": word},
		StopGracePeriod: Duration(time.Second), Healthcheck: &Healthcheck{Test: []string{"CMD", word}, Retries: 3},
		Logging: &Logging{Driver: "syslog", Options: map[string]string{"tag": word}},
		Mounts:  []Mount{{Type: MountVolume, Source: "v", Target: "/v", Volume: &Volume{Name: "v", DriverOpts: map[string]string{"o": "password=" + word}}}},
	}
	h := Health{Kind: HealthHTTP, Path: "/health?key=" + word, Headers: map[string]string{"Authorization": word}, Body: word, Interval: Duration(time.Second)}
	shown := c.Shown()
	text, err := json.Marshal([]any{shown, h.Shown()})
	if err != nil || strings.Contains(string(text), word) {
		t.Errorf("%s, %v", text, err)
	}
	if shown.Image != c.Image || shown.StopGracePeriod != c.StopGracePeriod || len(shown.Command) != 2 || shown.Environment["PASSWORD"] != hidden ||
		shown.Healthcheck.Retries != 3 || h.Shown().Path != "/health?"+hidden {
		t.Errorf("%s", text)
	}
	if c.Environment["PASSWORD"] != word || c.Command[0] != "/app" {
		t.Error("the container itself was changed")
	}
}
