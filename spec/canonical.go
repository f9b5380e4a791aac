package spec

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// canon writes values in a form of our own, of which hashes are taken. A value
// that is zero is not written, so that a field that is added later changes no
// hash until somebody uses it. Every value carries its length: no two different
// inputs are written alike.
type canon struct{ b strings.Builder }

// newCanon begins with the version of the form.
func newCanon() *canon {
	c := &canon{}
	c.b.WriteString("v1:")
	return c
}

func (c *canon) sum() string {
	s := sha256.Sum256([]byte(c.b.String()))
	return hex.EncodeToString(s[:])
}

func (c *canon) text(key, v string) {
	if v != "" {
		c.b.WriteString(key + "=" + strconv.Itoa(len(v)) + ":" + v + ";")
	}
}

func (c *canon) number(key string, n int64) {
	if n != 0 {
		c.text(key, strconv.FormatInt(n, 10))
	}
}

func (c *canon) flag(key string, v bool) {
	if v {
		c.text(key, "true")
	}
}

// texts writes a list; an item may be empty, and its place counts.
func (c *canon) texts(key string, list []string) {
	c.list(key, len(list), func(c *canon, i int) { c.b.WriteString(strconv.Itoa(len(list[i])) + ":" + list[i] + ";") })
}

// pairs writes a mapping, sorted; a value may be empty.
func (c *canon) pairs(key string, m map[string]string) {
	keys := sortedKeys(m)
	c.list(key, len(keys), func(c *canon, i int) {
		fmt.Fprintf(&c.b, "%d:%s=%d:%s;", len(keys[i]), keys[i], len(m[keys[i]]), m[keys[i]])
	})
}

// list writes n items, each in brackets.
func (c *canon) list(key string, n int, item func(c *canon, i int)) {
	if n == 0 {
		return
	}
	inner := &canon{}
	for i := range n {
		inner.b.WriteByte('[')
		item(inner, i)
		inner.b.WriteByte(']')
	}
	c.text(key, inner.b.String())
}

// group writes what write writes, if it writes anything.
func (c *canon) group(key string, write func(c *canon)) {
	inner := &canon{}
	write(inner)
	c.text(key, inner.b.String())
}

// value writes any value of our own types by its JSON names.
func (c *canon) value(key string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			// A pointer says something even if it points at zero.
			c.group(key, func(c *canon) { c.flag("set", true); c.value("to", v.Elem()) })
		}
	case reflect.Struct:
		c.group(key, func(c *canon) {
			for i := range v.NumField() {
				name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
				c.value(name, v.Field(i))
			}
		})
	case reflect.Slice:
		c.list(key, v.Len(), func(c *canon, i int) { c.value("item", v.Index(i)) })
	case reflect.Map:
		c.pairs(key, v.Interface().(map[string]string))
	case reflect.String:
		c.text(key, v.String())
	case reflect.Bool:
		c.flag(key, v.Bool())
	case reflect.Float64:
		if f := v.Float(); f != 0 {
			c.text(key, strconv.FormatFloat(f, 'g', -1, 64))
		}
	default:
		if v.CanInt() {
			c.number(key, v.Int())
		} else {
			c.text(key, strconv.FormatUint(v.Uint(), 10))
		}
	}
}

// Fingerprint is a hash, in hex, of all that s says, which is what counts
// generations: equal fingerprints are the same wish. Where it was read from is
// not part of it.
func Fingerprint(s Service) string {
	c := newCanon()
	c.value("service", reflect.ValueOf(s))
	return c.sum()
}

// sameJSON compares two values as the store and the API see them.
func sameJSON(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}
