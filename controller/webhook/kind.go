package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Kind is who calls, and so how a call is signed.
type Kind string

// Kinds of callers.
const (
	GitHub  Kind = "github"  // X-Hub-Signature-256
	GitLab  Kind = "gitlab"  // webhook-signature, or X-Gitlab-Token
	Gitea   Kind = "gitea"   // X-Gitea-Signature, X-Forgejo-Signature
	Generic Kind = "generic" // X-Teal-Timestamp and X-Teal-Signature
)

// Kinds are all kinds, for people.
func Kinds() []Kind { return []Kind{GitHub, GitLab, Gitea, Generic} }

// skew is how far the time that a caller signed may be from ours.
const skew = 5 * time.Minute

// claim is what a call says to prove that it is genuine.
type claim struct {
	prefix string // signed ahead of the body
	sum    []byte // of an HMAC with SHA-256
	token  string // in place of a signature
	stale  bool   // it was signed too long ago, or in the future
}

// claimOf reads a call's headers. A header that is there twice is none.
func (k Kind) claimOf(h http.Header, now time.Time) claim {
	switch k {
	case GitHub:
		return hexClaim(one(h, "X-Hub-Signature-256"), "sha256=")
	case Gitea:
		if sum := one(h, "X-Forgejo-Signature"); sum != "" {
			return hexClaim(sum, "")
		}
		return hexClaim(one(h, "X-Gitea-Signature"), "")
	case GitLab:
		if one(h, "Webhook-Signature") != "" {
			return standardClaim(h, now)
		}
		return claim{token: one(h, "X-Gitlab-Token")}
	case Generic:
		at := one(h, "X-Teal-Timestamp")
		c := hexClaim(one(h, "X-Teal-Signature"), "sha256=")
		c.prefix, c.stale = at+".", !fresh(at, now)
		return c
	}
	return claim{}
}

// one returns the value of a header that is there once.
func one(h http.Header, name string) string {
	if v := h.Values(name); len(v) == 1 {
		return v[0]
	}
	return ""
}

func hexClaim(text, prefix string) claim {
	digits, ok := strings.CutPrefix(text, prefix)
	sum, err := hex.DecodeString(digits)
	if !ok || err != nil || len(sum) != sha256.Size {
		return claim{}
	}
	return claim{sum: sum}
}

// standardClaim reads the headers of Standard Webhooks: "v1,BASE64" over
// "ID.TIMESTAMP.BODY".
func standardClaim(h http.Header, now time.Time) claim {
	id, at := one(h, "Webhook-Id"), one(h, "Webhook-Timestamp")
	if id == "" || strings.Contains(id, ".") { // a dot would leave open where it ends
		return claim{}
	}
	for word := range strings.FieldsSeq(one(h, "Webhook-Signature")) {
		text, ok := strings.CutPrefix(word, "v1,")
		if sum, err := base64.StdEncoding.DecodeString(text); ok && err == nil && len(sum) == sha256.Size {
			return claim{prefix: id + "." + at + ".", sum: sum, stale: !fresh(at, now)}
		}
	}
	return claim{}
}

// fresh reports whether a time in seconds since 1970 is about now.
func fresh(text string, now time.Time) bool {
	n, err := strconv.ParseInt(text, 10, 64)
	return err == nil && now.Sub(time.Unix(n, 0)).Abs() <= skew
}

// macs begin an HMAC for each secret.
func (c claim) macs(secrets []string) []hash.Hash {
	var out []hash.Hash
	for _, s := range secrets {
		key := []byte(s)
		if rest, ok := strings.CutPrefix(s, "whsec_"); ok { // as Standard Webhooks write a key
			if raw, err := base64.StdEncoding.DecodeString(rest); err == nil {
				key = raw
			}
		}
		m := hmac.New(sha256.New, key)
		_, _ = m.Write([]byte(c.prefix)) // a hash takes everything
		out = append(out, m)
	}
	return out
}

// proven reports whether one of the secrets was used. It takes as long for a
// wrong one as for the right one.
func (c claim) proven(secrets []string, macs []hash.Hash) bool {
	ok := false
	for i, s := range secrets {
		if c.token != "" {
			// Sums of equal length: the time does not tell how long the secret is.
			given, wanted := sha256.Sum256([]byte(c.token)), sha256.Sum256([]byte(s))
			ok = hmac.Equal(given[:], wanted[:]) || ok
			continue
		}
		ok = hmac.Equal(c.sum, macs[i].Sum(nil)) || ok
	}
	return ok && (c.token != "" || len(c.sum) == sha256.Size)
}

// event says whether a call is about something that was pushed, and what to
// answer if it is not.
func (k Kind) event(h http.Header) (pushed bool, words string) {
	switch k {
	case GitHub:
		switch e := h.Get("X-GitHub-Event"); e {
		case "push", "create":
		case "ping":
			return false, "pong"
		default:
			return false, "only pushes are of interest"
		}
	case Gitea:
		names := append(h.Values("X-Gitea-Event"), h.Values("X-Forgejo-Event")...)
		if len(names) > 0 && !slices.ContainsFunc(names, func(e string) bool { return e == "push" || e == "create" }) {
			return false, "only pushes are of interest"
		}
	case GitLab:
		if e := h.Get("X-Gitlab-Event"); e != "" && e != "System Hook" && !strings.Contains(e, "Push") {
			return false, "only pushes are of interest"
		}
	case Generic:
	}
	return true, ""
}
