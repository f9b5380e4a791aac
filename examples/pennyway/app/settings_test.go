package main

import (
	"strings"
	"testing"
	"time"
)

func TestSettings(t *testing.T) {
	env := map[string]string{"VERSION": "1.4.2", "DB_HOST": "10.0.0.5", "START_DELAY": "3s", "BREAK": "later=5s"}
	set, err := fromEnvironment(func(name string) string { return env[name] })
	if err != nil {
		t.Fatal(err)
	}
	if set.version != "1.4.2" || set.database.Addr != "10.0.0.5:3306" || set.startDelay != 3*time.Second || set.breakAfter != 5*time.Second {
		t.Errorf("settings %+v", set)
	}
	for name, value := range map[string]string{"PORT": "http", "START_DELAY": "3", "BREAK": "nothing"} {
		_, err := fromEnvironment(func(asked string) string {
			if asked == name {
				return value
			}
			return ""
		})
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s=%s: %v", name, value, err)
		}
	}
}
