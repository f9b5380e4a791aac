package trust

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// object is what git signed, and how.
type object struct {
	payload   []byte
	signature []byte // armored
	at        time.Time
	// Of a tag: what it is on, and its name.
	target, name string
}

// header is one line of an object's head, with those that continue it.
type header struct {
	key  string
	text []byte // its value; continued lines without their leading space
	raw  []byte
}

// fields are the headers that an object begins with, in git's order. What ends
// with ? may be there once, with * any number of times.
var (
	commitFields = []string{"tree", "parent*", "author", "committer", "encoding?"}
	tagFields    = []string{"object", "type", "tag", "tagger?"}
)

// head splits an object into its headers and the rest, which begins with the
// empty line.
func head(raw []byte) ([]header, []byte, error) {
	var out []header
	rest := raw
	for {
		line, after, ok := bytes.Cut(rest, []byte("\n"))
		switch {
		case !ok:
			return nil, nil, fmt.Errorf("%w: its head does not end", ErrMalformed)
		case len(line) == 0:
			return out, rest, nil
		case bytes.ContainsAny(line, "\r\x00"):
			return nil, nil, fmt.Errorf("%w: its head has control characters", ErrMalformed)
		}
		whole := rest[:len(line)+1]
		rest = after
		if line[0] == ' ' {
			if len(out) == 0 {
				return nil, nil, fmt.Errorf("%w: it begins with a space", ErrMalformed)
			}
			last := &out[len(out)-1]
			last.text = append(append(slices.Clip(last.text), '\n'), line[1:]...)
			last.raw = append(slices.Clip(last.raw), whole...)
			continue
		}
		key, text, _ := bytes.Cut(line, []byte(" "))
		out = append(out, header{string(key), text, whole})
	}
}

// ordered refuses a head that git does not make: what names the content stands
// once, and first. A second one, hidden behind a signature, would be read by
// some and not by others.
func ordered(headers []header, fields []string) error {
	i := 0
	for _, f := range fields {
		name := strings.TrimRight(f, "*?")
		n := 0
		for i < len(headers) && headers[i].key == name {
			i, n = i+1, n+1
		}
		if n > 1 && !strings.HasSuffix(f, "*") || n == 0 && name == f {
			return fmt.Errorf("%w: it has %d %s lines where git writes them", ErrMalformed, n, name)
		}
	}
	for _, h := range headers[i:] {
		if slices.ContainsFunc(fields, func(f string) bool { return strings.TrimRight(f, "*?") == h.key }) {
			return fmt.Errorf("%w: it has a second %s line", ErrMalformed, h.key)
		}
	}
	return nil
}

// parseCommit takes the signature out of a commit.
func parseCommit(raw []byte) (object, error) {
	headers, rest, err := head(raw)
	if err != nil {
		return object{}, err
	}
	if err := ordered(headers, commitFields); err != nil {
		return object{}, err
	}
	var o object
	for _, h := range headers {
		switch {
		case h.key != "gpgsig" && h.key != "gpgsig-sha256":
			o.payload = append(o.payload, h.raw...)
		case o.signature != nil:
			return object{}, fmt.Errorf("%w: it has two signatures", ErrMalformed)
		default:
			o.signature = append(slices.Clip(h.text), '\n')
		}
		if h.key == "committer" {
			o.at = timeOf(h.text)
		}
	}
	o.payload = append(o.payload, rest...)
	if len(o.signature) == 0 {
		return object{}, ErrUnsigned
	}
	return o, nil
}

// parseTag takes the signature off a tag's end.
func parseTag(raw []byte) (object, error) {
	headers, _, err := head(raw)
	if err != nil {
		return object{}, err
	}
	if err := ordered(headers, tagFields); err != nil {
		return object{}, err
	}
	var o object
	for _, h := range headers {
		switch h.key {
		case "object":
			o.target = string(h.text)
		case "tag":
			o.name = string(h.text)
		case "tagger":
			o.at = timeOf(h.text)
		case "type":
			if string(h.text) != "commit" {
				return object{}, fmt.Errorf("%w: the tag is on a %s", ErrMalformed, h.text)
			}
		default:
			return object{}, fmt.Errorf("%w: a tag has no %s line", ErrMalformed, h.key)
		}
	}
	begin := -1
	for _, first := range []string{beginPGP, beginSSH} {
		if i := bytes.LastIndex(raw, []byte("\n"+first)); i >= 0 {
			begin = max(begin, i+1)
		}
	}
	if begin < 0 {
		return object{}, ErrUnsigned
	}
	o.payload, o.signature = raw[:begin], raw[begin:]
	return o, nil
}

// timeOf reads the time of "Name <mail> 1700000000 +0100"; zero if there is none.
func timeOf(text []byte) time.Time {
	words := strings.Fields(string(text))
	if len(words) < 2 {
		return time.Time{}
	}
	n, err := strconv.ParseInt(words[len(words)-2], 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(n, 0)
}
