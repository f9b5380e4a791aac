package notify

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// rate is how many messages go in how much time.
type rate struct {
	messages int
	per      time.Duration
}

// defaultRate is that of a target that does not say.
var defaultRate = rate{20, 10 * time.Minute}

// parseRate reads "20/10m".
func parseRate(text string) (rate, error) {
	if text == "" {
		return defaultRate, nil
	}
	count, per, ok := strings.Cut(text, "/")
	n, err := strconv.Atoi(strings.TrimSpace(count))
	d, err2 := time.ParseDuration(strings.TrimSpace(per))
	if !ok || err != nil || err2 != nil || n < 1 || n > 10_000 || d < time.Second || d > 24*time.Hour {
		return rate{}, inField("limit", errors.New("write messages/time, as in 20/10m: 1 to 10000, in 1s to 24h"))
	}
	return rate{n, d}, nil
}

// every is the time between messages when all were used up.
func (r rate) every() time.Duration { return r.per / time.Duration(r.messages) }
