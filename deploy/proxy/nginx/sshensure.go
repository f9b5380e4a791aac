package nginx

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
)

// Ensure looks whether the nginx includes Teal's file and runs. It is started
// only where the options say how.
func (s *overSSH) Ensure(ctx context.Context) (started bool, err error) {
	s.ensuring.Lock()
	defer s.ensuring.Unlock()
	_, err = s.Read(ctx, included)
	if errors.Is(err, fs.ErrNotExist) { // the main configuration cannot be loaded without it
		err = s.Write(ctx, File{Name: included, Content: []byte(nothing)})
	}
	if err != nil {
		return false, err
	}
	output, err := s.Nginx(ctx, "-T")
	if sound, err := judgeMain(s, output, err); err != nil || !sound {
		return false, err
	}
	running, err := s.running(ctx, output)
	if err != nil || running {
		return false, err
	}
	if s.o.Start == "" {
		return false, fmt.Errorf("%s does not run; start it, for example with: systemctl start nginx", s)
	}
	after := s.o.Point.effect("Start")
	said, status, err := s.command(ctx, nil, s.o.Start)
	after()
	if err != nil {
		return false, err
	}
	if status != 0 {
		return false, fmt.Errorf("%s: %s: exit status %d: %s", s, s.o.Start, status, lastLine(said))
	}
	return true, nil
}

// pidDirective finds the pid file in what "nginx -T" writes, pidOption the one
// that nginx was built with in what "nginx -V" does.
var (
	pidDirective = regexp.MustCompile(`(?m)^\s*pid\s+"?([^\s;"]+)"?\s*;`)
	pidOption    = regexp.MustCompile(`--pid-path=(\S+)`)
)

// running reports whether the process lives that nginx noted in its pid file.
func (s *overSSH) running(ctx context.Context, configuration string) (bool, error) {
	found := pidDirective.FindStringSubmatch(configuration)
	if found == nil {
		built, err := s.Nginx(ctx, "-V")
		if err != nil {
			return false, err
		}
		if found = pidOption.FindStringSubmatch(built); found == nil {
			found = []string{"", "/run/nginx.pid"}
		}
	}
	// The pid may be another program's by now.
	script := fmt.Sprintf("pid=$(cat %s) && [ \"$(cat /proc/$pid/comm)\" = nginx ]", quote(found[1]))
	_, status, err := s.command(ctx, nil, script)
	return status == 0, err
}
