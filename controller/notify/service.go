package notify

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/nicholas-fedor/shoutrrr/pkg/format"
	"github.com/nicholas-fedor/shoutrrr/pkg/router"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"
)

// service sends through the library that knows many services.
type service struct {
	raw     string
	secrets []string
	busy    atomic.Bool
}

// ours are schemes of the library that Teal has its own way for, or no use.
var ours = map[string]string{
	"generic": "use https://…, which is signed", "logger": "the log has the events anyway",
}

// lazy are services that speak to their server as soon as they are set up; at
// the start only their name is checked.
var lazy = []string{"matrix"}

func newService(raw string, u *url.URL) (sender, error) {
	scheme, _, _ := strings.Cut(strings.ToLower(u.Scheme), "+")
	if why, ok := ours[scheme]; ok {
		return nil, fmt.Errorf("%s:// is not for this: %s", scheme, why)
	}
	var known router.ServiceRouter
	names := known.ListServices()
	slices.Sort(names)
	if !slices.Contains(names, scheme) {
		return nil, fmt.Errorf("there is no service %s: there are https, slack+https, smtp, smtps, %s", scheme, strings.Join(names, ", "))
	}
	s := &service{raw: raw, secrets: secretsOf(u, true)}
	if slices.Contains(lazy, scheme) {
		return s, nil
	}
	if _, err := s.locate(); err != nil {
		return nil, fmt.Errorf("the URL of %s cannot be used: %s", scheme, scrub(err.Error(), s.secrets))
	}
	return s, nil
}

// locate sets the service up; it keeps nothing between messages.
func (s *service) locate() (types.Service, error) {
	var r router.ServiceRouter
	return r.Locate(s.raw)
}

// errHangs says that the library did not come back from the message before.
var errHangs = errors.New("the delivery before does not end")

// send delivers m. The library takes no context: what it does not end in time
// goes on alone, one delivery at most.
func (s *service) send(ctx context.Context, m message) error {
	if !s.busy.CompareAndSwap(false, true) {
		return &failure{words: errHangs.Error()}
	}
	done := make(chan error, 1)
	go func() {
		defer s.busy.Store(false)
		done <- s.deliver(m)
	}()
	select {
	case err := <-done:
		if err != nil {
			return &failure{words: plain(err, s.secrets)}
		}
		return nil
	case <-ctx.Done():
		return &failure{words: "did not answer in time"}
	}
}

func (s *service) deliver(m message) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the library failed: %v", r)
		}
	}()
	to, err := s.locate()
	if err != nil {
		return err
	}
	params := types.Params{}
	params.SetTitle(m.Title)
	err = to.Send(m.Text, &params)
	// A service that has no title says so before it sends anything.
	if err != nil && errors.Is(err, format.ErrInvalidConfigKey) {
		return to.Send(m.Text, &types.Params{})
	}
	return err
}
