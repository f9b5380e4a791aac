package reconcile

import (
	"slices"
	"strings"

	"teal/spec"
)

// Table is all that a proxy serves. Seq counts its versions; a proxy refuses a
// table that is not newer than the one it has.
type Table struct {
	Seq    uint64  `json:"seq"`
	Routes []Route `json:"routes"` // sorted by app
}

// Snapshot is a proxy's answer to a read back.
type Snapshot struct {
	Table   Table        `json:"table"`
	Traffic []AppTraffic `json:"traffic,omitempty"` // sorted by app
}

// AppTraffic is the traffic of one app.
type AppTraffic struct {
	App     spec.Name `json:"app"`
	Traffic []Traffic `json:"traffic"`
}

// Served returns what s says about app.
func (s Snapshot) Served(app spec.Name) Served {
	out := Served{Known: true}
	for i := range s.Table.Routes {
		if s.Table.Routes[i].App == app {
			r := s.Table.Routes[i]
			out.Route = &r
		}
	}
	for _, t := range s.Traffic {
		if t.App == app {
			out.Traffic = t.Traffic
		}
	}
	return out
}

// With returns t with r in place of the route its app had. Seq is not changed.
func (t Table) With(r Route) Table {
	out := t.Without(r.App)
	out.Routes = append(out.Routes, r)
	slices.SortFunc(out.Routes, func(a, b Route) int { return strings.Compare(a.App.String(), b.App.String()) })
	return out
}

// Without returns t without app's route. Seq is not changed.
func (t Table) Without(app spec.Name) Table {
	out := Table{Seq: t.Seq}
	for _, r := range t.Routes {
		if r.App != app {
			out.Routes = append(out.Routes, r)
		}
	}
	return out
}
