package reconcile_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	. "teal/reconcile"
	"teal/spec"
)

var web = spec.Name{Project: "shop", Service: "web"}

// image is version v of shop/web in a registry: tag and digest.
func image(v string) Image { return Image{Ref: "reg/web:" + v, Digest: "sha256:" + v} }

// onHost is an image as a host shows it after Teal pulled it.
func onHost(v string) HostImage {
	return HostImage{ID: "id-" + v, Tags: []string{"reg/web:" + v}, Digests: []string{"reg/web@sha256:" + v}, Size: 10}
}

// shelf is a host that has versions 1 to n of web, all pulled by Teal, the
// newest in use, the others earlier.
func shelf(n int) (host HostImages, app AppImages, pulled []PulledImage) {
	app.App = web
	for v := n; v >= 1; v-- {
		version := fmt.Sprint(v)
		host.Images = append(host.Images, onHost(version))
		pulled = append(pulled, PulledImage{App: web, Image: image(version)})
		app.Earlier = append(app.Earlier, image(version))
	}
	app.InUse = []Image{image(fmt.Sprint(n))}
	return host, app, pulled
}

func TestImagesThatMayBeRemoved(t *testing.T) {
	type world struct {
		host   HostImages
		apps   []AppImages
		pulled []PulledImage
		keep   int
	}
	for _, c := range []struct {
		says  string
		when  func(*world)
		wants string // removed ids, in order
	}{
		{"the earlier versions beyond those to be kept go", func(*world) {}, "id-2 id-1"},
		{"with keep 0 all earlier versions go", func(w *world) { w.keep = 0 }, "id-4 id-3 id-2 id-1"},
		{"with more to keep than there are none goes", func(w *world) { w.keep = 9 }, ""},
		{"what a container was made from stays, whoever made it", func(w *world) { w.host.Used = []string{"id-1", "reg/web@sha256:2"} }, ""},
		{"what is in use does not count among those kept", func(w *world) { w.apps[0].InUse = append(w.apps[0].InUse, image("4")) }, "id-1"},
		{"what is not on the host does not count among those kept", func(w *world) { w.host.Images = slices.Delete(w.host.Images, 1, 2) }, "id-1"},
		{"a version that failed and was never stable goes", func(w *world) {
			w.host.Images = append(w.host.Images, onHost("bad"))
			w.pulled = append(w.pulled, PulledImage{App: web, Image: image("bad")})
		}, "id-2 id-1 id-bad"},
		{"what another app uses stays, under any tag of the same content", func(w *world) {
			w.apps = append(w.apps, AppImages{App: spec.Name{Project: "shop", Service: "job"}, InUse: []Image{{Ref: "reg/job:9", Digest: "sha256:1"}}})
		}, "id-2"},
		{"what another app may keep as an earlier version stays", func(w *world) {
			w.apps = append(w.apps, AppImages{App: spec.Name{Project: "shop", Service: "job"}, Earlier: []Image{image("1")}})
		}, "id-2"},
		{"what an unresolved wish names by its tag stays", func(w *world) {
			w.apps = append(w.apps, AppImages{App: spec.Name{Project: "shop", Service: "job"}, InUse: []Image{{Ref: "reg/web:1"}}})
		}, "id-2"},
		{"what is only known to the engine stays", func(w *world) {
			w.host.Images = append(w.host.Images, HostImage{ID: "sha256:local", Tags: []string{"web:dev"}})
			w.pulled = append(w.pulled, PulledImage{App: web, Image: Image{Ref: "web:dev", Digest: "sha256:local", Local: true}})
		}, "id-2 id-1"},
		{"what Teal did not pull stays", func(w *world) { w.pulled = w.pulled[:4] }, "id-2"},
		{"with a lost store everything stays", func(w *world) { w.pulled = nil }, ""},
		{"what somebody gave another tag stays", func(w *world) {
			w.host.Images[4].Tags = append(w.host.Images[4].Tags, "keep/this:forever")
		}, "id-2"},
		{"what was pushed or pulled from elsewhere too stays", func(w *world) {
			w.host.Images[4].Digests = append(w.host.Images[4].Digests, "mirror/web@sha256:1")
		}, "id-2"},
		{"two tags that Teal gave are no stranger's", func(w *world) {
			w.host.Images[4].Tags = append(w.host.Images[4].Tags, "reg/web:one")
			w.pulled = append(w.pulled, PulledImage{App: web, Image: Image{Ref: "reg/web:one", Digest: "sha256:1"}})
		}, "id-2 id-1"},
		{"while a rollout is under way everything of the app stays", func(w *world) { w.apps[0].Busy = true }, ""},
		{"where space is short not even the earlier ones stay", func(w *world) { w.host.Short = true }, "id-4 id-3 id-2 id-1"},
		{"where space is short a rollout under way keeps only what it uses", func(w *world) {
			w.host.Short, w.apps[0].Busy = true, true
			w.apps[0].InUse = append(w.apps[0].InUse, image("3"))
		}, "id-4 id-2 id-1"},
		{"of an app that is gone nothing stays", func(w *world) { w.apps = nil }, "id-5 id-4 id-3 id-2 id-1"},
		{"another host's images are not this one's", func(w *world) {
			for i := range w.pulled {
				w.pulled[i].Host = "app-2"
			}
		}, ""},
		{"an image without any tag goes by its digest", func(w *world) { w.host.Images[4].Tags = nil }, "id-2 id-1"},
	} {
		t.Run(c.says, func(t *testing.T) {
			host, app, pulled := shelf(5)
			w := world{host: host, apps: []AppImages{app}, pulled: pulled, keep: 2}
			c.when(&w)
			remove, _ := Retention{Keep: w.keep}.Images([]HostImages{w.host}, w.apps, w.pulled)
			var got []string
			for _, r := range remove {
				got = append(got, r.ID)
				if r.Why == "" || len(r.Apps) == 0 || r.Size != 10 {
					t.Errorf("%+v does not say why, for whom and how much", r)
				}
			}
			if strings.Join(got, " ") != c.wants {
				t.Errorf("removed %q, want %q", got, c.wants)
			}
		})
	}
}

func TestImagesThatAreNotOnTheirHostAreForgotten(t *testing.T) {
	host, app, pulled := shelf(2)
	gone := PulledImage{App: web, Image: image("gone")}
	away := PulledImage{Host: "away", App: web, Image: image("1")}
	_, forget := Retention{}.Images([]HostImages{host}, []AppImages{app}, append(pulled, gone, away))
	if len(forget) != 1 || forget[0] != gone {
		t.Errorf("forgot %+v; of a host that was not looked at nothing is known", forget)
	}
}

func TestImagesOfAnApp(t *testing.T) {
	placed := func(v string) *Placement { return &Placement{Revision: Revision{ID: "rev-" + v, Image: image(v)}} }
	state := State{
		Desired: Desired{Generation: 9, Service: spec.Service{Name: web, Container: spec.Container{Image: "reg/web:9"}, Rollout: &spec.Rollout{Test: &spec.Test{Image: "reg/smoke:1"}}}},
		Record: Record{
			Name: web, Generation: 9, ImageGeneration: 9, Image: image("9"), Stable: placed("8"), Standby: &Standby{Placement: *placed("7")},
			Candidate: &Candidate{Placement: *placed("6"), Settings: spec.Rollout{Test: &spec.Test{Image: "reg/smoke:0"}}},
			Hold:      &Hold{Image: "reg/web:5", Revision: "rev-5"},
		},
		Previous: placed("4"),
	}
	history := []Rollout{
		{Revision: placed("5").Revision, Result: Failed},
		{Revision: placed("3").Revision, Result: Succeeded},
		{Revision: placed("2").Revision, Result: Superseded},
		{Revision: placed("1").Revision, Result: Adopted},
	}
	got := ImagesOf(state, history)
	for _, want := range []Image{
		image("9"), image("8"), image("7"), image("6"), image("5"), image("4"), {Ref: "reg/smoke:1"}, {Ref: "reg/smoke:0"}, {Ref: "reg/web:5"},
	} {
		if !slices.Contains(got.InUse, want) {
			t.Errorf("%+v is not in use: %+v", want, got.InUse)
		}
	}
	if slices.Contains(got.InUse, Image{Ref: "reg/web:9"}) {
		t.Error("a wish that was resolved is known by its content")
	}
	if want := []Image{image("3"), image("1")}; !slices.Equal(got.Earlier, want) {
		t.Errorf("earlier %+v, want %+v", got.Earlier, want)
	}
	if !got.Busy || got.App != web {
		t.Errorf("%s busy %t", got.App, got.Busy)
	}
	state.Record.Candidate = nil
	if ImagesOf(state, nil).Busy {
		t.Error("busy without a rollout")
	}
	for says, change := range map[string]func(*State){
		"an edit that was not looked at": func(s *State) { s.Desired.Generation++ },
		"a wish that is not resolved":    func(s *State) { s.Record.ImageGeneration-- },
		"a command that waits":           func(s *State) { s.Commands = []Command{{}} },
		"a phase":                        func(s *State) { s.Record.Phase = Preparing },
		"a drain":                        func(s *State) { s.Record.Drain = &Drain{} },
	} {
		changed := state
		change(&changed)
		if !ImagesOf(changed, nil).Busy {
			t.Errorf("%s does not make it busy", says)
		}
	}
	state.Record.ImageGeneration--
	if !slices.Contains(ImagesOf(state, nil).InUse, Image{Ref: "reg/web:9"}) {
		t.Error("a wish that is not resolved is known by its name")
	}
}
