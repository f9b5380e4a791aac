// Package store plants faults: it knows bbolt and no sibling.
package store

import (
	_ "github.com/docker/docker/client" // want depguard
	_ "github.com/robfig/cron/v3"       // want depguard
	_ "go.etcd.io/bbolt"

	_ "teal/controller/leaf" // want depguard
	_ "teal/deploy/leaf"     // want depguard
	_ "teal/health/leaf"     // want depguard
	_ "teal/reconcile/leaf"
	_ "teal/spec/leaf"
	_ "teal/store/leaf"
)
