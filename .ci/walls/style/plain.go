package style

import "fmt"

func Bare() {} // want revive

type shape int

const (
	round shape = iota
	square
)

// Draw forgets a case.
func Draw(s int) string {
	switch shape(s) { // want exhaustive
	case round:
		return "o"
	default:
		return ""
	}
}

// Area knows both.
func Area(s int) bool { return shape(s) == square }

func init() {} // want gochecknoinits

func dead() {} // want unused

// Recieve cannot spell. // want misspell
func Recieve() {} // want misspell

// Same converts an int to an int.
func Same(n int) int {
	return int(n) // want unconvert
}

// Always hands over what never changes.
func Always() int { return scale(1, 2) + scale(2, 2) + scale(3, 2) + scale(4, 2) }

func scale(a, always int) int { // want unparam
	sum := 0
	for i := range a {
		sum += i * always
	}
	return sum
}

// Verb prints a number as text.
func Verb() string {
	return fmt.Sprintf("%s", 1) // want govet
}

// Overwritten is assigned for nothing.
func Overwritten() int {
	n := 1 // want ineffassign
	n = 2
	return n
}

// Old counts as one did before Go 1.22.
func Old() (sum int) {
	for i := 0; i < 3; i++ { // want modernize
		sum += i
	}
	return sum
}

// Self compares a value with itself.
func Self(n int) bool {
	return n == n // want staticcheck
}

// Silence silences without a reason, and everything.
func Silence(n int) (int, int) {
	a := int(n) /* want nolintlint */ //nolint:unconvert
	b := int(n) /* want nolintlint */ //nolint // everything, for a reason
	return a, b
}
