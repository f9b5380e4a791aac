package spec

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	units "github.com/docker/go-units"
)

// value is one value of an x-teal block while it is decoded strictly. Every
// method reports what is wrong and returns a zero value then.
type value struct {
	at     path
	raw    any
	report func(finding)
}

func (v value) refuse(message, hint string) {
	v.report(finding{at: v.at, message: message, hint: hint})
}

func (v value) wrong(want string) {
	v.refuse("must be "+want+", not "+describe(v.raw), "")
}

func describe(raw any) string {
	switch raw := raw.(type) {
	case nil:
		return "empty"
	case map[string]any:
		return "a mapping"
	case []any:
		return "a list"
	case string:
		return quote(raw)
	}
	return fmt.Sprint(raw)
}

// fields returns the values of a mapping and refuses keys that are not allowed.
// An empty value is an empty mapping.
func (v value) fields(allowed ...string) map[string]value {
	out := map[string]value{}
	m, ok := v.raw.(map[string]any)
	if !ok && v.raw != nil {
		v.wrong("a mapping with " + strings.Join(allowed, ", "))
		return out
	}
	known := map[string]bool{}
	for _, k := range allowed {
		known[k] = true
	}
	for _, k := range sortedKeys(m) {
		if !known[k] {
			v.report(finding{at: v.at.with(k), message: "unknown key", hint: suggestion(k, allowed)})
			continue
		}
		out[k] = value{v.at.with(k), m[k], v.report}
	}
	return out
}

// without refuses keys that belong elsewhere, with what to write, and returns v
// as if they were not there.
func (v value) without(elsewhere map[string]string) value {
	m, ok := v.raw.(map[string]any)
	if !ok {
		return v
	}
	rest := map[string]any{}
	for _, k := range sortedKeys(m) {
		if hint, no := elsewhere[k]; no {
			v.report(finding{at: v.at.with(k), message: "unknown key", hint: hint})
			continue
		}
		rest[k] = m[k]
	}
	return value{v.at, rest, v.report}
}

// child returns a field of v, or an empty value in its place.
func (v value) child(fields map[string]value, key string) value {
	if f, ok := fields[key]; ok {
		return f
	}
	return value{at: v.at.with(key), report: v.report}
}

func (v value) text() string {
	switch raw := v.raw.(type) {
	case string:
		return raw
	case int, int64, uint64, float64:
		return fmt.Sprint(raw)
	}
	v.wrong("text")
	return ""
}

func (v value) boolean() bool {
	switch raw := v.raw.(type) {
	case bool:
		return raw
	case string: // from a variable
		if b, err := strconv.ParseBool(raw); err == nil {
			return b
		}
	}
	v.wrong("true or false")
	return false
}

// integer reads a whole number of at least low and at most high.
func (v value) integer(low, high int) int {
	n, err := 0, error(nil)
	switch raw := v.raw.(type) {
	case int:
		n = raw
	case string: // from a variable
		n, err = strconv.Atoi(raw)
	default:
		err = strconv.ErrSyntax
	}
	if err != nil || n < low || n > high {
		want := fmt.Sprintf("a whole number from %d to %d", low, high)
		if high == math.MaxInt32 {
			want = fmt.Sprintf("a whole number of at least %d", low)
		}
		v.wrong(want)
		return 0
	}
	return n
}

// duration reads "1m30s"; a bare 0 is allowed.
func (v value) duration() Duration {
	switch raw := v.raw.(type) {
	case int:
		if raw == 0 {
			return 0
		}
	case string:
		d, err := time.ParseDuration(raw)
		if err == nil && d >= 0 {
			return Duration(d)
		}
	}
	v.wrong("a duration such as 500ms, 30s or 1h30m")
	return 0
}

// positive reads a duration that is not 0.
func (v value) positive() Duration {
	d := v.duration()
	if s := fmt.Sprint(v.raw); d == 0 && strings.HasPrefix(s, "0") {
		v.refuse("must be longer than 0", "")
	}
	return d
}

// bytes reads a size in units of 1024, as Compose does: "10MB", "1g", 4096.
func (v value) bytes() int64 {
	switch raw := v.raw.(type) {
	case int:
		if raw >= 0 {
			return int64(raw)
		}
	case string:
		if n, err := units.RAMInBytes(raw); err == nil && n >= 0 {
			return n
		}
	}
	v.wrong("a size such as 512kB or 10MB")
	return 0
}

// share reads "5%" or a number from 0 to 1.
func (v value) share() float64 {
	f := -1.0
	switch raw := v.raw.(type) {
	case int:
		f = float64(raw)
	case float64:
		f = raw
	case string:
		number, percent := strings.CutSuffix(strings.TrimSpace(raw), "%")
		n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err == nil && percent {
			n /= 100
		}
		if err == nil {
			f = n
		}
	}
	if !(f >= 0 && f <= 1) {
		v.wrong("a share such as 5% or 0.05")
		return 0
	}
	return f
}

// one reads one of a few words.
func (v value) one(allowed ...string) string {
	s, ok := v.raw.(string)
	for _, a := range allowed {
		if ok && s == a {
			return s
		}
	}
	message := "must be " + strings.Join(allowed, ", ") + ", not " + describe(v.raw)
	if n := nearest(s, allowed); n != "" {
		v.refuse(message, "did you mean "+quote(n)+"?")
		return ""
	}
	v.refuse(message, "")
	return ""
}

// command reads a list of arguments, or a line that is split like a shell does.
func (v value) command() []string {
	switch raw := v.raw.(type) {
	case string, []any:
		var c types.ShellCommand
		if texts, ok := stringList(raw); ok && guarded(func() error { return c.DecodeMapstructure(raw) }) == nil && len(texts) > 0 && len(c) > 0 {
			return c
		}
	}
	v.wrong("a command: text or a list of texts")
	return nil
}

// texts reads a mapping of names to texts, numbers or true and false.
func (v value) texts() map[string]string {
	m, ok := v.raw.(map[string]any)
	if !ok {
		v.wrong("a mapping of names to texts")
		return nil
	}
	out := map[string]string{}
	for _, k := range sortedKeys(m) {
		switch e := m[k].(type) {
		case nil, map[string]any, []any:
			value{v.at.with(k), e, v.report}.wrong("text")
		default:
			out[k] = fmt.Sprint(e)
		}
	}
	return out
}
