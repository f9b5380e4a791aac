package main

import (
	"strings"
	"testing"
	"time"

	"teal/cmd/load/loadgen"
)

func TestMedian(t *testing.T) {
	for want, all := range map[time.Duration][]time.Duration{3: {5, 3, 1}, 4: {5, 3, 9, 1}, 7: {7}} {
		if got := median(all); got != want {
			t.Errorf("median of %v is %v, want %v", all, got, want)
		}
	}
}

func TestLivesTellTheLimitFromACut(t *testing.T) {
	at := time.Unix(1000, 0)
	life := func(version string, after time.Duration, reason string) loadgen.Life {
		return loadgen.Life{Version: version, Closed: at.Add(after), Reason: reason}
	}
	got := lives(loadgen.SocketReport{Lives: []loadgen.Life{
		life("1", upgradedDrain+5*time.Millisecond, "closed"),
		life("1", upgradedDrain/2, "closed"),
		life("2", 0, ""),       // the load ended
		life("3", 0, "closed"), // not by a switch
	}}, map[string]time.Time{"1": at, "2": at})
	if !strings.HasPrefix(got, "2 of 4 WebSockets ended by a switch, 1 of them before") || !strings.Contains(got, "1000 ms") {
		t.Error(got)
	}
}

func TestRushIsReadOrRefused(t *testing.T) {
	const good = "Running 4s test\n  12345 requests in 4.00s, 1.2MB read\nRequests/sec:   3086.25\nTransfer/sec: 1MB\n"
	if r, err := readRush(good); err != nil || r.requests != 12345 || r.perSec != 3086.25 {
		t.Errorf("%+v, %v", r, err)
	}
	for _, bad := range []string{
		"", good + "  Non-2xx or 3xx responses: 3\n", good + "  Socket errors: connect 0, read 1, write 0, timeout 0\n",
	} {
		if _, err := readRush(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestMistakesOnTheCommandLine(t *testing.T) {
	for _, args := range []string{"speed", "-runs 0", "-rate -1", "-fast"} {
		if _, err := parse(strings.Fields(args)); err == nil {
			t.Errorf("%s: accepted", args)
		}
	}
	o, err := parse([]string{"-runs", "3", "edit"})
	if err != nil || o.runs != 3 || len(o.parts) != 1 {
		t.Errorf("%+v, %v", o, err)
	}
}
