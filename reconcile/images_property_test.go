package reconcile_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	. "teal/reconcile"
	"teal/spec"
)

// drawnImages is an arbitrary world of images: tags that moved, content under
// several names, strangers' tags, containers of anybody, apps in any state.
type drawnImages struct {
	host   HostImages
	apps   []AppImages
	pulled []PulledImage
	keep   int
}

func drawImages(t *rapid.T) drawnImages {
	digests := []string{"sha256:a", "sha256:b", "sha256:c", "sha256:d", "sha256:e", "sha256:f"}
	repos := []string{"reg/web", "reg/job", "mirror/web"}
	refs := rapid.Custom(func(t *rapid.T) string {
		return rapid.SampledFrom(repos).Draw(t, "repo") + ":" + rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, "tag")
	})
	images := rapid.Custom(func(t *rapid.T) Image {
		if rapid.IntRange(0, 9).Draw(t, "unresolved") == 0 {
			return Image{Ref: refs.Draw(t, "ref")}
		}
		return Image{Ref: refs.Draw(t, "ref"), Digest: rapid.SampledFrom(digests).Draw(t, "digest"), Local: rapid.IntRange(0, 9).Draw(t, "local") == 0}
	})
	w := drawnImages{keep: rapid.IntRange(0, 3).Draw(t, "keep")}
	w.host.Short = rapid.Bool().Draw(t, "short")
	taken := map[string]bool{} // a tag means one image
	for i, digest := range digests {
		img := HostImage{ID: fmt.Sprint("id-", i)}
		for _, repo := range repos {
			if rapid.Bool().Draw(t, "has") {
				img.Digests = append(img.Digests, repo+"@"+digest)
			}
		}
		for _, tag := range rapid.SliceOfNDistinct(refs, 0, 2, rapid.ID[string]).Draw(t, "tags") {
			if !taken[tag] {
				taken[tag] = true
				img.Tags = append(img.Tags, tag)
			}
		}
		w.host.Images = append(w.host.Images, img)
		if rapid.IntRange(0, 4).Draw(t, "used") == 0 {
			w.host.Used = append(w.host.Used, img.ID)
		}
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "apps") {
		w.apps = append(w.apps, AppImages{
			App: spec.Name{Project: "p", Service: fmt.Sprint(i)}, Busy: rapid.IntRange(0, 3).Draw(t, "busy") == 0,
			InUse:   rapid.SliceOfN(images, 0, 2).Draw(t, "in use"),
			Earlier: rapid.SliceOfN(images, 0, 6).Draw(t, "earlier"),
		})
	}
	for i, img := range w.host.Images { // most names are Teal's
		for _, name := range slices.Concat(img.Tags, img.Digests) {
			ref, _, byDigest := strings.Cut(name, "@")
			if byDigest {
				ref += ":1"
			}
			if rapid.IntRange(0, 9).Draw(t, "pulled by Teal") > 0 {
				w.pulled = append(w.pulled, PulledImage{App: spec.Name{Project: "p", Service: "0"}, Image: Image{Ref: ref, Digest: digests[i]}})
			}
		}
	}
	for range rapid.IntRange(0, 5).Draw(t, "pulls") {
		w.pulled = append(w.pulled, PulledImage{
			Host: rapid.SampledFrom([]string{"", "", "", "other"}).Draw(t, "host"), Image: images.Draw(t, "pulled"),
			App: spec.Name{Project: "p", Service: fmt.Sprint(rapid.IntRange(0, 3).Draw(t, "for"))},
		})
	}
	return w
}

// stands reports whether an image is what wanted stands for, in the tests' own
// words.
func stands(img HostImage, wanted Image) bool {
	if wanted.Digest == "" {
		return slices.Contains(img.Tags, wanted.Ref)
	}
	return img.ID == wanted.Digest || strings.Contains(strings.Join(img.Digests, " ")+" ", "@"+wanted.Digest+" ")
}

func TestNoImageIsRemovedThatAnybodyNeeds(t *testing.T) {
	removed := 0
	rapid.Check(t, func(t *rapid.T) {
		w := drawImages(t)
		remove, forget := Retention{Keep: w.keep}.Images([]HostImages{w.host}, w.apps, w.pulled)
		removed += len(remove)
		left := slices.Clone(w.host.Images)
		for _, r := range remove {
			at := slices.IndexFunc(left, func(i HostImage) bool { return i.ID == r.ID })
			if at < 0 {
				t.Fatalf("%s is not there, or removed twice", r.ID)
			}
			img := left[at]
			left = slices.Delete(left, at, at+1)
			if slices.Contains(w.host.Used, img.ID) {
				t.Fatalf("%s is a container's", img.ID)
			}
			for _, app := range w.apps {
				if slices.ContainsFunc(app.InUse, func(i Image) bool { return stands(img, i) }) {
					t.Fatalf("%s is in use by %s", img.ID, app.App)
				}
			}
			given := func(name string) bool {
				return slices.ContainsFunc(w.pulled, func(p PulledImage) bool {
					repo, _, _ := strings.Cut(p.Image.Ref, ":")
					return p.Host == "" && !p.Image.Local && p.Image.Digest != "" && (name == p.Image.Ref || name == repo+"@"+p.Image.Digest)
				})
			}
			for _, name := range append(img.Tags, img.Digests...) {
				if !given(name) {
					t.Fatalf("%s has the name %s, which Teal did not give", img.ID, name)
				}
			}
			if len(img.Digests) == 0 {
				t.Fatalf("%s never came from a registry", img.ID)
			}
		}
		for _, app := range w.apps {
			w.staysEnough(t, app, left)
		}
		for _, p := range forget {
			if p.Host != "" {
				t.Fatalf("%+v of a host that nobody looked at was forgotten", p)
			}
		}
	})
	if removed == 0 {
		t.Error("nothing was ever removed: the worlds prove nothing")
	}
	t.Logf("%d images were removed", removed)
}

// staysEnough checks that of the earlier images of app those are left that the
// rule promises.
func (w drawnImages) staysEnough(t *rapid.T, app AppImages, left []HostImage) {
	has := func(images []HostImage, wanted Image) bool {
		return slices.ContainsFunc(images, func(i HostImage) bool { return stands(i, wanted) })
	}
	kept := map[string]bool{}
	for _, earlier := range app.Earlier {
		if w.host.Short || len(kept) == w.keep {
			return
		}
		used := slices.ContainsFunc(w.host.Images, func(i HostImage) bool {
			return stands(i, earlier) && slices.ContainsFunc(app.InUse, func(u Image) bool { return stands(i, u) })
		})
		if used || !has(w.host.Images, earlier) {
			continue
		}
		if !has(left, earlier) {
			t.Fatalf("%+v, one of the %d newest earlier images of %s, was removed", earlier, w.keep, app.App)
		}
		kept[earlier.Digest+earlier.Ref] = true
	}
}
