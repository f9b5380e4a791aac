package embedded

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// offer hands the listeners over to whoever connects to ln, which only the
// proxy's own user can. After a handover that failed it begins anew.
func (s *server) offer(ln net.Listener) error {
	nc, err := ln.Accept()
	if err != nil {
		return err
	}
	_ = ln.Close() // one successor at a time; the path is no longer ours, or taken back below
	line := nc.(*net.UnixConn)
	defer func() { _ = line.Close() }() // all that matters was answered
	s.control.move(true)
	err = s.handOver(line)
	if err == nil {
		err = s.serveSuccessor(line)
	}
	select {
	case <-s.handedOver:
		close(s.orphaned)
		if err != nil {
			s.log.Warn("conversation with the proxy that took over broke", "error", err)
		}
		return net.ErrClosed
	default:
	}
	s.log.Warn("listeners were not handed over, and this proxy goes on", "error", err)
	s.control.move(false)
	ctx, cancel := context.WithTimeout(context.Background(), handoverTime)
	defer cancel()
	if err := s.listenAdmin(ctx); err != nil {
		return err
	}
	return net.ErrClosed // another listener has taken its place
}

// handOver sends the listeners, and gives the successor its time to serve.
func (s *server) handOver(line *net.UnixConn) error {
	var about []handed
	var files []*os.File
	defer func() { closeFiles(files) }()
	edges := s.edges.all()
	if s.admin.figures != nil {
		edges = append(edges, s.admin.figures)
	}
	for _, e := range edges {
		f, err := e.File()
		if err != nil {
			return err
		}
		files = append(files, f)
		about = append(about, handed{Listen: e.listen, Address: e.Addr().String()})
	}
	fds, err := numbersOf(files)
	if err != nil {
		return err
	}
	data, err := json.Marshal(about)
	if err != nil {
		return err
	}
	if err := line.SetDeadline(time.Now().Add(startTime)); err != nil {
		return err
	}
	_, _, err = line.WriteMsgUnix(data, unix.UnixRights(fds...), nil)
	return err
}
