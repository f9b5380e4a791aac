// Package controller plants faults: it declares what it needs from the others.
package controller

import (
	"time"

	_ "github.com/docker/docker/client" // want depguard
	_ "github.com/robfig/cron/v3"
	_ "go.etcd.io/bbolt" // want depguard

	_ "teal/controller/leaf"
	_ "teal/deploy/leaf" // want depguard
	_ "teal/health/leaf" // want depguard
	_ "teal/reconcile/leaf"
	_ "teal/spec/leaf"
	_ "teal/store/leaf" // want depguard
)

// Clock may look at the clock here.
func Clock() time.Time { return time.Now() }
