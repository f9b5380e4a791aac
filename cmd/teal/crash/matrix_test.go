package crash

import (
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	full     = flag.Bool("crash.full", false, "every scenario: at each point the first hit, the last one and one in between")
	between  = flag.Bool("crash.between", true, "a hit between the first and the last one of each point, too")
	one      = flag.Bool("crash.one", false, "one hit of each point, of the three")
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
	t.Logf("seed %d", *seed)
	m := matrix{t: t, began: time.Now(), done: map[string]result{}}
	chosen := m.choose()
	m.kit = newKit(t, chosen)
	m.open()
	m.run(chosen)
	m.report(chosen)
	if whole() {
		writeTable(t)
	}
}

// whole reports whether all scenarios run with all their points: only such a run
// is written down.
func whole() bool { return *full && *only == "" && *at == "" }

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
	if !*full || *at != "" && !*resume {
		name = filepath.Join(m.kit.keep, "sample.jsonl")
		flags |= os.O_TRUNC
	} else if !*resume && *only == "" {
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

// tries is how often a cell is run in which the process was not killed: two runs
// of a scenario do not hit a point equally often. Each time it is an earlier hit.
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
		j.kill = earlier(j.kill)
	}
	m.note(r, true)
}

// earlier is the hit before one; the first is its own.
func earlier(hit string) string {
	name, number, _ := strings.Cut(hit, "#")
	n, err := strconv.Atoi(number)
	if err != nil || n < 2 {
		return hit
	}
	return name + "#" + strconv.Itoa(n-1)
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
	if whole() {
		for _, p := range unreached(allPoints(m.t), m.results) {
			if excused[p] == "" {
				m.t.Errorf("no cell kills at %s: add a scenario that gets there", p)
			}
		}
	}
	if missed > cells/10 {
		m.t.Errorf("%d of %d cells were not killed at all", missed, cells)
	}
}
