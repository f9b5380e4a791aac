package spec

import (
	"errors"
	"reflect"
	"testing"
	"time"
)

const (
	second = Duration(time.Second)
	minute = Duration(time.Minute)
)

// TestDefaults: an x-teal block that names a port means all of this.
func TestDefaults(t *testing.T) {
	web := find(t, mustCompose(t, app("{route: {port: 8080}}")), "web")
	want := Rollout{
		Active: ActiveAuto, Strategy: BlueGreen, Promotion: Promotion{Mode: PromotionAuto},
		Route: Route{Host: "*", Path: "/", Port: 8080, Hold: 10 * second},
		Health: Health{
			Kind: HealthHTTP, Path: "/", Port: 8080, Statuses: []StatusRange{{200, 499}},
			Interval: Duration(50 * time.Millisecond), Timeout: 2 * second, Successes: 3, Failures: 3, Deadline: 2 * minute, Restarts: 3,
		},
		Drain:   Drain{30 * second, 30 * second},
		Bake:    Bake{MaxFailed: 0.05, MinRequests: 20},
		Standby: Standby{For: 10 * minute},
	}
	if !reflect.DeepEqual(*web.Rollout, want) {
		t.Errorf("got  %+v\nwant %+v", *web.Rollout, want)
	}
	c := web.Container
	if web.Replicas != 1 || web.PullPolicy != PullMissing || c.Restart != "unless-stopped" || c.StopGracePeriod != 10*second || c.Image != "web:latest" && c.Image != "web:1" {
		t.Errorf("got %+v", web)
	}
	if len(c.Networks) != 1 || c.Networks[0].Name != "p_default" || len(c.Networks[0].Aliases) != 0 {
		t.Errorf("an app must not answer to its service name: %+v", c.Networks)
	}
}

func TestForms(t *testing.T) {
	const port = "route: {port: 1}"
	for _, c := range []struct {
		block string
		get   func(Rollout) any
		want  any
	}{
		{"{" + port + ", active: blue}", func(r Rollout) any { return r.Active }, ActiveBlue},
		{"{" + port + ", promotion: manual}", func(r Rollout) any { return r.Promotion }, Promotion{Mode: PromotionManual, Timeout: 24 * 60 * minute, OnTimeout: TimeoutAbort}},
		{"{" + port + ", promotion: {manual: true}}", func(r Rollout) any { return r.Promotion }, Promotion{Mode: PromotionManual, Timeout: 24 * 60 * minute, OnTimeout: TimeoutAbort}},
		{"{" + port + ", promotion: {manual: true, timeout: 1h, on_timeout: promote}}", func(r Rollout) any { return r.Promotion }, Promotion{Mode: PromotionManual, Timeout: 60 * minute, OnTimeout: TimeoutPromote}},
		{"{" + port + ", promotion: {after: 10m}}", func(r Rollout) any { return r.Promotion }, Promotion{Mode: PromotionAfter, After: 10 * minute}},
		{"{route: {port: '80', host: API.Example.COM, path: /a/b/}}", func(r Rollout) any { return []any{r.Route.Port, r.Route.Host, r.Route.Path} }, []any{80, "api.example.com", "/a/b"}},
		{"{route: {port: 1, max_body: 10MB, timeout: 5s, hold: 0}}", func(r Rollout) any { return []any{r.Route.MaxBody, r.Route.Timeout, r.Route.Hold} }, []any{int64(10 << 20), 5 * second, Duration(0)}},
		{"{route: {port: 1, preview: {host: Next.example.com, token: abc}}}", func(r Rollout) any { return r.Route.Preview }, Preview{"next.example.com", "abc"}},
		{"{" + port + ", health: {http: /up}}", func(r Rollout) any { return r.Health.Statuses }, []StatusRange{{200, 399}}},
		{"{" + port + ", health: {http: /up, status: 204}}", func(r Rollout) any { return r.Health.Statuses }, []StatusRange{{204, 204}}},
		{"{" + port + ", health: {status: [200, '300-302', '404']}}", func(r Rollout) any { return r.Health.Statuses }, []StatusRange{{200, 200}, {300, 302}, {404, 404}}},
		{"{" + port + ", health: {tcp: true}}", func(r Rollout) any { return []any{r.Health.Kind, r.Health.Port} }, []any{HealthTCP, 1}},
		{"{" + port + ", health: {tcp: 5}}", func(r Rollout) any { return []any{r.Health.Kind, r.Health.Port} }, []any{HealthTCP, 5}},
		{"{" + port + ", health: {http: /, port: 9}}", func(r Rollout) any { return r.Health.Port }, 9},
		{"{" + port + ", health: {docker: true}}", func(r Rollout) any { return r.Health.Kind }, HealthDocker},
		{"{" + port + "}\n    healthcheck: {test: curl localhost}", func(r Rollout) any { return r.Health.Kind }, HealthDocker},
		{"{" + port + "}\n    healthcheck: {test: [NONE]}", func(r Rollout) any { return r.Health.Kind }, HealthHTTP},
		{"{" + port + "}\n    healthcheck: {test: x, disable: true}", func(r Rollout) any { return r.Health.Kind }, HealthHTTP},
		{"{" + port + ", health: {http: /x}}\n    healthcheck: {test: x}", func(r Rollout) any { return r.Health.Kind }, HealthHTTP},
		{"{" + port + ", test: {command: /smoke --fast}}", func(r Rollout) any { return r.Test.Command }, []string{"/smoke", "--fast"}},
		{"{" + port + ", test: {image: busybox, command: [a]}}", func(r Rollout) any { return r.Test.Image }, "busybox:latest"},
		{"{" + port + ", test: {image: busybox}}", func(r Rollout) any { return r.Test.Timeout }, 5 * minute},
		{"{" + port + ", drain: 5s}", func(r Rollout) any { return r.Drain }, Drain{5 * second, 5 * second}},
		{"{" + port + ", drain: {upgraded: 1m}}", func(r Rollout) any { return r.Drain }, Drain{30 * second, minute}},
		{"{" + port + ", bake: 5m}", func(r Rollout) any { return r.Bake }, Bake{5 * minute, 0.05, 20}},
		{"{" + port + ", bake: {for: 1m, max_failed: 0.5, min_requests: 1}}", func(r Rollout) any { return r.Bake }, Bake{minute, 0.5, 1}},
		{"{" + port + ", bake: {for: 1m, max_failed: 1%}}", func(r Rollout) any { return r.Bake.MaxFailed }, 0.01},
		{"{" + port + ", standby: forever}", func(r Rollout) any { return r.Standby }, Standby{Forever: true}},
		{"{" + port + ", standby: 0s}", func(r Rollout) any { return r.Standby }, Standby{}},
		{"{" + port + ", retry: 2}", func(r Rollout) any { return r.Retry }, "2"},
		{"\n    expose: ['9000']", func(r Rollout) any { return r.Route.Port }, 9000},
		{"{}\n    expose: [9000/tcp]", func(r Rollout) any { return r.Health.Port }, 9000},
	} {
		p, err := compose(t, app(c.block))
		if err != nil {
			t.Errorf("%s: %v", c.block, err)
		} else if got := c.get(*p.Services[0].Rollout); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %+v, want %+v", c.block, got, c.want)
		}
	}
}

func TestTealRefuses(t *testing.T) {
	const at = "compose.yaml:4: services.web.x-teal."
	for _, c := range []struct{ block, want string }{
		{"{route: {port: 1}, helth: {}}", at + `helth: unknown key; did you mean "health"? allowed: active, strategy, promotion, route, health, test, drain, bake, standby, retry`},
		{"{route: {prot: 1}}", at + `route.prot: unknown key; did you mean "port"?`},
		{"{route: {port: 1}, zzz: 1}", at + "zzz: unknown key; allowed: active"},
		{"{}", at + "route.port: missing: the port that the app listens on; write route: {port: 8080}, or name exactly one port in expose"},
		{"{}\n    expose: ['1', '2']", at + "route.port: missing"},
		{"{}\n    expose: ['1-2']", at + "route.port: missing"},
		{"[]", "services.web.x-teal: must be a mapping with active, strategy"},
		{"yes", `services.web.x-teal: must be a mapping`},
		{"{route: {port: 1}, active: purple}", at + `active: must be auto, blue, green, not "purple"`},
		{"{route: {port: 1}, active: gren}", `did you mean "green"?`},
		{"{route: {port: 1}, active: 1}", at + "active: must be auto, blue, green, not 1"},
		{"{route: {port: 1}, strategy: canary}", at + "strategy: the strategy canary is not available; write blue-green"},
		{"{route: {port: 1}, strategy: rolling}", at + "strategy: the strategy rolling is not available"},
		{"{route: {port: 1}, strategy: ab-test}", at + "strategy: the strategy ab-test is not available"},
		{"{route: {port: 1}, strategy: recreate}", at + "strategy: the strategy recreate is not available"},
		{"{route: {port: 1}, strategy: blue_green}", `did you mean "blue-green"?`},
		{"{route: {port: 1}, promotion: later}", at + `promotion: must be auto, manual, not "later"`},
		{"{route: {port: 1}, promotion: {after: 1m, manual: true}}", at + "promotion: is neither {after: 10m} nor {manual: true"},
		{"{route: {port: 1}, promotion: {manual: false}}", at + "promotion: is neither"},
		{"{route: {port: 1}, promotion: {after: 0s}}", at + "promotion.after: must be longer than 0"},
		{"{route: {port: 1}, promotion: {after: 1m, timeout: 1m}}", at + "promotion.timeout: belongs to {manual: true}"},
		{"{route: {port: 1}, promotion: {manual: true, on_timeout: wait}}", at + `promotion.on_timeout: must be abort, promote, not "wait"`},
		{"{route: {port: 0}}", at + "route.port: must be a whole number from 1 to 65535, not 0"},
		{"{route: {port: http}}", at + `route.port: must be a whole number from 1 to 65535, not "http"`},
		{"{route: {port: 1, host: 'http://x'}}", at + `route.host: "http://x" is not a host name`},
		{"{route: {port: 1, host: 'x:80'}}", at + `route.host: "x:80" is not a host name`},
		{"{route: {port: 1, host: '*.x'}}", at + `route.host: "*.x" is not a host name`},
		{"{route: {port: 1, path: api}}", at + `route.path: "api" is not a path prefix`},
		{"{route: {port: 1, path: /a/../b}}", at + `route.path: "/a/../b" is not a path prefix`},
		{"{route: {port: 1, path: '/a?b'}}", at + `route.path`},
		{"{route: {port: 1, hold: 5}}", at + "route.hold: must be a duration such as 500ms, 30s or 1h30m, not 5"},
		{"{route: {port: 1, hold: -5s}}", at + `route.hold: must be a duration`},
		{"{route: {port: 1, max_body: lots}}", at + `route.max_body: must be a size such as 512kB or 10MB, not "lots"`},
		{"{route: {port: 1, preview: {token: 'a b'}}}", at + "route.preview.token: must be at most 200"},
		{"{route: {port: 1, preview: {token: 'true'}}}", at + "route.preview.token: must be"},
		{"{route: {port: 1, host: x, preview: {host: x}}}", `"x" is already the host of web`},
		{"{route: {port: 1}, health: {http: /, tcp: true}}", at + "health: more than one kind of probe; write one of http, tcp and docker"},
		{"{route: {port: 1}, health: {http: up}}", at + `health.http: must be a path such as /health, not "up"`},
		{"{route: {port: 1}, health: {http: /, status: 99}}", at + `health.status: must be a status such as 200 or "200-299", not 99`},
		{"{route: {port: 1}, health: {http: /, status: '300-200'}}", at + "health.status: must be a status"},
		{"{route: {port: 1}, health: {http: /, status: []}}", at + "health.status: must name a status"},
		{"{route: {port: 1}, health: {http: /, body: '('}}", at + "health.body: is not a regular expression"},
		{"{route: {port: 1}, health: {http: /, headers: [a]}}", at + "health.headers: must be a mapping"},
		{"{route: {port: 1}, health: {tcp: true, status: 200}}", at + "health.status: has no meaning for tcp"},
		{"{route: {port: 1}, health: {docker: true, port: 1}}", at + "health.port: has no meaning for docker"},
		{"{route: {port: 1}, health: {docker: false}}", at + "health.docker: must be true"},
		{"{route: {port: 1}, health: {interval: 0s}}", at + "health.interval: must be longer than 0"},
		{"{route: {port: 1}, health: {successes: 0}}", at + "health.successes: must be a whole number of at least 1, not 0"},
		{"{route: {port: 1}, health: {min_healthy: 3m}}", at + "health.min_healthy: must be shorter than the deadline (2m0s)"},
		{"{route: {port: 1}, test: {}}", at + "test: needs a command; write test: {command: [/app, smoke]}"},
		{"{route: {port: 1}, test: {command: []}}", at + "test.command: must be a command"},
		{"{route: {port: 1}, test: {command: \"a 'b\"}}", at + "test.command: must be a command"},
		{"{route: {port: 1}, test: {command: x, image: 'B!'}}", at + `test.image: "B!" is not an image reference`},
		{"{route: {port: 1}, drain: {request: 1s}}", at + `drain.request: unknown key; did you mean "requests"? allowed: requests, upgraded`},
		{"{route: {port: 1}, drain: fast}", at + "drain: must be a duration"},
		{"{route: {port: 1}, bake: {max_failed: 5%}}", at + "bake: needs a time; write bake: {for: 5m}"},
		{"{route: {port: 1}, bake: {for: 1m, max_failed: 5}}", at + "bake.max_failed: must be a share such as 5% or 0.05, not 5"},
		{"{route: {port: 1}, bake: {for: 1m, max_failed: .nan}}", at + "bake.max_failed: must be a share"},
		{"{route: {port: 1}, standby: forevr}", at + `standby: must be a duration or forever, not "forevr"; did you mean "forever"?`},
		{"{route: {port: 1}, retry: [x]}", at + "retry: must be text, not a list"},
		{"{route: {port: 1}}\n    restart: no", "compose.yaml:5: services.web.restart: an app with x-teal must come back after a crash"},
		{"{route: {port: 1}}\n    ports: ['80:80']", "compose.yaml:5: services.web.ports: an app with x-teal publishes no ports: two colours cannot share one, and the proxy publishes for both; remove ports and write x-teal: {route: {port: PORT}}"},
	} {
		t.Run(c.block, func(t *testing.T) {
			_, err := compose(t, app(c.block))
			refused(t, err, c.want)
		})
	}
}

// TestEveryProblemAtOnce: an operator corrects a file once.
func TestEveryProblemAtOnce(t *testing.T) {
	_, err := compose(t, "services:\n  web:\n    image: web:1\n    privileged: true\n    imge: x\n    mem_limit: ${NONE}\n    x-teal: {actve: blue, route: {port: x}, drain: soon}\n")
	var problems Errors
	if !errors.As(err, &problems) {
		t.Fatal(err)
	}
	want := []string{"services.web.privileged", "services.web.imge", "services.web.mem_limit", "services.web.x-teal.actve", "services.web.x-teal.route.port", "services.web.x-teal.drain"}
	for i, p := range problems {
		if len(problems) != len(want) || p.Key != want[i] || p.Line == 0 || p.File != "compose.yaml" || p.Column == 0 {
			t.Fatalf("got\n%v\nwant exactly the keys %v", err, want)
		}
	}
}

func TestOneRouteOneApp(t *testing.T) {
	two := func(a, b string) string {
		return "services:\n  a: {image: a, x-teal: {route: " + a + "}}\n  b: {image: b, x-teal: {route: " + b + "}}\n"
	}
	_, err := compose(t, two("{port: 1}", "{port: 2, host: '*', path: /}"))
	refused(t, err, `compose.yaml:3: services.b.x-teal.route: a and b both want host "*", path "/"; give one of them another host or path`)
	_, err = compose(t, two("{port: 1, preview: {host: n}}", "{port: 2, path: /b, preview: {host: n}}"))
	refused(t, err, `a and b both want the preview host "n"`)
	_, err = compose(t, two("{port: 1, host: h}", "{port: 2, path: /b, preview: {host: h}}"))
	refused(t, err, `"h" is already the host of a`)
	mustCompose(t, two("{port: 1, path: /a}", "{port: 1, path: /b}"))
}

// TestDependencies: names, jobs and restarts of services without x-teal.
func TestDependencies(t *testing.T) {
	p := mustCompose(t, `services:
  db: {image: db, networks: {default: {aliases: [store, db]}}}
  migrate: {image: m}
  web: {image: web, x-teal: {route: {port: 1}}, networks: {default: {aliases: [api]}},
    depends_on: {db: {condition: service_healthy}, migrate: {condition: service_completed_successfully}}}
`)
	if got := find(t, p, "db").Container.Networks[0].Aliases; !reflect.DeepEqual(got, []string{"db", "store"}) {
		t.Errorf("a dependency answers to its name and its aliases: %v", got)
	}
	if got := find(t, p, "web").Container.Networks[0].Aliases; !reflect.DeepEqual(got, []string{"api"}) {
		t.Errorf("an app answers to its explicit aliases only: %v", got)
	}
	if m := find(t, p, "migrate"); !m.Job || m.Container.Restart != "no" {
		t.Errorf("a job is not restarted: %+v", m)
	}
	if db := find(t, p, "db"); db.Job || db.Container.Restart != "unless-stopped" {
		t.Errorf("a database is: %+v", db)
	}
	if got := find(t, p, "web").DependsOn; !reflect.DeepEqual(got, []Dependency{{"db", Healthy}, {"migrate", Completed}}) {
		t.Errorf("got %v", got)
	}
}
