// Package workbench does on a Docker Engine what Teal's demo and benchmarks
// need beside Teal: images made from one static binary without any registry,
// the time the engine itself takes for a container, and the removal of all that
// carries a label.
//
// It promises that nothing without the label it is told is ever removed.
package workbench

import (
	"context"
	"fmt"
	"time"

	"github.com/docker/docker/client"
)

// LabelMade marks images and containers made by this package; its value says
// for what.
const LabelMade = "teal.made-for"

// Bench is one Docker Engine with the limits of this package on every call.
type Bench struct {
	api *client.Client
}

// Open returns the engine that the environment names (DOCKER_HOST and its
// companions, else the local socket). It is an error if it does not answer
// within 10 s.
func Open(ctx context.Context) (*Bench, error) {
	return open(ctx, client.FromEnv)
}

func open(ctx context.Context, at client.Opt) (*Bench, error) {
	api, err := client.NewClientWithOpts(at, client.WithAPIVersionNegotiation())
	if err != nil {
		return nil, fmt.Errorf("read the engine's address: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if _, err := api.Ping(ctx); err != nil {
		return nil, fmt.Errorf("reach the Docker Engine: %w", err)
	}
	return &Bench{api: api}, nil
}

// Close gives up the connection.
func (b *Bench) Close() error { return b.api.Close() }

// Version says which engine it is, as "20.10.24 (API 1.41)".
func (b *Bench) Version(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	v, err := b.api.ServerVersion(ctx)
	if err != nil {
		return "", fmt.Errorf("ask for the engine's version: %w", err)
	}
	return fmt.Sprintf("%s (API %s)", v.Version, v.APIVersion), nil
}

const (
	callLimit   = 30 * time.Second
	changeLimit = 2 * time.Minute
)
