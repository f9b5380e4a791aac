// Command teal plants faults: it ties the rooms together, but the libraries
// stay in theirs.
package main

import (
	_ "filippo.io/age"                          // want depguard
	_ "github.com/coreos/go-systemd/v22/daemon" // want depguard
	_ "github.com/docker/docker/client"         // want depguard
	_ "github.com/robfig/cron/v3"               // want depguard
	_ "go.etcd.io/bbolt"                        // want depguard

	_ "teal/controller/leaf"
	_ "teal/deploy/leaf"
	_ "teal/health/leaf"
	_ "teal/reconcile/leaf"
	_ "teal/spec/leaf"
	_ "teal/store/leaf"
)

func main() {}
