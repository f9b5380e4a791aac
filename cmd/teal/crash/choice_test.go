package crash

import (
	"cmp"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

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
		numbers = slices.Compact(numbers)
		if *one {
			numbers = numbers[len(name)%len(numbers):][:1]
		}
		for _, i := range numbers {
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
