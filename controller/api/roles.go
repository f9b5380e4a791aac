package api

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Role is what a caller from the network may do. Over the unix socket there are
// no roles: who can connect may do everything.
type Role string

// Roles, each with all that the ones before it may.
const (
	RoleAnyone   Role = "anyone"   // no token is asked for
	RoleViewer   Role = "viewer"   // reads what the controller knows
	RoleOperator Role = "operator" // everything
)

// ladder orders the roles.
var ladder = []Role{RoleAnyone, RoleViewer, RoleOperator}

// May reports whether who has r may do what needs at least need. A role that is
// none may nothing.
func (r Role) May(need Role) bool {
	has, wants := slices.Index(ladder, r), slices.Index(ladder, need)
	return wants >= 0 && has >= wants
}

// needs says, for every endpoint, which role it takes. It is the one table: a
// pattern that is not in it cannot be served.
//
// A plan changes nothing and is for operators all the same: it has the
// controller ask whatever registries the request names.
var needs = map[string]Role{
	"GET /v1/healthz": RoleAnyone,

	"GET /v1/version":                          RoleViewer,
	"GET /v1/status":                           RoleViewer,
	"GET /v1/events":                           RoleViewer,
	"GET /v1/commands/{token}":                 RoleViewer,
	"GET /v1/apps/{project}/{service}/history": RoleViewer,
	"GET /v1/apps/{project}/{service}/logs":    RoleViewer,
	"GET /metrics":                             RoleViewer,
	"/":                                        RoleViewer,

	"GET /v1/backup":                             RoleOperator,
	"POST /v1/plan":                              RoleOperator,
	"POST /v1/apply":                             RoleOperator,
	"POST /v1/sync":                              RoleOperator,
	"DELETE /v1/projects/{project}":              RoleOperator,
	"POST /v1/apps/{project}/{service}/commands": RoleOperator,
}

// Needs returns which role each endpoint takes, by its pattern.
func Needs() map[string]Role { return maps.Clone(needs) }

// Caller is who asks, from the network.
type Caller struct {
	Name string // of the token
	Role Role
	Key  string // tells two tokens of one name apart; never told
}

// Gate says who may come in from the network.
type Gate interface {
	// Admit says who asks, or refuses with an [Error] that never repeats what was
	// offered.
	Admit(r *http.Request) (Caller, error)
	// Stands reports whether a caller that was admitted still would be.
	Stands(c Caller) bool
}

// callerKey holds the [Caller] in a request's context.
type callerKey struct{}

func callerOf(ctx context.Context) (Caller, bool) {
	c, ok := ctx.Value(callerKey{}).(Caller)
	return c, ok
}

// handle adds an endpoint to mux, behind what its role asks for.
func (h *handler) handle(mux *http.ServeMux, pattern string, next http.Handler) {
	need, decided := needs[pattern]
	if !decided {
		panic("api: nobody decided who may use " + pattern)
	}
	mux.Handle(pattern, h.admitted(need, next))
}

// admitted lets through whom the gate admits with the role that is needed.
func (h *handler) admitted(need Role, next http.Handler) http.Handler {
	if h.Gate == nil || need == RoleAnyone {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, err := h.Gate.Admit(r)
		if err != nil {
			// Who does not come in keeps no connection, and sends no body.
			w.Header().Set("Connection", "close")
			w.Header().Set("WWW-Authenticate", `Bearer realm="teal"`)
			h.turnAway(w, r, err)
			return
		}
		if !caller.Role.May(need) {
			h.Logger.Warn("request was not allowed", "token", caller.Name, "role", string(caller.Role), "remote_address", r.RemoteAddr,
				"method", r.Method, "path", r.URL.Path)
			h.turnAway(w, r, &Error{
				Reason:  ReasonForbidden,
				Message: fmt.Sprintf("the token %s has the role %s, and this needs %s", caller.Name, caller.Role, need),
				Hint:    "on the controller's machine: teal token create NAME --role " + string(need),
			})
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, caller)))
	})
}

func (h *handler) turnAway(w http.ResponseWriter, r *http.Request, err error) {
	if late := deadlines(w, h.Timeout); late != nil {
		err = late
	}
	h.fail(w, r, err)
}

// standing ends a stream's context once its caller is not admitted any more.
// The function it returns waits until that has stopped being watched.
func (h *handler) standing(ctx context.Context) (context.Context, func()) {
	caller, remote := callerOf(ctx)
	if h.Gate == nil || !remote {
		return ctx, func() {}
	}
	out, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for pause(out, time.Second) {
			if !h.Gate.Stands(caller) {
				cancel()
			}
		}
	}()
	return out, func() { cancel(); <-done }
}

// maxBy bounds who a caller from the network says it is, in bytes.
const maxBy = 64

// by says who asks: over the socket what the client says, from the network the
// token first, which cannot be made up.
func by(ctx context.Context, said string) string {
	caller, remote := callerOf(ctx)
	if !remote {
		return said
	}
	said = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '(' || r == ')' {
			return -1
		}
		return r
	}, said)
	if said == "" || len(said) > maxBy {
		return "token " + caller.Name
	}
	return "token " + caller.Name + " (" + said + ")"
}
