package reconcile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"teal/spec"
)

// PulledImage is an image that Teal fetched to a host for an app, as the store
// remembers it. What is not remembered as pulled is never removed.
type PulledImage struct {
	Host  string    `json:"host,omitempty"`
	App   spec.Name `json:"app"`
	Image Image     `json:"image"`
	At    time.Time `json:"at"` // when it was about to be fetched
}

// HostImages is what one host has of images.
type HostImages struct {
	Host   string
	Images []HostImage
	// Used are ids and references of the images that its containers were made
	// from: of all its containers, running or not, whoever made them.
	Used []string
	// Short: there is less free space than Teal is to leave.
	Short bool
}

// HostImage is one image on a host.
type HostImage struct {
	ID      string   `json:"id"`
	Tags    []string `json:"tags,omitempty"`    // names by tag, as the engine shows them: redis:7
	Digests []string `json:"digests,omitempty"` // names by digest: redis@sha256:…
	Size    int64    `json:"size"`              // bytes, layers shared with others included
}

// AppImages is what an app has to do with images.
type AppImages struct {
	App spec.Name
	// InUse are those of what it wants, has, stands by, may go back to with undo
	// or may try again.
	InUse []Image
	// Earlier are those that were stable once, newest first.
	Earlier []Image
	// Busy: a rollout of it is under way, or something else is about to begin.
	Busy bool
}

// Retention is the rule by which images are kept.
type Retention struct {
	// Keep is how many earlier images of each app stay on a host, beyond those in
	// use. On a host that is short of space none do.
	Keep int
}

// ImageRemoval says which names of an image are to be removed from a host. The
// engine removes the image with the last of them.
type ImageRemoval struct {
	Host  string
	ID    string
	Tags  []string // all of its tags
	Size  int64
	Apps  []spec.Name // that it was pulled for, sorted
	Image Image       // as the first of them wanted it
	Why   string
}

// Images decides which images Teal need not keep, host by host, and which
// pulled ones it can forget because they are on no host any more. It never names
// an image that Teal did not pull, that any container was made from, that an app
// uses, or that carries a name which Teal did not give it.
func (r Retention) Images(hosts []HostImages, apps []AppImages, pulled []PulledImage) (remove []ImageRemoval, forget []PulledImage) {
	for _, host := range hosts {
		k := keeping{rule: r, host: host, apps: apps, pulled: map[string][]PulledImage{}, names: map[string]bool{}}
		forget = append(forget, k.sort(pulled)...)
		kept := k.keptEarlier()
		for _, img := range host.Images {
			if owners := k.pulled[img.ID]; len(owners) > 0 && k.keep(img, kept) == "" {
				remove = append(remove, k.removal(img, owners))
			}
		}
	}
	return remove, forget
}

// keeping is the decision on one host.
type keeping struct {
	rule   Retention
	host   HostImages
	apps   []AppImages
	pulled map[string][]PulledImage // by the image's id
	names  map[string]bool          // that Teal gave images when it pulled them
}

// sort finds the image of each that was pulled to this host, and returns those
// that are not there any more.
func (k *keeping) sort(pulled []PulledImage) (gone []PulledImage) {
	for _, p := range pulled {
		if p.Host != k.host.Host {
			continue
		}
		there := false
		for _, img := range k.host.Images {
			if !p.Image.Local && slices.Contains(img.Digests, p.Image.byDigest()) {
				k.pulled[img.ID] = append(k.pulled[img.ID], p)
				there = true
			}
		}
		if !there {
			gone = append(gone, p)
			continue
		}
		k.names[p.Image.byDigest()] = true
		k.names[p.Image.byTag()] = true
	}
	return gone
}

// keep says why an image stays; "" if nothing speaks for it.
func (k *keeping) keep(img HostImage, earlier map[string]bool) string {
	for _, name := range slices.Concat(img.Tags, img.Digests) {
		if !k.names[name] {
			return "it has a name that Teal did not give it: " + name
		}
	}
	if slices.ContainsFunc(k.host.Used, img.is) {
		return "a container was made from it"
	}
	for _, app := range k.apps {
		if slices.ContainsFunc(app.InUse, img.of) {
			return app.App.String() + " uses it"
		}
	}
	for _, p := range k.pulled[img.ID] {
		if k.busy(p.App) {
			return "a rollout of " + p.App.String() + " is under way"
		}
	}
	if earlier[img.ID] {
		return "it is one of the earlier versions to be kept"
	}
	return ""
}

// busy reports whether an app is not to be disturbed now. Where space is short
// its rollout may be what waits for it.
func (k *keeping) busy(app spec.Name) bool {
	return !k.host.Short && slices.ContainsFunc(k.apps, func(a AppImages) bool { return a.App == app && a.Busy })
}

// keptEarlier are the ids of the newest earlier images of each app that are on
// the host and not in use.
func (k *keeping) keptEarlier() map[string]bool {
	out := map[string]bool{}
	if k.host.Short {
		return out
	}
	for _, app := range k.apps {
		left := k.rule.Keep
		seen := map[string]bool{}
		for _, earlier := range app.Earlier {
			at := slices.IndexFunc(k.host.Images, func(img HostImage) bool { return img.of(earlier) })
			if at < 0 {
				continue
			}
			img := k.host.Images[at]
			if left == 0 {
				break
			}
			if seen[img.ID] || slices.ContainsFunc(app.InUse, img.of) {
				continue
			}
			seen[img.ID], out[img.ID] = true, true
			left--
		}
	}
	return out
}

func (k *keeping) removal(img HostImage, owners []PulledImage) ImageRemoval {
	owners = slices.Clone(owners)
	slices.SortStableFunc(owners, func(a, b PulledImage) int { return strings.Compare(a.App.String(), b.App.String()) })
	out := ImageRemoval{Host: k.host.Host, ID: img.ID, Tags: img.Tags, Size: img.Size, Image: owners[0].Image}
	for _, p := range owners {
		out.Apps = append(out.Apps, p.App)
	}
	out.Apps = slices.Compact(out.Apps)
	out.Why = fmt.Sprintf("no longer in use, and not among the %d earlier images that are kept", k.rule.Keep)
	if k.host.Short {
		out.Why = "no longer in use, and space is short"
	}
	return out
}

// is reports whether name, an id or a reference, means the image.
func (i HostImage) is(name string) bool {
	return i.ID == name || slices.Contains(i.Tags, name) || slices.Contains(i.Digests, name)
}

// of reports whether the image is what img stands for: by its content, or, as
// long as that is not known, by its name.
func (i HostImage) of(img Image) bool {
	if img.Digest == "" {
		return slices.Contains(i.Tags, img.byTag()) || slices.Contains(i.Digests, img.Ref)
	}
	return i.ID == img.Digest || slices.ContainsFunc(i.Digests, func(d string) bool { return strings.HasSuffix(d, "@"+img.Digest) })
}

// byDigest is the image's name by its digest, byTag that by its tag.
func (i Image) byDigest() string { return i.repository() + "@" + i.Digest }

func (i Image) byTag() string {
	tagged, _, _ := strings.Cut(i.Ref, "@")
	return tagged
}

func (i Image) repository() string {
	name := i.byTag()
	if at := strings.LastIndex(name, ":"); at > strings.LastIndex(name, "/") {
		name = name[:at]
	}
	return name
}

// ImagesOf tells what an app has to do with images, from its state and its
// history, newest first. References are as the operator wrote them.
func ImagesOf(state State, history []Rollout) AppImages {
	rec := state.Record
	out := AppImages{App: cmp.Or(rec.Name, state.Desired.Service.Name), Busy: busy(state)}
	use := func(images ...Image) {
		for _, img := range images {
			if img != (Image{}) {
				out.InUse = append(out.InUse, img)
			}
		}
	}
	use(rec.Image)
	if rec.ImageGeneration != state.Desired.Generation {
		use(Image{Ref: state.Desired.Service.Container.Image})
	}
	if rollout := state.Desired.Service.Rollout; rollout != nil {
		use(testImage(*rollout))
	}
	if rec.Stable != nil {
		use(rec.Stable.Revision.Image)
	}
	if rec.Standby != nil {
		use(rec.Standby.Revision.Image)
	}
	if state.Previous != nil {
		use(state.Previous.Revision.Image)
	}
	if rec.Candidate != nil {
		use(rec.Candidate.Revision.Image)
		use(testImage(rec.Candidate.Settings))
	}
	if rec.Hold != nil {
		use(Image{Ref: rec.Hold.Image})
		out.InUse = append(out.InUse, heldImages(rec.Hold.Revision, history)...)
	}
	for _, r := range history {
		if r.Result == Succeeded || r.Result == Adopted {
			out.Earlier = append(out.Earlier, r.Revision.Image)
		}
	}
	return out
}

// busy reports whether a rollout is under way or due.
func busy(state State) bool {
	rec := state.Record
	return rec.Phase != Idle || rec.Candidate != nil || rec.Drain != nil || len(state.Commands) > 0 ||
		rec.Generation != state.Desired.Generation || rec.ImageGeneration != state.Desired.Generation
}

// testImage is that of the one-shot test; zero if it has none of its own.
func testImage(r spec.Rollout) Image {
	if r.Test == nil {
		return Image{}
	}
	return Image{Ref: r.Test.Image}
}

// heldImages are those of a held revision, which a retry starts.
func heldImages(revision string, history []Rollout) []Image {
	for _, r := range history {
		if r.Revision.ID == revision && revision != "" {
			return []Image{r.Revision.Image}
		}
	}
	return nil
}
