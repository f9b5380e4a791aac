package doctor

import (
	"context"
	"errors"

	"teal/deploy/proxy/nginx"
)

// Nginx checks the nginx that is the proxy, at place: read asks it for what it
// serves. It reports whether it answers. Without a controller (controlled) it
// need not.
func Nginx(ctx context.Context, place nginx.Place, read func(context.Context) error, controlled bool) (answers bool, found []Finding) {
	ctx, cancel := context.WithTimeout(ctx, connectLimit)
	defer cancel()
	check := "proxy: " + place.String()
	_, err := place.Nginx(ctx, "-t")
	refused, is := errors.AsType[*nginx.ExitError](err)
	switch {
	case is:
		return false, []Finding{wrong(check, "there: nginx -t, and correct what it names", "refuses its configuration: %v", refused)}
	case err != nil && !controlled:
		return false, []Finding{good(check, "does not run; teal run starts it, if it is Teal's own (%v)", err)}
	case err != nil:
		return false, []Finding{wrong(check, "teal events, and the log of teal run", "%v", err)}
	}
	err = read(ctx)
	switch {
	case err == nil:
		return true, []Finding{good(check, "answers, and its configuration is sound")}
	case !controlled:
		return false, []Finding{good(check, "serves nothing of Teal yet; teal run tells it what")}
	}
	return false, []Finding{wrong(check, "there: curl -s what --nginx-admin says; teal events, and the log of teal run", "does not tell what it serves: %v", err)}
}
