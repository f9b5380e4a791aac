package git

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Packets of git's wire format that carry no line.
const (
	flush     = "0000"
	delimiter = "0001"
)

// maxPacket is what one packet may hold, in bytes, its length included.
const maxPacket = 65520

// packet writes a line as git frames it.
func packet(line string) string { return fmt.Sprintf("%04x%s", len(line)+4, line) }

// packets reads framed lines.
type packets struct{ in *bufio.Reader }

// errProtocol is what a server says that does not speak git.
var errProtocol = errors.New("the answer is not what a git server says")

// next returns the next line without its end; more is false for a flush or a
// delimiter.
func (p packets) next() (line string, more bool, err error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(p.in, head); err != nil {
		return "", false, err
	}
	size, err := strconv.ParseUint(string(head), 16, 16)
	if err != nil || size > maxPacket {
		return "", false, errProtocol
	}
	if size < 4 {
		return "", false, nil
	}
	body := make([]byte, size-4)
	if _, err := io.ReadFull(p.in, body); err != nil {
		return "", false, err
	}
	line = strings.TrimSuffix(string(body), "\n")
	if said, ok := strings.CutPrefix(line, "ERR "); ok {
		return "", false, serverError(said)
	}
	return line, true, nil
}

// serverError is what a git server refuses a request with.
type serverError string

// Error returns the server's words.
func (e serverError) Error() string { return "the server says: " + cleaned(string(e)) }

// cleaned cuts a text of somebody else's down to one line of harmless length.
func cleaned(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case r < ' ' || r == 0x7f:
			return -1
		}
		return r
	}, strings.TrimSpace(s))
	const longest = 400
	if len(s) > longest {
		s = s[:longest] + "…"
	}
	return s
}
