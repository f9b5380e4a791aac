package health

import "context"

// newTCPCheck returns a probe that connects and closes: somebody listens.
func newTCPCheck(dial dialer, address string) check {
	what := "tcp " + address + " → "
	if address == "" {
		return always(outcome{unknown, "tcp → no address yet"})
	}
	return func(ctx context.Context) outcome {
		conn, err := dial(ctx, "tcp", address)
		if err != nil {
			return refused(ctx, what, err, "cannot connect")
		}
		_ = conn.Close() // nothing was sent that could be lost
		return outcome{passed, what + "connected"}
	}
}
