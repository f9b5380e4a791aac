package spec

import (
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"
	"github.com/distribution/reference"
)

// ImagePolicy asks for newer images than the file names, as its registry gets
// them. Exactly one of Tags and Digest is set.
type ImagePolicy struct {
	// Tags is the range of versions that a tag may be of: "^1.4", ">=2.0 <3".
	// Versions before a release (1.5.0-rc.1) count only if the range names one.
	Tags string `json:"tags,omitempty"`
	// Digest follows what the file's tag stands for.
	Digest bool `json:"digest,omitempty"`
	// MinAge is how old an image must be, both by its own word and since it was
	// first seen.
	MinAge Duration `json:"min_age,omitempty"`
	Every  Duration `json:"every"` // between two looks
}

// Defaults and limits of image policies.
const (
	defaultImageEvery  = Duration(10 * time.Minute)
	shortestImageEvery = Duration(10 * time.Second)
	longestImageEvery  = Duration(7 * 24 * time.Hour)
)

// imagePolicy reads x-teal.image_policy.
func imagePolicy(v value) *ImagePolicy {
	f := v.fields("tags", "digest", "min_age", "every", "write")
	p := &ImagePolicy{Every: defaultImageEvery}
	if t, ok := f["tags"]; ok {
		p.Tags = t.text()
	}
	if d, ok := f["digest"]; ok {
		p.Digest = d.boolean()
	}
	if a, ok := f["min_age"]; ok {
		p.MinAge = a.duration()
	}
	if e, ok := f["every"]; ok {
		p.Every = e.positive()
	}
	if w, ok := f["write"]; ok {
		if w.one("rollout", "commit") == "commit" {
			w.refuse("commit is not available: a newer image is rolled out, and not written to the repository", "write rollout, or leave write out")
		}
	}
	return p
}

// imagePolicy checks what a policy means for the image that it is beside.
func (c *checker) imagePolicy(at path, p ImagePolicy, image string) {
	if (p.Tags == "") == !p.Digest {
		c.refuse(at, "is neither {tags: RANGE} nor {digest: true}", `write image_policy: {tags: "^1.4"}`)
		return
	}
	c.must(p.Every >= shortestImageEvery && p.Every <= longestImageEvery, at.with("every"), "must be from %s to %s", shortestImageEvery, longestImageEvery)
	c.must(p.MinAge >= 0, at.with("min_age"), "must not be negative")
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return // told where the image is
	}
	if _, fixed := named.(reference.Digested); fixed {
		c.refuse(at, "the image "+quote(image)+" is fixed by its digest", "name it by a tag, or leave image_policy out")
		return
	}
	if p.Tags == "" {
		return
	}
	if _, err := semver.NewConstraint(p.Tags); err != nil || len(p.Tags) > 200 {
		c.refuse(at.with("tags"), quote(p.Tags)+" is not a range of versions", `write "^1.4", "~1.4.2" or ">=2.0 <3"`)
		return
	}
	if _, ok := version(tagOf(named)); !ok {
		c.refuse(at.with("tags"), "the tag of "+quote(image)+" is not a version, so no tag can be newer", "name a version, such as 1.4.2")
	}
}

func tagOf(named reference.Named) string {
	if t, ok := reference.TagNameOnly(named).(reference.Tagged); ok {
		return t.Tag()
	}
	return ""
}

// version reads a tag: 1.4.2, v1.4.2, 1.4; what else a tag says (1.4.2-alpine) is a
// version before a release to it.
func version(tag string) (*semver.Version, bool) {
	v, err := semver.NewVersion(tag)
	return v, err == nil
}

// Choose returns the images of the registry's tags that p prefers to what s wants
// now, best first, at most ten. With Digest there is one: the file's own tag.
func (p ImagePolicy) Choose(s Service, tags []string) []string {
	image := s.Container.Image
	if p.Digest {
		return []string{s.namedImage()}
	}
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return nil
	}
	base := reference.TrimNamed(named)
	within, err := semver.NewConstraint(p.Tags)
	if err != nil {
		return nil
	}
	now, ok := version(tagOf(named))
	if !ok {
		return nil
	}
	var found []*semver.Version
	for _, tag := range tags {
		if v, ok := version(tag); ok && alike(tag, tagOf(named)) && within.Check(v) && v.GreaterThan(now) {
			found = append(found, v)
		}
	}
	sortNewest(found)
	out := make([]string, 0, len(found))
	for _, v := range found[:min(len(found), maxChoices)] {
		out = append(out, reference.FamiliarName(base)+":"+v.Original())
	}
	return out
}

// maxChoices is how many newer tags are looked at, at most: the newest ones.
const maxChoices = 10

// alike reports whether two tags are written in the same way: with a v in front,
// and with as many parts. 1.4 and 1.4.2 may be the same image.
func alike(a, b string) bool {
	return strings.HasPrefix(a, "v") == strings.HasPrefix(b, "v") && strings.Count(core(a), ".") == strings.Count(core(b), ".")
}

// core is a version without what stands after - and +.
func core(tag string) string {
	if i := strings.IndexAny(tag, "-+"); i >= 0 {
		return tag[:i]
	}
	return tag
}

func sortNewest(list []*semver.Version) {
	for i := range list { // few
		for j := i; j > 0 && list[j].GreaterThan(list[j-1]); j-- {
			list[j], list[j-1] = list[j-1], list[j]
		}
	}
}

// Updated returns s as it is wanted when an update was rolled out before: had is
// the wish that s replaces. While the file names the image that the update
// replaced, the update stays; a file that names another image wins, and so does
// one without a policy.
func (s Service) Updated(had Service) Service {
	if s.Rollout == nil || s.Rollout.ImagePolicy == nil || had.FileImage == "" || had.FileImage != s.Container.Image {
		return s
	}
	s.FileImage, s.Container.Image = s.Container.Image, had.Container.Image
	return s
}

// Update returns s with another image than its file names.
func (s Service) Update(image string) Service {
	s.FileImage, s.Container.Image = s.namedImage(), image
	return s
}

// namedImage is the image as the file has it.
func (s Service) namedImage() string {
	if s.FileImage != "" {
		return s.FileImage
	}
	return s.Container.Image
}

// Repository is an image's name without tag and digest; empty if it is no image.
func Repository(image string) string {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return ""
	}
	return named.Name()
}
