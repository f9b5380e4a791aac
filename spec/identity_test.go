package spec

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// sample fills every field of a value that is not zero in JSON: one item in
// every list and map, something behind every pointer.
func sample(v reflect.Value, n *int) {
	*n++
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		sample(v.Elem(), n)
	case reflect.Struct:
		for _, f := range v.Fields() {
			sample(f, n)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		sample(v.Index(0), n)
	case reflect.Map:
		v.Set(reflect.ValueOf(map[string]string{fmt.Sprint("k", *n): fmt.Sprint("v", *n)}))
	case reflect.String:
		v.SetString(fmt.Sprint("s", *n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Float64:
		v.SetFloat(float64(*n) / 1000)
	default:
		if v.CanInt() {
			v.SetInt(int64(*n))
		} else {
			v.SetUint(uint64(*n))
		}
	}
}

// eachField calls visit with v once for every field in it, changed, and puts it
// back afterwards.
func eachField(v reflect.Value, at string, visit func(at string)) {
	old := reflect.New(v.Type()).Elem()
	old.Set(v)
	changed := func(to any, how string) {
		v.Set(reflect.ValueOf(to).Convert(v.Type()))
		visit(at + how)
		v.Set(old)
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.SetZero()
		visit(at + " gone")
		v.Set(old)
		if v.Elem().Kind() == reflect.Bool {
			f := !v.Elem().Bool()
			changed(&f, " changed")
			return
		}
		eachField(v.Elem(), at, visit)
	case reflect.Struct:
		for i := range v.NumField() {
			eachField(v.Field(i), at+"."+v.Type().Field(i).Name, visit)
		}
	case reflect.Slice:
		v.SetZero()
		visit(at + " gone")
		v.Set(reflect.AppendSlice(old, old))
		visit(at + " twice")
		v.Set(old)
		eachField(v.Index(0), at+"[0]", visit)
	case reflect.Map:
		changed(map[string]string(nil), " gone")
		changed(map[string]string{"other": "x"}, " other")
		for k := range old.Interface().(map[string]string) {
			changed(map[string]string{k: "other"}, " value")
			changed(map[string]string{k: ""}, " empty")
		}
	case reflect.String:
		changed("other", " changed")
		changed("", " gone")
	case reflect.Bool:
		changed(!v.Bool(), " changed")
	default:
		changed(0, " gone")
		changed(77_777, " changed")
	}
}

func sampleService() Service {
	var s Service
	n := 0
	sample(reflect.ValueOf(&s).Elem(), &n)
	return s
}

// revisionOf is how a service's revision is made.
func revisionOf(s Service) string {
	return RevisionID(s.Container, s.Rollout.Route.Port, "sha256:d")
}

// TestEveryFieldCounts goes through all fields by reflection, so that a new one
// cannot be forgotten: each field of a container changes its revision, each
// field of a service its fingerprint.
func TestEveryFieldCounts(t *testing.T) {
	s := sampleService()
	seen := map[string]string{revisionOf(s): "nothing"}
	fields := 0
	eachField(reflect.ValueOf(&s.Container).Elem(), "Container", func(at string) {
		fields++
		id := revisionOf(s)
		if before, ok := seen[id]; ok {
			t.Errorf("a change of %s has the same revision as a change of %s", at, before)
		}
		seen[id] = at
	})
	if fields < 100 {
		t.Errorf("only %d changes were tried", fields)
	}
	seen = map[string]string{Fingerprint(s): "nothing"}
	eachField(reflect.ValueOf(&s).Elem(), "Service", func(at string) {
		if s.Rollout == nil || s.Rollout.Test == nil {
			return // dropped with all that is in it; compared once
		}
		f := Fingerprint(s)
		if before, ok := seen[f]; ok {
			t.Errorf("a change of %s has the same fingerprint as a change of %s", at, before)
		}
		seen[f] = at
	})
}

// TestRolloutIsNotARevision: of x-teal only the port makes new containers.
func TestRolloutIsNotARevision(t *testing.T) {
	s := sampleService()
	before := revisionOf(s)
	eachField(reflect.ValueOf(s.Rollout).Elem(), "Rollout", func(at string) {
		if changed := revisionOf(s) != before; changed != strings.HasPrefix(at, "Rollout.Route.Port") {
			t.Errorf("a change of %s changes the revision: %v", at, changed)
		}
	})
	if RevisionID(s.Container, 1, "sha256:e") == RevisionID(s.Container, 1, "sha256:d") {
		t.Error("another digest is another revision")
	}
}

// TestGoldenIdentities: a version of Teal that computes another hash would make
// every container on every host anew.
func TestGoldenIdentities(t *testing.T) {
	no := false
	for _, c := range []struct {
		what     string
		c        Container
		port     int
		digest   string
		revision string
	}{
		{"nothing", Container{}, 0, "", "f7c3668944a7d72cbe71e9398d7d570b6d573456b6524b9e0e0633aa794f4061"},
		{"an app", Container{Image: "hello:v1", Restart: "unless-stopped", StopGracePeriod: 10 * second, Networks: []Network{{Name: "hello_default"}}}, 8080, "sha256:abc", "53686023fe63226e31aa902877511acedd7eaacea5b7f112dc90dde0265c381c"},
		{"a container with much", Container{Image: "x", Command: []string{"a", ""}, Environment: map[string]string{"B": "", "A": "1"}, Init: &no, Healthcheck: &Healthcheck{}, Mounts: []Mount{{Type: MountVolume, Target: "/x"}}}, 0, "", "1488e4fa60ff452d791c7257cbde2b84bf7d2f7ae8b503bcffd9049fa5b35673"},
	} {
		if got := RevisionID(c.c, c.port, c.digest); got != c.revision {
			t.Errorf("%s: got %s, want %s", c.what, got, c.revision)
		}
	}
	var full Project
	text, err := os.ReadFile("testdata/full/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &full); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][2]string{
		"app":     {"cc63a6456a15c29e88a85693ff8142e55a9c1b06e0eba82547b2c9df98873f91", "2f537846006aad345cc15830ecf78dead444bec331a509f62609bdd66f4ccbe4"},
		"db":      {"3bceb2c3b332c35ef6295b49e7224f63a65074a3babc2beef01290100cd3f9eb", "52ba719b1f0c2b56cae4d9c3a5d3ac3e17cd7baf2b1c94e3721e79282b6116be"},
		"migrate": {"7ad6068c750940c6153b8f32697a3cfda28e5253cc3b9c3e38c0a2f66af730e4", "a2358cdca163fd1301179faa917290704b13c885708f85bcf87d0511e6409ae5"},
	} {
		s := find(t, &full, name)
		if got := RevisionID(s.Container, 8080, "sha256:d"); got != want[0] {
			t.Errorf("%s: revision %s, want %s", name, got, want[0])
		}
		if got := Fingerprint(s); got != want[1] {
			t.Errorf("%s: fingerprint %s, want %s", name, got, want[1])
		}
	}
}

func drawMap(t *rapid.T, label string) map[string]string {
	return rapid.MapOf(rapid.String(), rapid.String()).Draw(t, label)
}

func drawContainer(t *rapid.T) Container {
	texts := rapid.SliceOf(rapid.String())
	c := Container{
		Image: rapid.String().Draw(t, "image"), Command: texts.Draw(t, "command"), Entrypoint: texts.Draw(t, "entrypoint"),
		Environment: drawMap(t, "environment"), Labels: drawMap(t, "labels"), TTY: rapid.Bool().Draw(t, "tty"),
		ShmSize: rapid.Int64().Draw(t, "shm"),
	}
	if rapid.Bool().Draw(t, "logs") {
		c.Logging = &Logging{Options: drawMap(t, "options")}
	}
	return c
}

// TestIdentityIsStable: however a container comes about, from a file, from the
// store or with its maps in another order, it is the same revision.
func TestIdentityIsStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawContainer(t)
		id := RevisionID(c, 1, "d")
		again := c
		again.Environment = map[string]string{}
		for _, k := range rapid.Permutation(sortedKeys(c.Environment)).Draw(t, "order") {
			again.Environment[k] = c.Environment[k]
		}
		if got := RevisionID(again, 1, "d"); got != id {
			t.Fatalf("the order of a map counts: %s, %s", id, got)
		}
		text, err := json.Marshal(Service{Container: c})
		if err != nil {
			t.Fatal(err)
		}
		var kept Service
		if err := json.Unmarshal(text, &kept); err != nil {
			t.Fatal(err)
		}
		// JSON cannot keep text that is not UTF-8; Load never lets it in.
		if string(text) == mustJSON(kept) && reflect.DeepEqual(valid(c), valid(kept.Container)) {
			if got := RevisionID(kept.Container, 1, "d"); got != id {
				t.Fatalf("kept and read again it is another: %s, %s", id, got)
			}
			if Fingerprint(kept) != Fingerprint(Service{Container: c}) {
				t.Fatal("kept and read again it has another fingerprint")
			}
		}
	})
}

func mustJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// valid leaves out the difference between empty and absent.
func valid(c Container) Container {
	for _, m := range []*map[string]string{&c.Environment, &c.Labels} {
		if len(*m) == 0 {
			*m = nil
		}
	}
	for _, l := range []*[]string{&c.Command, &c.Entrypoint} {
		if len(*l) == 0 {
			*l = nil
		}
	}
	if c.Logging != nil && len(c.Logging.Options) == 0 {
		c.Logging = &Logging{}
	}
	return c
}

// TestDifferentIsDifferent: two containers that differ are two revisions, also
// when the difference is only where one text ends and the next begins.
func TestDifferentIsDifferent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawContainer(t), drawContainer(t)
		if same := reflect.DeepEqual(valid(a), valid(b)); same != (RevisionID(a, 0, "") == RevisionID(b, 0, "")) {
			t.Fatalf("same: %v\n%+v\n%+v", same, a, b)
		}
	})
	if RevisionID(Container{Command: []string{"a", "b"}}, 0, "") == RevisionID(Container{Command: []string{"a;1:b"}}, 0, "") {
		t.Error("borders of texts do not count")
	}
}

// TestNames: what people see in docker ps.
func TestNames(t *testing.T) {
	rev := strings.Repeat("3f2a9c01", 8)
	if got := ContainerName(Name{"pennyway", "was"}, Blue, rev, 2); got != "pennyway-was-blue-3f2a9c01-2" {
		t.Error(got)
	}
	if got := ContainerName(Name{"pennyway", "rdb"}, "", rev, 1); got != "pennyway-rdb-3f2a9c01-1" {
		t.Error(got)
	}
}

func TestLabels(t *testing.T) {
	rev := strings.Repeat("ab", 32)
	for _, f := range []Facts{
		{Controller: "c", Role: RoleReplica, Name: Name{"p", "s"}, Colour: Green, Replica: 2, Revision: rev, Generation: 7, Rollout: "r-1", Port: 80},
		{Controller: "c", Role: RoleReplica, Name: Name{"p", "s"}, Replica: 1, Revision: rev, Generation: 1},
		{Controller: "c", Role: RoleTest, Name: Name{"p", "s"}, Colour: Blue, Revision: rev, Generation: 1, Rollout: "r-1"},
		{Controller: "c", Role: RoleProxy},
	} {
		labels := Labels(f)
		labels["com.example.other"] = "x"
		if got, err := ParseLabels(labels); err != nil || got != f {
			t.Errorf("got %+v, %v; want %+v", got, err, f)
		}
	}
}

func TestForeignLabels(t *testing.T) {
	good := Labels(Facts{Controller: "c", Role: RoleReplica, Name: Name{"p", "s"}, Colour: Green, Replica: 2, Revision: strings.Repeat("ab", 32), Generation: 7, Port: 80})
	for _, c := range []struct{ label, value, want string }{
		{LabelController, "", ErrNotOurs.Error()},
		{LabelRole, "king", `"king" is not a role`},
		{LabelRole, RoleProxy, "a proxy belongs to no app"},
		{LabelRole, RoleTest, "only a replica"},
		{LabelProject, "", "is not an app"},
		{LabelService, "a b", "is not an app"},
		{LabelColour, "red", `"red" is not a colour`},
		{LabelReplica, "0", "a replica has a number"},
		{LabelReplica, "x", `"x" is not a number`},
		{LabelReplica, "02", `"02" is not a number`},
		{LabelReplica, "-1", "is not a number"},
		{LabelGeneration, "x", "is not a number"},
		{LabelPort, "65536", "is not a number up to 65535"},
		{LabelRevision, "abcd", `"abcd" is not a revision`},
	} {
		labels := map[string]string{}
		maps.Copy(labels, good)
		labels[c.label] = c.value
		if _, err := ParseLabels(labels); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s=%s: got %v, want %s", c.label, c.value, err, c.want)
		}
	}
}
