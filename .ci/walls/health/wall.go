// Package health plants faults: it knows no sibling.
package health

import (
	_ "github.com/docker/docker/client" // want depguard
	_ "github.com/robfig/cron/v3"       // want depguard
	_ "go.etcd.io/bbolt"                // want depguard

	_ "teal/controller/leaf" // want depguard
	_ "teal/deploy/leaf"     // want depguard
	_ "teal/health/leaf"
	_ "teal/reconcile/leaf"
	_ "teal/spec/leaf"
	_ "teal/store/leaf" // want depguard
)
