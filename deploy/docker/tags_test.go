package docker_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"teal/deploy/docker"
	"teal/deploy/docker/dockertest"
	"teal/reconcile"
)

// TestWhatARegistryHas asks a real registry, and one that asks to be left alone.
func TestWhatARegistryHas(t *testing.T) {
	registry := dockertest.Registry(t, nil)
	ref, digest := registry.Push(t, "shop/web:1.4.2", dockertest.Options{})
	registry.Push(t, "shop/web:1.5.0", dockertest.Options{Env: map[string]string{"VERSION": "v2"}})
	engine, _ := open(t, docker.Options{})
	tags, err := engine.Tags(t.Context(), ref)
	if slices.Sort(tags); err != nil || !slices.Equal(tags, []string{"1.4.2", "1.5.0"}) {
		t.Errorf("tags %q, %v", tags, err)
	}
	if got, err := engine.Digest(t.Context(), ref); err != nil || got != digest {
		t.Errorf("digest %s, %v; want %s", got, err, digest)
	}
	if created, err := engine.Created(t.Context(), ref+"@"+digest); err != nil || !created.Before(time.Now()) {
		t.Errorf("created %s, %v", created, err)
	}
	if docker.RegistryOf(ref) != registry.Address {
		t.Errorf("it is of %s", docker.RegistryOf(ref))
	}

	behind := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: registry.Address})
	busy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/tags/list") {
			w.Header().Set("Retry-After", "90")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		behind.ServeHTTP(w, r)
	}))
	t.Cleanup(busy.Close)
	_, err = engine.Tags(t.Context(), strings.TrimPrefix(busy.URL, "http://")+"/shop/web:1.4.2")
	if f, ok := errors.AsType[*reconcile.Failure](err); !ok || f.Class != reconcile.Infra || f.RetryAfter.D() != 90*time.Second {
		t.Errorf("a busy registry: %v", err)
	}
	_, err = engine.Tags(t.Context(), "127.0.0.1:1/shop/web:1")
	if f, ok := errors.AsType[*reconcile.Failure](err); !ok || f.Reason != reconcile.ReasonRegistryUnavailable {
		t.Errorf("no registry: %v", err)
	}
}
