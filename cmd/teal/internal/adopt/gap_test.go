package adopt

import (
	"context"
	"errors"
	"net"
	"net/http"
	"testing"
	"time"
)

// TestGap: a listener goes, and another comes on its address.
func TestGap(t *testing.T) {
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "shop.example.com" {
			t.Errorf("asked for %q", r.Host)
		}
		w.WriteHeader(http.StatusNotFound)
	})
	first, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	one, two := &http.Server{Handler: answer}, &http.Server{Handler: answer}
	defer two.Close()
	go func() { _ = one.Serve(first) }() // ends with Close
	at := first.Addr().String()
	gap, err := Watch(t.Context(), "http://"+at+"/", "shop.example.com", func(ctx context.Context) error {
		if err := one.Close(); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, 100*time.Millisecond) // the gap
		defer cancel()
		<-ctx.Done()
		second, err := net.Listen("tcp", at)
		if err != nil {
			return err
		}
		go func() { _ = two.Serve(second) }() // ends with Close
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if gap.Lost < 90*time.Millisecond || gap.Tries == 0 || gap.Asked <= gap.Tries {
		t.Errorf("got %+v", gap)
	}
}

func TestNoGap(t *testing.T) {
	at := server(t, "x")
	gap, err := Watch(t.Context(), "http://"+at, "", func(context.Context) error { return nil })
	if err != nil || gap.Lost != 0 || gap.Tries != 0 || gap.Asked == 0 {
		t.Errorf("%+v, %v", gap, err)
	}
	wrong := errors.New("refused")
	if _, err := Watch(t.Context(), "http://"+at, "", func(context.Context) error { return wrong }); !errors.Is(err, wrong) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Watch(ctx, "http://127.0.0.1:1", "", nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("nobody answers there: %v", err)
	}
}
