package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/go-units"

	"teal/reconcile"
	"teal/spec"
)

// errStalled ends a pull that makes no progress.
var errStalled = errors.New("no progress")

// pull brings an image to the host by its digest, unless it is there. An image
// that only the engine knows cannot be brought back.
func (e *Engine) pull(ctx context.Context, app spec.Name, img reconcile.Image) error {
	ref, err := engineRef(img)
	if err != nil {
		return err
	}
	_, err = e.inspectImage(ctx, ref)
	if err != nil && !errdefs.IsNotFound(err) {
		return err
	}
	if errdefs.IsNotFound(err) {
		if img.Local {
			return e.localImageGone(img)
		}
		if err := e.lowOnDisk(ctx, img.Ref); err != nil {
			return err
		}
		if err := e.notePulling(app, img); err != nil {
			return err
		}
		if err := e.pullByDigest(ctx, app, img, ref); err != nil {
			return err
		}
	}
	if img.Local {
		return nil
	}
	return e.tagIfAbsent(ctx, img, ref)
}

// notePulling tells that an image is about to be fetched: what is told of can be
// removed one day. What is fetched for no app, as the proxy's image, is not.
func (e *Engine) notePulling(app spec.Name, img reconcile.Image) error {
	if e.pulling == nil || app == (spec.Name{}) {
		return nil
	}
	err := e.pulling(reconcile.PulledImage{Host: e.name, App: app, Image: img, At: time.Now().UTC().Round(0)})
	if err != nil {
		return fmt.Errorf("pull %s: %w", img.Ref, err)
	}
	return nil
}

// localImageGone says that an image which no registry knows is not here.
func (e *Engine) localImageGone(img reconcile.Image) error {
	if e.name == "" {
		return permanent(reconcile.ReasonImageNotFound,
			"image %s (%s) is not on this host any more, and no registry knows it; build or load it again and change the desired state", img.Ref, img.Digest)
	}
	return permanent(reconcile.ReasonImageNotFound,
		"image %s (%s) is on another host but not on %s, or was removed; push it to a registry or load it there", img.Ref, img.Digest, e.name)
}

// pullByDigest reads the engine's stream to its end: an error may be in it.
func (e *Engine) pullByDigest(ctx context.Context, app spec.Name, img reconcile.Image, ref string) error {
	named, err := parseRef(img.Ref)
	if err != nil {
		return err
	}
	auth, err := e.registryAuth(ctx, named)
	if err != nil {
		return err
	}
	a, err := e.client(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watchdog := time.AfterFunc(e.limits.Stall, func() { cancel(errStalled) })
	defer watchdog.Stop()
	defer e.guardSpace(ctx, img.Ref, func(low error) { cancel(low) })()
	stream, err := a.ImagePull(ctx, ref, image.PullOptions{RegistryAuth: auth})
	if err == nil {
		defer stream.Close()
		err = e.follow(app, stream, func() { watchdog.Reset(e.limits.Stall) })
	}
	if err != nil && errors.Is(context.Cause(ctx), errStalled) {
		return infra(reconcile.ReasonRegistryUnavailable, "pull %s: no progress for %s", img.Ref, e.limits.Stall)
	}
	if low, ok := errors.AsType[*reconcile.Failure](context.Cause(ctx)); ok && err != nil {
		return low
	}
	if err != nil {
		return pullFailure(img.Ref, err)
	}
	return nil
}

// follow reads progress until the stream ends, calling alive for every message.
func (e *Engine) follow(app spec.Name, stream io.Reader, alive func()) error {
	decoder := json.NewDecoder(stream)
	layers := layerProgress{}
	last := ""
	for {
		var m pullMessage
		if err := decoder.Decode(&m); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read progress: %w", err)
		}
		alive()
		if m.Error != "" {
			return errors.New(m.Error)
		}
		layers.add(m)
		if text := layers.String(); text != last {
			last = text
			e.progress(app, text)
		}
	}
}

// pullMessage is one line of the engine's stream.
type pullMessage struct {
	ID       string `json:"id"`
	Status   string `json:"status"`
	Error    string `json:"error"`
	Progress struct {
		Current int64 `json:"current"`
		Total   int64 `json:"total"`
	} `json:"progressDetail"`
}

// layerProgress is how far each layer has come, by its id.
type layerProgress map[string]layerState

type layerState struct {
	current, total int64
	done           bool
}

func (p layerProgress) add(m pullMessage) {
	was := p[m.ID]
	switch m.Status {
	case "Pulling fs layer", "Waiting", "Verifying Checksum", "Extracting":
		p[m.ID] = was
	case "Downloading":
		was.current, was.total = m.Progress.Current, m.Progress.Total
		p[m.ID] = was
	case "Download complete":
		was.current = was.total
		p[m.ID] = was
	case "Pull complete", "Already exists":
		was.current, was.done = was.total, true
		p[m.ID] = was
	}
}

// String is the progress in one clause: "pulling: 2 of 5 layers, 12.3MB of 45MB".
func (p layerProgress) String() string {
	if len(p) == 0 {
		return ""
	}
	var current, total int64
	done := 0
	for _, layer := range p {
		current += layer.current
		total += layer.total
		if layer.done {
			done++
		}
	}
	text := fmt.Sprintf("pulling: %d of %d layers", done, len(p))
	if total > 0 {
		text += fmt.Sprintf(", %s of %s", units.HumanSizeWithPrecision(float64(current), 2), units.HumanSizeWithPrecision(float64(total), 2))
	}
	return text
}

// tagIfAbsent gives a pulled image the tag it was wanted by, so that a prune of
// untagged images leaves it. A tag that means something else is left alone.
func (e *Engine) tagIfAbsent(ctx context.Context, img reconcile.Image, ref string) error {
	named, err := parseRef(img.Ref)
	if err != nil {
		return err
	}
	tagged, ok := reference.TagNameOnly(named).(reference.Tagged)
	if !ok {
		return nil // wanted by digest only
	}
	tag := reference.FamiliarName(named) + ":" + tagged.Tag()
	_, err = e.inspectImage(ctx, tag)
	if !errdefs.IsNotFound(err) {
		return err
	}
	return e.do(ctx, e.limits.Call, func(ctx context.Context, a dockerAPI) error { return a.ImageTag(ctx, ref, tag) })
}

// pullWords are what engines pass on from registries, where neither status nor
// type says it. The order matters: "denied" comes with "not exist".
var pullWords = []struct {
	text   string
	class  reconcile.FailureClass
	reason reconcile.Reason
}{
	{"toomanyrequests", reconcile.Infra, reconcile.ReasonRegistryUnavailable},
	{"no space left on device", reconcile.Infra, reconcile.ReasonDiskFull},
	{"no matching manifest", reconcile.Permanent, reconcile.ReasonImageInvalid},
	{"unsupported media type", reconcile.Permanent, reconcile.ReasonImageInvalid},
	{"denied", reconcile.Permanent, reconcile.ReasonImageDenied},
	{"unauthorized", reconcile.Permanent, reconcile.ReasonImageDenied},
	{"no basic auth credentials", reconcile.Permanent, reconcile.ReasonImageDenied},
	{"authentication required", reconcile.Permanent, reconcile.ReasonImageDenied},
	{"manifest unknown", reconcile.Permanent, reconcile.ReasonImageNotFound},
	{"not found", reconcile.Permanent, reconcile.ReasonImageNotFound},
}

// pullFailure classifies an error of a pull. What it does not know may pass.
func pullFailure(ref string, err error) error {
	if f := failure(err); f.Reason != reconcile.ReasonEngineUnavailable && f.Reason != reconcile.ReasonEngineRefused {
		return f
	}
	text := strings.ToLower(err.Error())
	for _, w := range pullWords {
		if strings.Contains(text, w.text) {
			return &reconcile.Failure{Class: w.class, Reason: w.reason, Message: fmt.Sprintf("pull %s: %v", ref, err)}
		}
	}
	if unanswered(err) {
		return fmt.Errorf("pull %s: %w", ref, err)
	}
	return infra(reconcile.ReasonRegistryUnavailable, "pull %s: %v", ref, err)
}
