package embedded

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// tunnelBuffer is what an upgraded connection takes per direction.
const tunnelBuffer = 8 << 10

// tunnel is one upgraded connection.
type tunnel struct {
	target *target
	client net.Conn
	server *conn
	half   atomic.Bool // one side has ended
	idle   time.Duration
}

// change passes on a 101 and then bytes both ways, until both sides have ended
// or the connection's time is over.
func (x *exchange) change(c *conn, resp *http.Response) outcome {
	if x.upgrade == "" || !strings.EqualFold(resp.Header.Get("Upgrade"), x.upgrade) {
		return x.broken(errors.New("the app changed to a protocol that was not asked for"))
	}
	if !x.stopPump(c) {
		return x.broken(errors.New("the app changed the protocol before the request's body ended"))
	}
	nc, brw, err := http.NewResponseController(x.w).Hijack()
	if err != nil {
		return x.broken(err)
	}
	defer nc.Close()
	x.wrote = true
	_ = nc.SetDeadline(time.Time{}) // fails only on a closed connection, which the next write shows
	if err := writeSwitch(nc, resp); err != nil {
		return clientGone
	}
	t := &tunnel{target: c.target, client: nc, server: c, idle: x.p.limits.IdleTime}
	up := x.backend.up
	up.openTunnel(t)
	defer up.endTunnel(t)
	up.leave()
	x.left = true
	x.count()
	t.run(brw.Reader)
	return answered
}

// writeSwitch tells the client that the protocol changes from here on.
func writeSwitch(w io.Writer, resp *http.Response) error {
	h := http.Header{"Connection": {"Upgrade"}, "Upgrade": {resp.Header.Get("Upgrade")}}
	for name, values := range resp.Header {
		if !hopByHop(name) {
			h[name] = values
		}
	}
	var b bytes.Buffer
	b.WriteString("HTTP/1.1 101 Switching Protocols\r\n")
	if err := h.Write(&b); err != nil { // makes line ends inside of values harmless
		return err
	}
	b.WriteString("\r\n")
	_, err := b.WriteTo(w)
	return err
}

func (t *tunnel) run(fromClient *bufio.Reader) {
	var both sync.WaitGroup
	both.Go(func() { t.copy(t.server.Conn, fromClient, t.client) })
	t.copy(t.client, t.server.br, t.server.Conn)
	both.Wait()
}

// copy moves bytes from src, which reads from the connection from, to the
// connection to. A clean end is passed on as one; a broken side ends both.
func (t *tunnel) copy(to net.Conn, src io.Reader, from net.Conn) {
	buf := make([]byte, tunnelBuffer)
	for {
		if t.half.Load() {
			_ = from.SetReadDeadline(time.Now().Add(t.idle)) // fails only on a closed connection
		}
		n, err := src.Read(buf)
		if n > 0 {
			if _, werr := to.Write(buf[:n]); werr != nil {
				t.close()
				return
			}
		}
		if err == io.EOF {
			t.endHalf(to)
			return
		}
		if err != nil {
			t.close()
			return
		}
	}
}

// endHalf passes an end on. The other direction may go on while it moves.
func (t *tunnel) endHalf(to net.Conn) {
	t.half.Store(true)
	closer, ok := to.(interface{ CloseWrite() error })
	if !ok || closer.CloseWrite() != nil {
		t.close()
		return
	}
	_ = to.SetReadDeadline(time.Now().Add(t.idle)) // fails only on a closed connection
}

// close ends both sides at once.
func (t *tunnel) close() {
	_ = t.client.Close() // nothing is buffered: nothing can be lost
	_ = t.server.Close()
}
