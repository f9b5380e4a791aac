package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

// wrkScript sends a GET and a POST in turns.
const wrkScript = `local n, get, post = 0, nil, nil
init = function(args)
  get = wrk.format("GET", "/health")
  post = wrk.format("POST", "/health", {["Content-Type"] = "text/plain"}, "hello")
end
request = function()
  n = n + 1
  if n % 2 == 0 then return post end
  return get
end
`

// rush is what wrk saw.
type rush struct {
	requests int64
	perSec   float64
}

var (
	wrkRate     = regexp.MustCompile(`Requests/sec:\s*([0-9.]+)`)
	wrkRequests = regexp.MustCompile(`(?m)^\s*(\d+) requests in `)
	wrkFault    = regexp.MustCompile(`(?m)^\s*(Non-2xx.*|Socket errors.*)$`)
)

// hurry sends requests for a while as fast as they are answered, with wrk,
// which takes less of the machine than a client in Go. Any request that is not
// answered with 2xx is an error.
func hurry(ctx context.Context, url string, length time.Duration) (rush, error) {
	program, err := exec.LookPath("wrk")
	if err != nil {
		return rush{}, errors.New("this benchmark needs wrk (Debian package wrk; make tools installs it)")
	}
	script := filepath.Join(folder, "wrk.lua")
	if err := os.WriteFile(script, []byte(wrkScript), 0o644); err != nil {
		return rush{}, fmt.Errorf("write wrk's script: %w", err)
	}
	out, err := exec.CommandContext(ctx, program, "-t1", "-c"+strconv.Itoa(driveConnections),
		fmt.Sprintf("-d%ds", int(length.Seconds())), "-s", script, url).CombinedOutput()
	if err != nil {
		return rush{}, fmt.Errorf("wrk: %w: %s", err, out)
	}
	return readRush(string(out))
}

func readRush(out string) (r rush, err error) {
	if fault := wrkFault.FindStringSubmatch(out); fault != nil {
		return r, fmt.Errorf("wrk: %s", fault[1])
	}
	rate, count := wrkRate.FindStringSubmatch(out), wrkRequests.FindStringSubmatch(out)
	if rate == nil || count == nil {
		return r, fmt.Errorf("wrk: its output tells no rate: %s", out)
	}
	if r.perSec, err = strconv.ParseFloat(rate[1], 64); err != nil {
		return r, fmt.Errorf("wrk: %w", err)
	}
	if r.requests, err = strconv.ParseInt(count[1], 10, 64); err != nil {
		return r, fmt.Errorf("wrk: %w", err)
	}
	return r, nil
}
