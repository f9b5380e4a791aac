package nginx

import (
	"fmt"
	"strings"

	"teal/reconcile"
	"teal/spec"
)

// fileOf is an app's name in files, upstreams and log lines: "shop.web". A
// project has no dot, so it is unmistakable.
func fileOf(app spec.Name) string { return app.Project + "." + app.Service }

// IncludeFile is the file of the folder that an operator's location includes to
// send its requests to app: "shop.web.conf".
func IncludeFile(app spec.Name) string { return fileOf(app) + ".conf" }

// upstreamOf names the targets of an app's colour.
func upstreamOf(app spec.Name, c spec.Colour) string { return "teal." + fileOf(app) + "." + string(c) }

// checkNames refuses what cannot stand in a configuration, whatever the table's
// rules say.
func checkNames(t reconcile.Table) error {
	for _, r := range t.Routes {
		if !word(r.App.Project, "_-") || !word(r.App.Service, "_-.") {
			return fmt.Errorf("%w: the name of %s has more than letters, digits, dashes, underscores and (in the service) dots", ErrInvalid, r.App)
		}
		if !word(strings.ReplaceAll(r.Host, "*", ""), "_-.:") || !word(r.Preview.Host, "_-.:") {
			return fmt.Errorf("%w: hosts %q and %q of %s have more than a host name has", ErrInvalid, r.Host, r.Preview.Host, r.App)
		}
		for _, b := range r.Backends {
			for _, target := range b.Targets {
				if !word(target, "_-.:[]%") {
					return fmt.Errorf("%w: target %q of %s is not host:port", ErrInvalid, target, r.App)
				}
			}
		}
	}
	return nil
}

func word(s, more string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune(more, r)
	})
}

// literal is a regular expression that matches exactly s: everything that is not
// a letter or digit by its number, which no configuration syntax can misread.
func literal(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if word(string(rune(c)), "") && c < 0x80 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, `\x%02x`, c)
		}
	}
	return b.String()
}
