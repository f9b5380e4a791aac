package main

import (
	"net/http"
	"net/http/httputil"
	"net/url"
)

// The environment that makes this program the plain proxy, and nothing else.
const (
	plainListen = "TEAL_BENCH_PLAIN_LISTEN"
	plainTarget = "TEAL_BENCH_PLAIN_TARGET"
)

// plain is what the embedded proxy is compared with: the reverse proxy of the
// standard library as one writes it without further thought, with kept
// connections to the app.
func plain(listen, target string) error {
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: target})
	proxy.Transport = &http.Transport{MaxIdleConnsPerHost: driveConnections}
	return http.ListenAndServe(listen, proxy)
}
