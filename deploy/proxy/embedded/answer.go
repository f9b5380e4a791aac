package embedded

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// errorHeader tells a program why the proxy, and not the app, answered.
const errorHeader = "Teal-Error"

// unreadLimit is how long a client may take to send the rest of a body that
// nobody wants.
const unreadLimit = 5 * time.Second

func (x *exchange) answerNoRoute() {
	if x.live.table.Seq == 0 {
		x.answer(http.StatusServiceUnavailable, "no-table", "Teal's proxy has not been told yet what to serve.")
		return
	}
	x.answer(http.StatusNotFound, "no-route", "Nothing is served at this address.")
}

// answer is Teal's own word to the client: a line of text that names nothing
// private, the reason in a header, and an id that is in the log as well.
func (x *exchange) answer(status int, reason, text string) {
	id := strconv.FormatUint(uint64(rand.Uint32()), 16)
	h := x.w.Header()
	clear(h)
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set(errorHeader, reason)
	if status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "1")
	}
	if x.r.ContentLength != 0 && !x.body.done.Load() {
		x.limitUnread()
	}
	x.wrote = true
	x.w.WriteHeader(status)
	if x.r.Method != http.MethodHead {
		// An error means that the client has gone, which the server notices itself.
		_, _ = io.WriteString(x.w, fmt.Sprintf("%d %s\n\n%s\n\nTeal (%s, request %s)\n", status, http.StatusText(status), text, reason, id))
	}
	x.p.logAnswer(x, status, reason, id)
}

// limitUnread keeps the server from waiting long for a body nobody reads.
func (x *exchange) limitUnread() {
	// A server that cannot set deadlines has no slow clients to guard against.
	_ = http.NewResponseController(x.w).SetReadDeadline(time.Now().Add(unreadLimit))
}
