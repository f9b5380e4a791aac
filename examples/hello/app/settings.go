package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// fault is a way to misbehave.
type fault string

// Faults that BREAK can name.
const (
	faultNone        fault = ""
	faultExit        fault = "exit"         // exits with status 1 at once
	faultNeverListen fault = "never-listen" // runs, but never listens
	faultUnhealthy   fault = "unhealthy"    // GET /health answers 503
	fault500         fault = "500"          // all but GET /health answers 500
	faultLater       fault = "break-after"  // after a while everything answers 500
	faultHog         fault = "hog"          // takes all the memory it can get
)

// settings are all that the environment can say.
type settings struct {
	version, colour, title string
	port                   int
	startDelay, crashAfter time.Duration
	healthStatus           int
	fault                  fault
	faultAfter             time.Duration
	ignoreTerm, exitAtOnce bool
}

// fromEnvironment reads the settings through get, which returns "" for a
// variable that is not set.
func fromEnvironment(get func(string) string) (settings, error) {
	set := settings{
		version:    or(get("VERSION"), "dev"),
		colour:     or(get("COLOR"), "#0f766e"),
		title:      or(get("TITLE"), "Hello"),
		ignoreTerm: get("IGNORE_SIGTERM") == "1",
		exitAtOnce: get("EXIT_AT_ONCE") == "1",
	}
	var err error
	if set.port, err = number("PORT", get("PORT"), 8080); err != nil {
		return settings{}, err
	}
	if set.healthStatus, err = number("HEALTH_STATUS", get("HEALTH_STATUS"), 200); err != nil {
		return settings{}, err
	}
	if set.startDelay, err = duration("START_DELAY", get("START_DELAY")); err != nil {
		return settings{}, err
	}
	if set.crashAfter, err = duration("CRASH_AFTER", get("CRASH_AFTER")); err != nil {
		return settings{}, err
	}
	set.fault, set.faultAfter, err = parseFault(get("BREAK"))
	return set, err
}

func parseFault(text string) (fault, time.Duration, error) {
	name, after, timed := strings.Cut(text, "=")
	switch f := fault(name); f {
	case faultNone, faultExit, faultNeverListen, faultUnhealthy, fault500, faultHog:
		if timed {
			return "", 0, fmt.Errorf("BREAK=%s: %s takes no duration", text, name)
		}
		return f, 0, nil
	case faultLater:
		d, err := duration("BREAK=break-after", after)
		return f, d, err
	}
	return "", 0, fmt.Errorf("BREAK=%s: want exit, never-listen, unhealthy, 500, hog or break-after=5s", text)
}

func or(text, fallback string) string {
	if text == "" {
		return fallback
	}
	return text
}

func number(name, text string, fallback int) (int, error) {
	if text == "" {
		return fallback, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	return n, nil
}

func duration(name, text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	return d, nil
}
