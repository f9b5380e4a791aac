// Command app is the web app that Teal's demo and tests deploy. It is one
// static binary that shows its version, takes all its settings from the
// environment, and can misbehave on request in every way a deployment tool has
// to survive.
//
//	VERSION         text shown on the page and sent in the header Version
//	COLOR           accent colour of the page, any CSS colour
//	TITLE           heading of the page
//	PORT            port to listen on (8080)
//	START_DELAY     wait this long before listening
//	HEALTH_STATUS   status of GET /health (200)
//	BREAK           exit | never-listen | unhealthy | 500 | break-after=DURATION
//	CRASH_AFTER     exit with status 1 this long after the start
//	IGNORE_SIGTERM  1: go on when asked to stop
//	EXIT_AT_ONCE    1: exit on SIGTERM without finishing requests
//
// Without the last two it stops listening on SIGTERM, finishes the requests in
// flight, and exits with status 0. "app smoke URL" checks a running app instead.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "app:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) > 0 && args[0] == "smoke" {
		return smoke(args[1:])
	}
	if len(args) > 0 {
		return fmt.Errorf("unknown argument %q: want nothing, or smoke URL", args[0])
	}
	set, err := fromEnvironment(os.Getenv)
	if err != nil {
		return err
	}
	return serve(set)
}

// serve listens until it is asked to stop, in the way the settings say.
func serve(set settings) error {
	stop, release := stopSignal(set)
	defer release()
	if set.crashAfter > 0 {
		time.AfterFunc(set.crashAfter, func() {
			fmt.Fprintln(os.Stderr, "app: crashing as asked by CRASH_AFTER")
			os.Exit(1)
		})
	}
	if set.fault == faultExit {
		return errors.New("exiting as asked by BREAK=exit")
	}
	if set.fault == faultHog {
		eatMemory()
	}
	if !waitToListen(stop, set) {
		return nil
	}
	listener, err := net.Listen("tcp", fmt.Sprintf(":%d", set.port))
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	fmt.Printf("version %s listening on %s\n", set.version, listener.Addr())
	return serveOn(stop, listener, set)
}

// serveOn answers requests until stop ends, then finishes those in flight.
func serveOn(stop context.Context, listener net.Listener, set settings) error {
	server := &http.Server{Handler: newHandler(set), ReadHeaderTimeout: 10 * time.Second, Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-stop.Done():
	}
	fmt.Println("stopping: finishing the requests in flight")
	// No limit here: the engine's grace period is the limit.
	if err := server.Shutdown(context.WithoutCancel(stop)); err != nil {
		return fmt.Errorf("finish requests: %w", err)
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// waitToListen waits as long as the settings say. It reports false if the app
// was asked to stop meanwhile.
func waitToListen(stop context.Context, set settings) bool {
	if set.fault == faultNeverListen {
		fmt.Println("never listening, as asked by BREAK=never-listen")
		<-stop.Done()
		return false
	}
	select {
	case <-stop.Done():
		return false
	case <-time.After(set.startDelay):
		return true
	}
}

// stopSignal returns a context that ends when the app is to stop gracefully.
func stopSignal(set settings) (context.Context, func()) {
	if set.ignoreTerm {
		signal.Ignore(syscall.SIGTERM)
		return signal.NotifyContext(context.Background(), os.Interrupt)
	}
	if set.exitAtOnce {
		asked := make(chan os.Signal, 1)
		signal.Notify(asked, syscall.SIGTERM)
		go func() {
			<-asked
			os.Exit(0)
		}()
		return signal.NotifyContext(context.Background(), os.Interrupt)
	}
	return signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
}

// eatMemory takes memory and writes to it until the system ends that.
func eatMemory() {
	var held [][]byte
	for {
		page := make([]byte, 1<<20)
		for i := range page {
			page[i] = 1
		}
		held = append(held, page)
		if len(held) == 1<<9 { // 512 MiB: it has no limit, and is not to take the machine down
			return
		}
	}
}
