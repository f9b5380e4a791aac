package docker

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/distribution/reference"
	"pgregory.net/rapid"

	"teal/reconcile"
)

func TestSlotIsFreeAndStays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		subnet := netip.MustParsePrefix(rapid.SampledFrom([]string{"10.1.2.0/29", "172.30.0.0/16", "192.168.7.128/30"}).Draw(t, "subnet"))
		seed := rapid.String().Draw(t, "seed")
		taken := map[netip.Addr]bool{}
		for range rapid.IntRange(0, 6).Draw(t, "taken") {
			a, err := slot(subnet, seed, func(a netip.Addr) bool { return taken[a] })
			if err != nil {
				break
			}
			taken[a] = true
		}
		is := func(a netip.Addr) bool { return taken[a] }
		a, err := slot(subnet, seed, is)
		if err != nil {
			if hosts := 1<<(32-subnet.Bits()) - 2; len(taken) != hosts {
				t.Fatalf("%v with %d of %d taken", err, len(taken), hosts)
			}
			return
		}
		again, err := slot(subnet, seed, is)
		if err != nil || again != a {
			t.Fatalf("%s, then %s, %v", a, again, err)
		}
		last := subnet.Masked().Addr().As4()
		last[3] |= byte(1<<min(8, 32-subnet.Bits()) - 1)
		if taken[a] || !subnet.Contains(a) || a == subnet.Masked().Addr() || (subnet.Bits() >= 24 && a == netip.AddrFrom4(last)) {
			t.Fatalf("%s is no free host of %s", a, subnet)
		}
	})
}

func TestEvidenceIsBoundedAndPrintable(t *testing.T) {
	if got := printable("a\x1b[31mb\tc\r\u202ed\xff"); got != "a[31mb cd" {
		t.Errorf("printable: %q", got)
	}
	if got := printable(strings.Repeat("é", 2000)); len(got) > evidenceWidth || !strings.HasSuffix(got, "é…") {
		t.Errorf("a long line: %d bytes, ends in %q", len(got), got[len(got)-8:])
	}
	var long strings.Builder
	for i := range 200 {
		fmt.Fprintf(&long, "line %d\n", i)
	}
	if got := tidy(long.String()); len(got) != evidenceLines || got[0] != "line 150" || got[49] != "line 199" {
		t.Errorf("%d lines, %q", len(got), got)
	}
	if got := tidy("\n"); got != nil {
		t.Errorf("of nothing: %q", got)
	}
	b := &bounded{left: 5}
	if n, err := b.Write([]byte("1234567")); n != 5 || !errors.Is(err, errEnough) || b.kept.String() != "12345" {
		t.Errorf("wrote %d, %v: %q", n, err, b.kept.String())
	}
}

func TestRetryAfterIsInSecondsOrADate(t *testing.T) {
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "soon": 0, "90": 90 * time.Second, "Sun, 22 Nov 2026 10:02:00 GMT": 2 * time.Minute,
	} {
		if got := retryAfter(text, now); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func TestPullProgressIsOneClause(t *testing.T) {
	p := layerProgress{}
	for _, m := range []struct {
		id, status     string
		current, total int64
		want           string
	}{
		{"", "Pulling from team/hello", 0, 0, ""},
		{"a", "Pulling fs layer", 0, 0, "pulling: 0 of 1 layers"},
		{"b", "Waiting", 0, 0, "pulling: 0 of 2 layers"},
		{"a", "Downloading", 5e6, 2e7, "pulling: 0 of 2 layers, 5MB of 20MB"},
		{"b", "Downloading", 1e6, 1e6, "pulling: 0 of 2 layers, 6MB of 21MB"},
		{"b", "Pull complete", 0, 0, "pulling: 1 of 2 layers, 6MB of 21MB"},
		{"a", "Download complete", 0, 0, "pulling: 1 of 2 layers, 21MB of 21MB"},
		{"c", "Already exists", 0, 0, "pulling: 2 of 3 layers, 21MB of 21MB"},
	} {
		in := pullMessage{ID: m.id, Status: m.status}
		in.Progress.Current, in.Progress.Total = m.current, m.total
		if p.add(in); p.String() != m.want {
			t.Errorf("after %s %s: %q, want %q", m.id, m.status, p, m.want)
		}
	}
}

func TestRepoDigestIsOfTheSameRepository(t *testing.T) {
	ref, err := reference.ParseNormalizedNamed("team/hello:1")
	if err != nil {
		t.Fatal(err)
	}
	known := []string{"<none>@<none>", "localhost:5000/team/hello@sha256:aa", "docker.io/team/hello@sha256:bb"}
	if got := repoDigest(ref, known); got != "sha256:bb" {
		t.Errorf("digest %q", got)
	}
	if got := repoDigest(ref, known[:2]); got != "" {
		t.Errorf("another repository's digest: %q", got)
	}
}

func TestPullWordsAreClassified(t *testing.T) {
	for words, want := range map[string]reconcile.Reason{
		"pull access denied for x, repository does not exist or may require 'docker login': denied: requested access": reconcile.ReasonImageDenied,
		"manifest for x not found: manifest unknown: manifest unknown":                                                reconcile.ReasonImageNotFound,
		"toomanyrequests: You have reached your pull rate limit":                                                      reconcile.ReasonRegistryUnavailable,
		"no matching manifest for linux/amd64 in the manifest list entries":                                           reconcile.ReasonImageInvalid,
		"failed to register layer: write /x: no space left on device":                                                 reconcile.ReasonDiskFull,
		"received unexpected HTTP status: 502 Bad Gateway":                                                            reconcile.ReasonRegistryUnavailable,
		"filesystem layer verification failed for digest sha256:00":                                                   reconcile.ReasonRegistryUnavailable,
	} {
		var f *reconcile.Failure
		if err := pullFailure("x:1", errors.New(words)); !errors.As(err, &f) || f.Reason != want {
			t.Errorf("%q: %v, want %s", words, err, want)
		}
	}
}
