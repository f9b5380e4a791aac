package spec

import (
	"slices"
	"testing"
)

func TestWhichTagIsNewer(t *testing.T) {
	for _, c := range []struct {
		name, image, tags string
		has, want         []string
	}{
		{"the newest first", "shop/web:1.4.2", "^1.4", []string{"1.4.1", "1.5.0", "1.4.10", "2.0.0", "latest"}, []string{"1.5.0", "1.4.10"}},
		{"none is newer", "shop/web:1.5.0", "^1.4", []string{"1.4.2", "1.5.0"}, nil},
		{"no version before a release", "shop/web:1.4.2", "^1.4", []string{"1.5.0-rc.1"}, nil},
		{"unless asked", "shop/web:1.4.2", "^1.4-0", []string{"1.5.0-rc.1"}, []string{"1.5.0-rc.1"}},
		{"never back, though the range allows it", "shop/web:2.1.0", ">=1.0", []string{"1.9.0", "2.0.0"}, nil},
		{"written as before", "shop/web:v1.4.2", "^1.4", []string{"1.5.0", "v1.4.3", "v1.6"}, []string{"v1.4.3"}},
		{"with two parts", "shop/web:1.4", "1.x", []string{"1.5.0", "1.5", "1.6.1"}, []string{"1.5"}},
		{"from a pinned update", "shop/web:1.4.2@sha256:" + sum, "^1.4", []string{"1.4.2", "1.4.3"}, []string{"1.4.3"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := ImagePolicy{Tags: c.tags}.Choose(Service{Container: Container{Image: c.image}}, c.has)
			var want []string
			for _, tag := range c.want {
				want = append(want, "shop/web:"+tag)
			}
			if !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

const sum = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func TestAnUpdateStaysUntilTheFileNamesAnotherImage(t *testing.T) {
	app := func(image string) Service {
		return Service{Container: Container{Image: image}, Rollout: &Rollout{ImagePolicy: &ImagePolicy{Tags: "^1.4"}}}
	}
	updated := app("web:1.4.2").Update("web:1.5.0@sha256:" + sum)
	if again := app("web:1.4.2").Updated(updated); Fingerprint(again) != Fingerprint(updated) {
		t.Errorf("the same file undid the update: %+v", again)
	}
	twice := updated.Update("web:1.6.0@sha256:" + sum)
	if again := app("web:1.4.2").Updated(twice); again.Container.Image != twice.Container.Image || again.FileImage != "web:1.4.2" {
		t.Errorf("after two updates: %+v", again)
	}
	if edited := app("web:1.4.3").Updated(updated); edited.Container.Image != "web:1.4.3" || edited.FileImage != "" {
		t.Errorf("an edit did not win: %+v", edited)
	}
	plain := app("web:1.4.2")
	plain.Rollout.ImagePolicy = nil
	if kept := plain.Updated(updated); kept.Container.Image != "web:1.4.2" {
		t.Errorf("without a policy: %+v", kept)
	}
}

func TestMistakesInImagePolicies(t *testing.T) {
	for _, c := range []struct{ image, policy, want string }{
		{"web:1.4", `{}`, "is neither {tags: RANGE} nor {digest: true}"},
		{"web:1.4", `{tags: ^1.4, digest: true}`, "is neither"},
		{"web:1.4", `{tags: newest}`, "is not a range of versions"},
		{"web:stable", `{tags: ^1.4}`, "is not a version, so no tag can be newer"},
		{"web@sha256:" + sum, `{digest: true}`, "is fixed by its digest"},
		{"web:1.4", `{tags: ^1.4, every: 1s}`, "must be from"},
		{"web:1.4", `{tags: ^1.4, write: commit}`, "commit is not available"},
		{"web:1.4", `{tag: ^1.4}`, `did you mean "tags"?`},
	} {
		text := "name: shop\nservices:\n  web:\n    image: " + c.image + "\n    x-teal:\n      route: {port: 8080}\n      image_policy: " + c.policy + "\n"
		_, err := compose(t, text)
		refused(t, err, c.want)
	}
}
