package crash

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"teal/deploy/docker/dockertest"
	"teal/deploy/workbench"
)

var (
	full     = flag.Bool("crash.full", false, "every scenario: at each point the first hit, the last one and one in between")
	between  = flag.Bool("crash.between", true, "a hit between the first and the last one of each point, too")
	every    = flag.Bool("crash.every", false, "every hit of every point, with -crash.full")
	seed     = flag.Uint64("crash.seed", 1, "chooses the sample, and the hits in between")
	parallel = flag.Int("crash.parallel", 2, "how many cells run at a time")
	rate     = flag.Float64("crash.rate", 50, "requests per second of each cell's client")
	only     = flag.String("crash.only", "", "regular expression of scenarios")
	at       = flag.String("crash.at", "", "one hit, such as store.Save/commit#2, instead of the choice; -: no kill at all")
	resume   = flag.Bool("crash.resume", false, "take over the results of an earlier run that were good, and run the rest")
	keepAll  = flag.Bool("crash.keep", false, "keep what every cell wrote, not only failed ones")
	repeat   = flag.Int("crash.repeat", 1, "how often each cell runs")
)

// keptFolder has the results and what failed cells wrote.
var keptFolder = filepath.Join(root, ".cache", "crash")

// result is one cell's.
type result struct {
	Scenario string `json:"scenario"`
	Kill     string `json:"kill"` // empty: the run without
	Err      string `json:"err,omitempty"`
	outcome
}

func TestCrashMatrix(t *testing.T) {
	if *table {
		writeTable(t)
		return
	}
	k := newKit(t)
	t.Logf("seed %d", *seed)
	m := matrix{t: t, kit: k, began: time.Now(), done: map[string]result{}}
	m.open()
	chosen := m.choose()
	m.run(chosen)
	m.report(chosen)
	if whole() {
		writeTable(t)
	}
}

// whole reports whether all scenarios run with all their points: only such a run
// is written down.
func whole() bool { return *full && *only == "" && *at == "" }

func newKit(t *testing.T) *kit {
	t.Helper()
	binary, err := pointed()
	if err != nil {
		t.Fatal(err)
	}
	keep, err := filepath.Abs(keptFolder)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(keep, 0o755); err != nil {
		t.Fatal(err)
	}
	b, err := workbench.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	k := &kit{binary: binary, bench: b, images: map[string]string{}, keep: keep}
	for name, env := range map[string]map[string]string{
		"v1": {}, "v2": {}, "v3": {}, "bad": {"BREAK": "unhealthy"}, "slow": {"START_DELAY": "20s"},
	} {
		env["VERSION"] = name
		k.images[name] = dockertest.Image(t, name, dockertest.Options{Env: env})
	}
	purpose := "test-" + dockertest.Unique()
	k.nginx = "teal-test-nginx:" + purpose
	t.Cleanup(func() {
		if _, err := b.RemoveImages(context.Background(), purpose); err != nil {
			t.Error(err)
		}
	})
	if err := b.MakeNginx(t.Context(), k.nginx, purpose); err != nil {
		t.Fatal(err)
	}
	k.holdImage(t)
	return k
}

// holdImage keeps the proxy's image on the engine as long as cells run: it is
// removed with the last container that uses it, and would be made again in some
// cells and not in others.
func (k *kit) holdImage(t *testing.T) {
	t.Helper()
	c, err := k.newCell(&scenario{name: "holds the proxy's image", base: v("v1")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.end(nil); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	if err := errors.Join(c.edit(*c.scenario.base), c.start(), c.ready(ctx)); err != nil {
		t.Fatal(err)
	}
	if err := c.stop(); err != nil {
		t.Fatal(err)
	}
}

// matrix is one run of many cells.
type matrix struct {
	t     *testing.T
	kit   *kit
	began time.Time

	mu      sync.Mutex
	results []result
	done    map[string]result // of an earlier run, by scenario and kill
	planned int
	file    *os.File
}

// open reads the results of an earlier run, if they count, and begins the file
// of this one.
func (m *matrix) open() {
	name := filepath.Join(m.kit.keep, "results.jsonl")
	if *resume {
		text, err := os.ReadFile(name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			m.t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			var r result
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				m.t.Fatalf("%s: %v", name, err)
			}
			m.done[r.Scenario+" "+r.Kill] = r
		}
	}
	flags := os.O_CREATE | os.O_WRONLY | os.O_APPEND
	if !*resume {
		flags |= os.O_TRUNC
	}
	if !whole() {
		name = filepath.Join(m.kit.keep, "sample.jsonl")
		flags |= os.O_TRUNC
	}
	var err error
	if m.file, err = os.OpenFile(name, flags, 0o644); err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() {
		if err := m.file.Close(); err != nil {
			m.t.Error(err)
		}
	})
}

// sampled are the scenarios of a sample, and how many kills of each it has.
var sampled = []string{"first deployment", "update"}

const sampledKills = 4

// choose returns the scenarios of this run.
func (m *matrix) choose() []*scenario {
	all := scenarios()
	if *only != "" {
		all = slices.DeleteFunc(all, func(s *scenario) bool { return !regexp.MustCompile(*only).MatchString(s.name) })
		if len(all) == 0 {
			m.t.Fatalf("no scenario matches %q", *only)
		}
	}
	if !*full && *only == "" {
		all = slices.DeleteFunc(all, func(s *scenario) bool { return !slices.Contains(sampled, s.name) })
	}
	return all
}

// random is seeded, apart for each scenario.
func random(n uint64) *rand.Rand { return rand.New(rand.NewPCG(*seed, n)) }

// job is one cell to run.
type job struct {
	scenario *scenario
	kill     string
	want     *state
}

// run runs the scenarios one after the other, so that a run that is ended early
// has whole ones, and the cells of each in parallel. The run without a kill of
// the next scenario is one of the parallel ones.
func (m *matrix) run(all []*scenario) {
	jobs := make(chan job)
	var workers sync.WaitGroup
	for range *parallel {
		workers.Go(func() {
			for j := range jobs {
				m.cell(j)
			}
		})
	}
	references := make([]chan *result, len(all))
	for n := range all {
		references[n] = make(chan *result, 1)
	}
	var asking sync.WaitGroup
	asking.Go(func() {
		for n, s := range all {
			references[n] <- m.reference(s)
		}
	})
	for n, s := range all {
		reference := <-references[n]
		if reference == nil {
			continue
		}
		kills := m.kills(uint64(n), reference.Trace)
		m.mu.Lock()
		m.planned += len(kills) * *repeat
		m.mu.Unlock()
		for range *repeat {
			for _, kill := range kills {
				jobs <- job{s, kill, &reference.State}
			}
		}
	}
	close(jobs)
	workers.Wait()
	asking.Wait()
}

// reference runs a scenario without a kill; nil if that fails.
func (m *matrix) reference(s *scenario) *result {
	r := m.attempt(job{scenario: s})
	if r.Err == "" {
		text := strings.Join(r.State, "\n")
		for _, want := range s.ends {
			if !strings.Contains(text, want) {
				r.Err = fmt.Sprintf("it ends without %q:\n%s", want, text)
			}
		}
	}
	m.note(r, true)
	if r.Err != "" {
		return nil
	}
	return &r
}

// kills are the hits of a run without a kill that the cells are for.
func (m *matrix) kills(n uint64, trace []string) []string {
	if *at == "-" {
		return nil
	}
	if *at != "" {
		return []string{*at}
	}
	hits := map[string]int{}
	for _, hit := range trace {
		name, _, _ := strings.Cut(hit, "#")
		hits[name]++
	}
	var out []string
	r := random(n + 1)
	for _, name := range sortedKeys(hits) {
		last := hits[name]
		numbers := []int{1, last}
		if last > 2 && *between {
			numbers = append(numbers, 2+r.IntN(last-2))
		}
		if *every {
			numbers = nil
			for i := range last {
				numbers = append(numbers, i+1)
			}
		}
		slices.Sort(numbers)
		for _, i := range slices.Compact(numbers) {
			out = append(out, name+"#"+strconv.Itoa(i))
		}
	}
	if !*full && *only == "" {
		r.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
		out = out[:min(len(out), sampledKills)]
	}
	return out
}

func sortedKeys[V any](m map[string]V) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.SortFunc(out, cmp.Compare)
	return out
}

// tries is how often a cell is run in which the process was not killed: two runs
// of a scenario do not hit a point equally often.
const tries = 3

// cell runs one and notes what came of it.
func (m *matrix) cell(j job) {
	if had, ok := m.done[j.scenario.name+" "+j.kill]; ok && had.Err == "" && had.Killed {
		m.note(had, false)
		return
	}
	var r result
	for range tries {
		if r = m.attempt(j); r.Err != "" || r.Killed {
			break
		}
	}
	m.note(r, true)
}

func (m *matrix) attempt(j job) result {
	out, err := m.kit.run(m.t.Context(), j.scenario, j.kill, j.want)
	r := result{Scenario: j.scenario.name, Kill: j.kill, outcome: out}
	if err != nil {
		r.Err = err.Error()
	}
	return r
}

// note keeps a result, in the file if it is fresh, and tells how far the run is.
func (m *matrix) note(r result, fresh bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.results = append(m.results, r)
	if fresh {
		line, err := json.Marshal(r)
		if err == nil {
			_, err = m.file.Write(append(line, '\n'))
		}
		if err != nil {
			m.t.Error(err)
		}
	}
	what := "ok"
	switch {
	case r.Err != "":
		what = "FAILED: " + r.Err
		m.t.Errorf("%s, killed at %q (-crash.seed=%d -crash.only='^%s$' -crash.at='%s'): %s", r.Scenario, r.Kill, *seed, regexp.QuoteMeta(r.Scenario), r.Kill, r.Err)
	case r.Kill != "" && !r.Killed:
		what = "not reached"
	}
	fmt.Fprintf(os.Stderr, "%s %d/%d %s | %s | %.1fs | %s\n", time.Since(m.began).Round(time.Second), len(m.results), m.planned, r.Scenario, cmp.Or(r.Kill, "no kill"), r.Took.Seconds(), what)
}

// report counts, and fails where less was proved than is claimed.
func (m *matrix) report(all []*scenario) {
	var cells, killed, missed, requests int
	for _, r := range m.results {
		requests += int(r.Requests)
		if r.Kill == "" {
			continue
		}
		cells++
		if r.Killed {
			killed++
		} else if r.Err == "" {
			missed++
		}
	}
	fmt.Fprintf(os.Stderr, "%d scenarios, %d cells: %d killed and compared, %d not reached; %d requests\n", len(all), cells, killed, missed, requests)
	if missed > cells/10 {
		m.t.Errorf("%d of %d cells were not killed at all", missed, cells)
	}
}
