// Package style plants one fault for each rule of style.
package style

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
)

type oddThing struct{} // want errname

// Error makes it an error.
func (oddThing) Error() string { return "" }

var broken = errors.New("broken") // want revive

// BrokenToo is an error without the prefix of one.
var BrokenToo = fmt.Errorf("broken, too: %w", broken) // want revive

// Compare compares an error by ==.
func Compare(err error) bool {
	return err == broken // want errorlint
}

// Odd returns an odd error.
func Odd() error { return oddThing{} }

// Shout returns an error in the wrong words.
func Shout() error {
	return errors.New("It broke.") // want revive
}

// Forget drops one error and hides another.
func Forget(name string) error {
	os.Remove(name) // want errcheck
	if _, err := os.Stat(name); err != nil {
		return nil // want nilerr
	}
	return nil
}

// Leak does not close the body.
func Leak(client *http.Client, req *http.Request) (int, error) {
	resp, err := client.Do(req) // want bodyclose
	if err != nil {
		return 0, err
	}
	b, err := io.ReadAll(resp.Body)
	return len(b), err
}

// Flow indents what need not be.
func Flow(n int) int {
	if n > 0 {
		return n
	} else { // want revive
		n++
		return n * 2
	}
}
