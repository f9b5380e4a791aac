package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"teal/cmd/load/loadgen"
)

func TestExitCodesAndOutput(t *testing.T) {
	good := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer good.Close()
	bad := httptest.NewServer(http.NotFoundHandler())
	defer bad.Close()

	for name, c := range map[string]struct {
		args string
		code int
		says string // at the end of the output, or in the error
	}{
		"all good":         {"-url " + good.URL + " -rate 200 -duration 100ms", exitDone, ", 0 failed\n"},
		"all bad":          {"-url " + bad.URL + " -rate 200 -duration 100ms", exitFailed, " failed\n"},
		"help":             {"-h", exitDone, "-duration"},
		"no URL":           {"", exitInput, "-url is missing"},
		"a foreign URL":    {"-url http://192.0.2.1/", exitInput, "neither a loopback nor a private address"},
		"an unknown flag":  {"-fast", exitInput, "not defined"},
		"an argument":      {"-url " + good.URL + " now", exitInput, `unexpected "now"`},
		"no duration":      {"-url " + good.URL + " -duration 0s", exitInput, "-duration must be over 0"},
		"an unknown form":  {"-url " + good.URL + " -o xml", exitInput, "must be text or json"},
		"too high a share": {"-url " + good.URL + " -post 2", exitInput, "between 0 and 1"},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr strings.Builder
			code := run(t.Context(), strings.Fields(c.args), &stdout, &stderr)
			if code != c.code {
				t.Errorf("exit code %d, want %d; output:\n%s%s", code, c.code, &stdout, &stderr)
			}
			if strings.HasPrefix(c.says, " ") || strings.HasPrefix(c.says, ",") {
				if !strings.HasSuffix(stdout.String(), c.says) {
					t.Errorf("output does not end with %q:\n%s", c.says, &stdout)
				}
			} else if !strings.Contains(stderr.String(), c.says) {
				t.Errorf("error %q does not say %q", &stderr, c.says)
			}
		})
	}
}

func TestJSONReport(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	var stdout, stderr strings.Builder
	code := run(t.Context(), []string{"-url", server.URL, "-rate", "200", "-post", "0", "-duration", "100ms", "-o", "json"}, &stdout, &stderr)
	var report loadgen.Report
	if err := json.Unmarshal([]byte(stdout.String()), &report); err != nil {
		t.Fatalf("read the report: %v\n%s%s", err, &stdout, &stderr)
	}
	if code != exitDone || report.Sent == 0 || report.OK != report.Sent || report.Posts != 0 {
		t.Errorf("exit code %d, report %+v", code, report)
	}
}
