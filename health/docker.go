package health

import (
	"context"
	"strings"

	"teal/reconcile"
)

// newDockerCheck returns a probe that asks for the verdict of the container's
// own HEALTHCHECK.
func newDockerCheck(docker DockerHealth, container string) check {
	const what = "docker → "
	if docker == nil {
		return always(outcome{unknown, what + "no engine to ask"})
	}
	return func(ctx context.Context) outcome {
		status, output, err := docker.Health(ctx, container)
		if err != nil {
			return outcome{unknown, what + "the engine did not answer: " + quote(err.Error())}
		}
		switch status {
		case reconcile.HealthHealthy:
			return outcome{passed, what + string(status)}
		case reconcile.HealthStarting:
			return outcome{starting, what + string(status)}
		case reconcile.HealthUnhealthy:
			return outcome{failed, what + string(status) + lastLine(output)}
		case reconcile.HealthNone:
			return outcome{failed, what + "the container has no HEALTHCHECK"}
		}
		return outcome{unknown, what + "verdict " + quote(string(status)) + " is not known"}
	}
}

// lastLine returns ": " and the last line of output that says something.
func lastLine(output string) string {
	output = strings.TrimRight(output, " \t\r\n")
	if line := quote(output[strings.LastIndexByte(output, '\n')+1:]); line != "" {
		return ": " + line
	}
	return ""
}
