// Package deploy plants faults: it knows the Docker client and no sibling.
package deploy

import (
	_ "github.com/docker/docker/client"
	_ "github.com/robfig/cron/v3" // want depguard
	_ "go.etcd.io/bbolt"          // want depguard

	_ "teal/controller/leaf" // want depguard
	_ "teal/deploy/leaf"
	_ "teal/health/leaf" // want depguard
	_ "teal/reconcile/leaf"
	_ "teal/spec/leaf"
	_ "teal/store/leaf" // want depguard
)
