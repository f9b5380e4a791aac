package main

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

// settings are all that the environment can say.
type settings struct {
	version    string
	port       int
	database   *mysql.Config
	cache      string
	startDelay time.Duration
	unhealthy  bool
	breakAfter time.Duration // 0: never
}

func fromEnvironment(get func(string) string) (settings, error) {
	set := settings{
		version: or(get("VERSION"), "dev"), cache: or(get("CACHE"), "cache:6379"), database: mysql.NewConfig(),
	}
	set.database.Net = "tcp"
	set.database.Addr = net.JoinHostPort(or(get("DB_HOST"), "rdb"), or(get("DB_PORT"), "3306"))
	set.database.DBName = or(get("DB_NAME"), "pennyway")
	set.database.User = or(get("DB_USER"), "pennyway")
	set.database.Passwd = get("DB_PASSWORD")
	set.database.ParseTime = true
	set.database.Timeout = 2 * time.Second
	var err error
	if set.port, err = strconv.Atoi(or(get("PORT"), "8080")); err != nil {
		return set, fmt.Errorf("PORT: %w", err)
	}
	if set.startDelay, err = time.ParseDuration(or(get("START_DELAY"), "0s")); err != nil {
		return set, fmt.Errorf("START_DELAY: %w", err)
	}
	return set, set.fault(get("BREAK"))
}

func (s *settings) fault(text string) error {
	kind, value, _ := strings.Cut(text, "=")
	var err error
	switch kind {
	case "":
	case "unhealthy":
		s.unhealthy = true
	case "later":
		s.breakAfter, err = time.ParseDuration(value)
	default:
		err = fmt.Errorf("%q is neither unhealthy nor later=DURATION", text)
	}
	if err != nil {
		return fmt.Errorf("BREAK: %w", err)
	}
	return nil
}

func or(text, fallback string) string {
	if text == "" {
		return fallback
	}
	return text
}
