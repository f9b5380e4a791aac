package api

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"teal/spec"
)

// query reads a request's parameters and remembers what was wrong, so that all
// of it is told at once. A parameter that nobody asked for is wrong, too.
type query struct {
	values   url.Values
	known    []string
	problems []string
}

func newQuery(r *http.Request) *query {
	values, err := url.ParseQuery(r.URL.RawQuery)
	q := &query{values: values}
	if err != nil {
		q.problems = append(q.problems, "the query cannot be read: "+err.Error())
	}
	return q
}

// text returns a parameter as it is.
func (q *query) text(name string) string {
	q.known = append(q.known, name)
	if len(q.values[name]) > 1 {
		q.problems = append(q.problems, name+" is given more than once")
	}
	return q.values.Get(name)
}

// app reads "project" or "project/service"; nothing is every app.
func (q *query) app() spec.Name {
	text := q.text("app")
	project, service, found := strings.Cut(text, "/")
	if found && (project == "" || service == "" || strings.Contains(service, "/")) {
		q.problems = append(q.problems, fmt.Sprintf("app %q is not project or project/service", text))
	}
	return spec.Name{Project: project, Service: service}
}

// follow reads 1, true, 0, false or nothing.
func (q *query) follow() bool {
	text := q.text("follow")
	if text == "" {
		return false
	}
	v, err := strconv.ParseBool(text)
	if err != nil {
		q.problems = append(q.problems, fmt.Sprintf("follow is %q, not 1 or 0", text))
	}
	return v
}

// number reads a count from 0 to most; without the parameter it is usual.
func (q *query) number(name string, usual, most int) int {
	text := q.text(name)
	if text == "" {
		return usual
	}
	v, err := strconv.Atoi(text)
	if err != nil || v < 0 || v > most {
		q.problems = append(q.problems, fmt.Sprintf("%s is %q, not a number from 0 to %d", name, text, most))
	}
	return v
}

func (q *query) number64(name string) uint64 {
	text := q.text(name)
	if text == "" {
		return 0
	}
	v, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		q.problems = append(q.problems, fmt.Sprintf("%s is %q, not a number", name, text))
	}
	return v
}

func (q *query) duration(name string) time.Duration {
	text := q.text(name)
	if text == "" {
		return 0
	}
	v, err := time.ParseDuration(text)
	if err != nil || v < 0 {
		q.problems = append(q.problems, fmt.Sprintf("%s is %q, not a duration such as 30s", name, text))
	}
	return v
}

// done returns the refusal if anything was wrong.
func (q *query) done() error {
	for name := range q.values {
		if !slices.Contains(q.known, name) {
			q.problems = append(q.problems, name+" is not a parameter here")
		}
	}
	if len(q.problems) == 0 {
		return nil
	}
	slices.Sort(q.problems)
	e := invalid("the request's parameters are not what this API takes")
	e.Details = q.problems
	return e
}
