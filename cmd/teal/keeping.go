package main

import (
	"math"
	"os"
	"strconv"
	"strings"

	"github.com/docker/go-units"
	"github.com/spf13/pflag"

	"teal/controller"
	"teal/deploy/docker"
	"teal/reconcile"
)

// keeping says which images stay on the hosts, and how much space.
type keeping struct{ images, reserve string }

// keepOff is the word for removing no image at all.
const keepOff = "off"

func (k *keeping) flags(f *pflag.FlagSet) {
	f.StringVar(&k.images, "images-keep", "3", "how many earlier images of each app stay on a host, beyond those in use; off: no image is ever removed")
	f.StringVar(&k.reserve, "disk-reserve", "1GiB", "`space` that a pull must leave free where an engine keeps its images: a size, or a share such as 5%; 0: pulls are not guarded")
}

// rule is the retention of images; nil: none is ever removed.
func (k *keeping) rule() (*reconcile.Retention, error) {
	if k.images == keepOff {
		return nil, nil
	}
	n, err := strconv.Atoi(k.images)
	if err != nil || n < 0 || n > 1000 {
		return nil, badInput("--images-keep 3", "--images-keep is %q, neither a number from 0 to 1000 nor off", k.images)
	}
	return &reconcile.Retention{Keep: n}, nil
}

// space is what a pull must leave free.
func (k *keeping) space() (docker.Reserve, error) {
	bad := func() (docker.Reserve, error) {
		return docker.Reserve{}, badInput("--disk-reserve 1GiB", "--disk-reserve is %q, neither a size such as 500MiB or 1GiB nor a share from 0%% to 90%%", k.reserve)
	}
	if share, ok := strings.CutSuffix(k.reserve, "%"); ok {
		percent, err := strconv.ParseFloat(share, 64)
		if err != nil || math.IsNaN(percent) || percent < 0 || percent > 90 {
			return bad()
		}
		return docker.Reserve{Percent: percent}, nil
	}
	n, err := units.RAMInBytes(k.reserve)
	if err != nil || n < 0 {
		return bad()
	}
	return docker.Reserve{Bytes: uint64(n)}, nil
}

// check refuses what cannot be understood.
func (k *keeping) check() error {
	if _, err := k.rule(); err != nil {
		return err
	}
	_, err := k.space()
	return err
}

// imageKeeping is the rule with those who carry it out; nil: no image is removed.
func (w *wiring) imageKeeping() *controller.ImageKeeping {
	rule, err := w.keeping.rule() // it was checked
	if rule == nil || err != nil {
		return nil
	}
	return &controller.ImageKeeping{Host: w.dockers, Book: w.db, Rule: *rule}
}

// askable reports whether the disks of an engine at address are this machine's:
// empty is what the environment says.
func askable(address string) bool {
	if address == "" {
		address = os.Getenv("DOCKER_HOST")
	}
	return address == "" || strings.HasPrefix(address, "unix://")
}
