package store

import (
	"runtime"
	"strings"
)

// points tells of every write before it begins, between its last change and the
// commit, and when it is on the disk. The zero value tells nobody.
type points struct {
	tell func(name string)
	name string // of the write: store.Save
}

// pointsOf are those of the method that calls the caller of pointsOf.
func (d *DB) pointsOf() points {
	if d.point == nil {
		return points{}
	}
	pc := make([]uintptr, 1)
	frames := runtime.CallersFrames(pc[:runtime.Callers(3, pc)])
	frame, _ := frames.Next() // teal/store.(*DB).Save
	return points{tell: d.point, name: "store." + frame.Function[strings.LastIndexByte(frame.Function, '.')+1:]}
}

func (p points) reach(moment string) {
	if p.tell != nil {
		p.tell(p.name + "/" + moment)
	}
}

// around has a point between fn and the commit.
func (p points) around(fn func(*txn) error) func(*txn) error {
	return func(tx *txn) error {
		err := fn(tx)
		if err == nil {
			p.reach("commit")
		}
		return err
	}
}
