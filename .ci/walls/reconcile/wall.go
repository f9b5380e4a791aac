// Package reconcile plants faults: it decides and can do nothing else.
package reconcile

import (
	_ "context"     // want depguard
	_ "crypto/rand" // want depguard
	_ "log"         // want depguard
	_ "log/slog"    // want depguard
	_ "maps"
	_ "math/rand"    // want depguard
	_ "math/rand/v2" // want depguard
	_ "net"          // want depguard
	_ "net/http"     // want depguard
	_ "os"           // want depguard
	_ "os/exec"      // want depguard
	"time"

	_ "github.com/docker/docker/client" // want depguard
	_ "github.com/spf13/cobra"          // want depguard

	_ "teal/controller/leaf" // want depguard
	_ "teal/deploy/leaf"     // want depguard
	_ "teal/health/leaf"     // want depguard
	_ "teal/spec/leaf"
	_ "teal/store/leaf" // want depguard
)

// Clock looks at the clock in every forbidden way.
func Clock(t time.Time) time.Duration {
	_ = time.Now()                     // want forbidigo
	_ = time.Until(t)                  // want forbidigo
	time.Sleep(1)                      // want forbidigo
	<-time.After(1)                    // want forbidigo
	_ = time.AfterFunc(1, func() {})   // want forbidigo
	_ = time.Tick(1)                   // want forbidigo
	_ = time.NewTimer(1)               // want forbidigo
	_ = time.NewTicker(1)              // want forbidigo
	return time.Since(t) + time.Second // want forbidigo
}
