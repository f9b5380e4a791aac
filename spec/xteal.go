package spec

import (
	"math"
	"net"
	"strings"
)

// xteal decodes an x-teal block. It checks forms; what values mean together is
// checked with the whole project (see checkRollout). exposed are the ports that
// the service's expose names, checked whether Compose gives it a healthcheck.
func xteal(v value, exposed []int, checked bool) *Rollout {
	r := defaultRollout()
	v = v.without(elsewhere)
	f := v.fields("active", "strategy", "promotion", "route", "health", "test", "drain", "bake", "standby", "retry", "publish", "windows", "freezes", "image_policy")
	if a, ok := f["active"]; ok {
		r.Active = Active(a.one(string(ActiveAuto), string(ActiveBlue), string(ActiveGreen)))
	}
	if s, ok := f["strategy"]; ok {
		r.Strategy = strategy(s)
	}
	if p, ok := f["promotion"]; ok {
		r.Promotion = promotion(p)
	}
	decodeRoute(v.child(f, "route"), &r.Route, exposed)
	r.Health.Port = r.Route.Port
	decodeHealth(v.child(f, "health"), &r.Health, checked)
	if t, ok := f["test"]; ok {
		r.Test = test(t)
	}
	if d, ok := f["drain"]; ok {
		decodeDrain(d, &r.Drain)
	}
	if b, ok := f["bake"]; ok {
		decodeBake(b, &r.Bake)
	}
	if s, ok := f["standby"]; ok {
		r.Standby = standby(s)
	}
	if t, ok := f["retry"]; ok && t.raw != nil {
		r.Retry = t.text()
	}
	if p, ok := f["image_policy"]; ok {
		r.ImagePolicy = imagePolicy(p)
	}
	return &r
}

func strategy(v value) Strategy {
	switch v.raw {
	case "canary", "rolling", "ab-test", "recreate":
		v.refuse("the strategy "+v.text()+" is not available", "write blue-green")
		return BlueGreen
	}
	return Strategy(v.one(string(BlueGreen)))
}

// promotion reads auto, manual, {after: 10m} or {manual: true, …}.
func promotion(v value) Promotion {
	manual := Promotion{Mode: PromotionManual, Timeout: gateTimeout, OnTimeout: gateOnTimeout}
	if _, ok := v.raw.(map[string]any); !ok {
		switch v.one("auto", "manual") {
		case "manual":
			return manual
		}
		return Promotion{Mode: PromotionAuto}
	}
	f := v.fields("after", "manual", "timeout", "on_timeout")
	after, hasAfter := f["after"]
	m, hasManual := f["manual"]
	if hasManual && hasAfter || !hasManual && !hasAfter || hasManual && !m.boolean() {
		v.refuse("is neither {after: 10m} nor {manual: true, timeout: 24h, on_timeout: abort}", "")
		return Promotion{Mode: PromotionAuto}
	}
	if hasAfter {
		for _, k := range []string{"timeout", "on_timeout"} {
			if x, ok := f[k]; ok {
				x.refuse("belongs to {manual: true}, not to after", "")
			}
		}
		return Promotion{Mode: PromotionAfter, After: after.positive()}
	}
	if t, ok := f["timeout"]; ok {
		manual.Timeout = t.positive()
	}
	if o, ok := f["on_timeout"]; ok {
		manual.OnTimeout = OnTimeout(o.one(string(TimeoutAbort), string(TimeoutPromote)))
	}
	return manual
}

func decodeRoute(v value, r *Route, exposed []int) {
	f := v.fields("host", "path", "port", "preview", "hold", "max_body", "timeout")
	if h, ok := f["host"]; ok {
		r.Host = strings.ToLower(h.text())
	}
	if p, ok := f["path"]; ok {
		r.Path = routePath(p.text())
	}
	if p, ok := f["port"]; ok {
		r.Port = p.integer(1, math.MaxUint16)
	} else if len(exposed) == 1 {
		r.Port = exposed[0]
	} else {
		v.child(f, "port").refuse("missing: the port that the app listens on", "write route: {port: 8080}, or name exactly one port in expose")
	}
	if p, ok := f["preview"]; ok {
		r.Preview = preview(p)
	}
	if h, ok := f["hold"]; ok {
		r.Hold = h.duration()
	}
	if m, ok := f["max_body"]; ok {
		r.MaxBody = m.bytes()
	}
	if t, ok := f["timeout"]; ok {
		r.Timeout = t.duration()
	}
}

func preview(v value) Preview {
	var p Preview
	f := v.fields("host", "token")
	if h, ok := f["host"]; ok {
		p.Host = strings.ToLower(h.text())
	}
	if t, ok := f["token"]; ok {
		p.Token = t.text()
	}
	return p
}

// routePath takes slashes off the end: prefixes end on borders of segments.
func routePath(p string) string {
	if trimmed := strings.TrimRight(p, "/"); trimmed != "" || p == "" {
		return trimmed
	}
	return anyPath
}

func test(v value) *Test {
	f := v.fields("image", "command", "environment", "timeout")
	t := &Test{Timeout: testTimeout}
	image, hasImage := f["image"]
	if hasImage {
		t.Image = normalImage(image.text(), image.refuse)
	}
	if c, ok := f["command"]; ok {
		t.Command = c.command()
	} else if !hasImage {
		v.refuse("needs a command", "write test: {command: [/app, smoke]}")
	}
	if e, ok := f["environment"]; ok {
		t.Environment = e.texts()
	}
	if d, ok := f["timeout"]; ok {
		t.Timeout = d.positive()
	}
	return t
}

// decodeDrain reads 30s for both, or each by itself.
func decodeDrain(v value, d *Drain) {
	if _, ok := v.raw.(map[string]any); !ok {
		d.Requests = v.duration()
		d.Upgraded = d.Requests
		return
	}
	f := v.fields("requests", "upgraded")
	if r, ok := f["requests"]; ok {
		d.Requests = r.duration()
	}
	if u, ok := f["upgraded"]; ok {
		d.Upgraded = u.duration()
	}
}

func decodeBake(v value, b *Bake) {
	if _, ok := v.raw.(map[string]any); !ok {
		b.For = v.duration()
		return
	}
	f := v.fields("for", "max_failed", "min_requests")
	if d, ok := f["for"]; ok {
		b.For = d.duration()
	} else {
		v.refuse("needs a time", "write bake: {for: 5m}")
	}
	if s, ok := f["max_failed"]; ok {
		b.MaxFailed = s.share()
	}
	if n, ok := f["min_requests"]; ok {
		b.MinRequests = n.integer(0, math.MaxInt32)
	}
}

func standby(v value) Standby {
	if v.raw == "forever" {
		return Standby{Forever: true}
	}
	if s, ok := v.raw.(string); ok && nearest(s, []string{"forever"}) != "" {
		v.refuse("must be a duration or forever, not "+quote(s), `did you mean "forever"?`)
		return Standby{}
	}
	return Standby{For: v.duration()}
}

// validHost reports whether h can be the host of a request: letters, digits,
// dashes and dots, or an address.
func validHost(h string) bool {
	if net.ParseIP(strings.Trim(h, "[]")) != nil {
		return true
	}
	if h == "" || len(h) > 253 || h != strings.ToLower(h) {
		return false
	}
	for label := range strings.SplitSeq(h, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" ||
			strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
			return false
		}
	}
	return true
}
