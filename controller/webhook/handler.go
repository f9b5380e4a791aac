package webhook

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Hook is one source that may be called for.
type Hook struct {
	Source     string
	Kind       Kind
	SecretFile string // one secret in each line, read anew for every call
	// Follows reports whether the source follows a ref such as refs/heads/main;
	// nil: any.
	Follows func(ref string) bool
}

// Options are what a handler is made of. Sync is needed.
type Options struct {
	Hooks []Hook
	// Sync has a source looked at, soon; it must not block.
	Sync    func(source string)
	Logger  *slog.Logger          // nil: nobody
	Metrics prometheus.Registerer // nil: none
}

// Limits of a call.
const (
	path       = "/hooks/"
	maxBody    = 25 << 20 // what GitHub sends at most
	headOfBody = 64 << 10 // in which the ref is looked for
	maxCalls   = 16       // read at a time
)

// Handler answers POST /hooks/SOURCE.
type Handler struct {
	opts   Options
	hooks  map[string]*hook
	places chan struct{}
	failed bucket // by address
	called bucket // by source
	count  *prometheus.CounterVec
}

// hook is a source and what was heard of it.
type hook struct {
	Hook
	seen seen
}

// New returns a handler, or says what of the options cannot work: a secret that
// cannot be read, or is too short, is told now and not at the first push.
func New(o Options) (*Handler, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	h := &Handler{
		opts: o, hooks: map[string]*hook{}, places: make(chan struct{}, maxCalls),
		failed: bucket{burst: 10, each: 6 * time.Second}, called: bucket{burst: 30, each: time.Second},
		count: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "teal", Name: "hook_calls_total",
			Help: "Calls of webhooks by source (empty: not proven) and result (accepted, ignored, replayed, limited, refused, broken).",
		}, []string{"source", "result"}),
	}
	for _, k := range o.Hooks {
		if !slices.Contains(Kinds(), k.Kind) {
			return nil, fmt.Errorf("webhook of source %s: %q is none of %v", k.Source, k.Kind, Kinds())
		}
		secrets, err := readSecrets(k.SecretFile)
		if err != nil {
			return nil, fmt.Errorf("webhook of source %s: read its secret: %w", k.Source, err)
		}
		if len(secrets) == 0 {
			return nil, fmt.Errorf("webhook of source %s: %s has no secret of at least %d bytes; make one: openssl rand -hex 32", k.Source, k.SecretFile, leastSecret)
		}
		h.hooks[k.Source] = &hook{Hook: k}
	}
	if o.Metrics != nil {
		o.Metrics.MustRegister(h.count)
	}
	return h, nil
}

// answer is what a caller is told.
type answer struct {
	status int
	result string
	words  string
}

var (
	refused   = answer{http.StatusUnauthorized, "refused", "not signed with the secret of such a source"}
	broken    = answer{http.StatusBadRequest, "broken", "the call did not arrive whole"}
	tooLarge  = answer{http.StatusRequestEntityTooLarge, "broken", "the call is larger than 25 MiB"}
	tooOften  = answer{http.StatusTooManyRequests, "limited", "too many calls"}
	busy      = answer{http.StatusServiceUnavailable, "limited", "too many calls at a time"}
	replayed  = answer{http.StatusConflict, "replayed", "this call was seen before, or was signed too long ago"}
	unfollows = answer{http.StatusAccepted, "ignored", "this ref is not followed"}
	accepted  = answer{http.StatusAccepted, "accepted", "the source is looked at"}
)

// ServeHTTP answers a call.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, ok := strings.CutPrefix(r.URL.Path, path)
	switch {
	case !ok || strings.Contains(name, "/"):
		http.NotFound(w, r)
		return
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "POST is what a webhook does", http.StatusMethodNotAllowed)
		return
	}
	source, a := "", busy
	select {
	case h.places <- struct{}{}:
		source, a = h.call(w, r, name)
		<-h.places
	default:
	}
	h.count.WithLabelValues(source, a.result).Inc()
	if a.status == http.StatusTooManyRequests || a.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "10")
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.words+"\n") // the caller may have gone
}

// call reads a call and deals with it. The source is empty unless the caller
// proved to know its secret.
func (h *Handler) call(w http.ResponseWriter, r *http.Request, name string) (source string, a answer) {
	now := time.Now()
	k, known := h.hooks[name]
	// For a source that is not there, all is done that is done for one that is.
	kind, secrets := Generic, []string{"nobody knows this secret of no source"}
	if known {
		kind = k.Kind
		found, err := readSecrets(k.SecretFile)
		if err != nil {
			h.opts.Logger.Error("secret of a webhook was not read", "source", name, "error", err)
		}
		if len(found) > 0 {
			secrets = found
		} else {
			known = false
		}
	}
	c := kind.claimOf(r.Header, now)
	macs := c.macs(secrets)
	sum, top, err := read(http.MaxBytesReader(w, r.Body, maxBody), c, macs)
	if err != nil {
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			return "", tooLarge
		}
		return "", broken
	}
	if !c.proven(secrets, macs) || !known {
		return "", h.unproven(r, now)
	}
	return name, h.proven(k, r.Header, proof{now: now, stale: c.stale, sum: sum, top: top})
}

// unproven answers who does not know the secret; who tries often, with less.
func (h *Handler) unproven(r *http.Request, now time.Time) answer {
	origin, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		origin = r.RemoteAddr
	}
	if !h.failed.lets(origin, now) {
		return tooOften
	}
	h.opts.Logger.Warn("webhook was refused", "from", origin)
	return refused
}

// proof is a call whose signature is right.
type proof struct {
	now   time.Time
	stale bool
	sum   [sha256.Size]byte // of all that was signed
	top   []byte            // the beginning of the body
}

// proven deals with a call whose signature is right.
func (h *Handler) proven(k *hook, headers http.Header, p proof) answer {
	switch {
	case p.stale || k.seen.has(p.sum):
		return replayed
	case !h.called.lets(k.Source, p.now):
		return tooOften
	case k.seen.again(p.sum, p.now):
		return replayed
	}
	if pushed, words := k.Kind.event(headers); !pushed {
		return answer{http.StatusOK, "ignored", words}
	}
	if ref := refOf(p.top); ref != "" && k.Follows != nil && !k.Follows(ref) {
		return unfollows
	}
	h.opts.Logger.Info("webhook was heard", "source", k.Source)
	h.opts.Sync(k.Source)
	return accepted
}

// read takes the body in, hashed as it comes and not kept but for its beginning.
func read(body io.Reader, c claim, macs []hash.Hash) (sum [sha256.Size]byte, top []byte, err error) {
	all := sha256.New()
	_, _ = fmt.Fprintf(all, "%d:%s", len(c.prefix), c.prefix) // a hash takes everything
	writers := []io.Writer{all}
	for _, m := range macs {
		writers = append(writers, m)
	}
	var kept bytes.Buffer
	to := io.MultiWriter(writers...)
	if _, err = io.CopyN(io.MultiWriter(to, &kept), body, headOfBody); err == nil {
		_, err = io.Copy(to, body)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return sum, nil, err
	}
	all.Sum(sum[:0])
	return sum, kept.Bytes(), nil
}

// refOf is the ref that a push is about: a text called ref in the outermost
// mapping of a JSON body, of which only the beginning may be there. Empty: it
// does not say.
func refOf(top []byte) string {
	d := json.NewDecoder(bytes.NewReader(top))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return ""
	}
	for {
		key, err := d.Token()
		if err != nil || key == json.Delim('}') {
			return ""
		}
		if key == "ref" {
			value, err := d.Token()
			ref, isText := value.(string)
			if err != nil || !isText {
				return ""
			}
			return ref
		}
		var skipped json.RawMessage
		if d.Decode(&skipped) != nil {
			return ""
		}
	}
}
