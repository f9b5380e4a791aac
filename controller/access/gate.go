package access

import (
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"teal/controller/api"
)

// maxSecret bounds what is taken for a token, in bytes.
const maxSecret = 256

// Gate admits requests by the tokens of a state folder. It follows the file: a
// token that was taken away is refused by the next request. It is safe for
// concurrent use.
type Gate struct {
	tokens Tokens
	log    *slog.Logger

	mu       sync.Mutex
	seen     fs.FileInfo // the file as it was read
	all      []Token
	attempts attempts
	uses     map[string]time.Time
	written  time.Time // when uses were last written
}

var _ api.Gate = (*Gate)(nil)

// NewGate returns a gate. It starts nothing.
func NewGate(t Tokens, log *slog.Logger) *Gate {
	return &Gate{tokens: t, log: log, uses: t.Uses()}
}

// Admit says who asks, or refuses with an [api.Error]. A good token is admitted
// however many bad ones came from its address: there is nothing to guess, and
// nobody can be locked out by a neighbour.
func (g *Gate) Admit(r *http.Request) (api.Caller, error) {
	now := time.Now()
	secret, given := bearer(r)
	g.mu.Lock()
	defer g.mu.Unlock()
	if given {
		if t, known := find(g.current(), secret); known && !t.Expired(now) {
			g.used(t.Name, now)
			return api.Caller{Name: t.Name, Role: t.Role, Key: t.Hash}, nil
		} else if known {
			return api.Caller{}, g.failed(r, now, "the token "+t.Name+" ran out at "+t.Expires.Format(time.RFC3339),
				"on the controller's machine: teal token remove "+t.Name+" and teal token create "+t.Name)
		}
		return api.Caller{}, g.failed(r, now, "the token is not known here", "on the controller's machine: teal token list, teal token create NAME")
	}
	return api.Caller{}, g.failed(r, now, "a token is needed here", "set TEAL_TOKEN, or TEAL_TOKEN_FILE; one is made on the controller's machine: teal token create NAME")
}

// Stands reports whether a caller that was admitted still would be.
func (g *Gate) Stands(c api.Caller) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, t := range g.current() {
		if t.Name == c.Name && t.Hash == c.Key {
			return t.Role == c.Role && !t.Expired(time.Now())
		}
	}
	return false
}

// bearer returns the token of a request.
func bearer(r *http.Request) (string, bool) {
	all := r.Header.Values("Authorization")
	if len(all) != 1 {
		return "", false
	}
	scheme, secret, _ := strings.Cut(all[0], " ")
	secret = strings.TrimSpace(secret)
	return secret, strings.EqualFold(scheme, "Bearer") && secret != "" && len(secret) <= maxSecret
}

// current returns the tokens as the file has them now. A file that cannot be
// read admits nobody.
func (g *Gate) current() []Token {
	info, err := os.Stat(filepath.Join(g.tokens.dir, tokensFile))
	if err != nil {
		g.seen, g.all = nil, nil
		if !os.IsNotExist(err) {
			g.log.Error("tokens could not be read, nobody is admitted", "error", err)
		}
		return nil
	}
	if g.seen != nil && os.SameFile(g.seen, info) && g.seen.ModTime().Equal(info.ModTime()) && g.seen.Size() == info.Size() {
		return g.all
	}
	all, err := g.tokens.List()
	if err != nil {
		g.log.Error("tokens could not be read, nobody is admitted", "error", err)
	}
	g.seen, g.all = info, all
	return all
}

// failed refuses, counts and tells.
func (g *Gate) failed(r *http.Request, now time.Time, message, hint string) error {
	allowed, suppressed := g.attempts.failed(origin(r.RemoteAddr), now)
	if !allowed {
		return &api.Error{Reason: api.ReasonTooMany, Message: "too many failed attempts from this address", Hint: "wait a minute; a good token is admitted at once"}
	}
	g.log.Warn("request was not admitted", "remote_address", r.RemoteAddr, "method", r.Method, "reason", message, "suppressed", suppressed)
	return &api.Error{Reason: api.ReasonUnauthenticated, Message: message, Hint: hint}
}

// origin is what attempts are counted by: an address, or the network that one
// machine has of IPv6.
func origin(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return remote
	}
	ip := net.ParseIP(host)
	if ip == nil || ip.To4() != nil {
		return host
	}
	return ip.Mask(net.CIDRMask(64, 128)).String()
}

// used remembers the use of a token, and writes that down once a minute at most.
func (g *Gate) used(name string, now time.Time) {
	_, before := g.uses[name]
	g.uses[name] = now.UTC().Truncate(time.Second)
	if before && now.Sub(g.written) < time.Minute {
		return
	}
	g.written = now
	if err := g.tokens.write(usesFile, g.uses); err != nil {
		g.log.Warn("last use of a token was not written down", "error", err)
	}
}
