package main

import "testing"

func TestPortFromTheEnvironment(t *testing.T) {
	for text, want := range map[string]int{"": 8000, "8001": 8001} {
		t.Setenv("DEMO_PORT", text)
		if got, err := port(); err != nil || got != want {
			t.Errorf("DEMO_PORT=%q: %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"x", "0", "65536", "80 80"} {
		t.Setenv("DEMO_PORT", text)
		if _, err := port(); err == nil {
			t.Errorf("DEMO_PORT=%q was accepted", text)
		}
	}
}
