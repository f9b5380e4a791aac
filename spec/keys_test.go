package spec

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/schema"
)

// definitions returns, by name, the keys that Compose's own schema knows.
func definitions(t *testing.T) map[string][]string {
	t.Helper()
	type object struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	var s struct {
		object
		Definitions map[string]object `json:"definitions"`
		Defs        map[string]object `json:"$defs"`
	}
	if err := json.Unmarshal([]byte(schema.Schema), &s); err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{"": sortedKeys(s.Properties)}
	for _, m := range []map[string]object{s.Definitions, s.Defs} {
		for name, o := range m {
			out[name] = sortedKeys(o.Properties)
		}
	}
	return out
}

// TestEveryComposeKeyIsKnown: a key of Compose is either honoured or refused
// with a reason. A version of Compose with a new key fails here first.
func TestEveryComposeKeyIsKnown(t *testing.T) {
	defs := definitions(t)
	service := slices.Concat(defs["container_spec"], defs["workload_spec"], defs["service"])
	if len(service) < 80 {
		t.Fatalf("only %d keys of services found in Compose's schema: has its form changed?", len(service))
	}
	limits := honouredService.keys["deploy"].keys["resources"]
	for _, c := range []struct {
		what string
		keys []string
		rule *rule
	}{
		{"the top level", defs[""], honoured},
		{"a service", service, honouredService},
		{"a healthcheck", defs["healthcheck"], honouredService.keys["healthcheck"]},
		{"deploy", defs["deployment"], honouredService.keys["deploy"]},
		{"deploy.resources", []string{"limits", "reservations"}, limits},
		{"a network", defs["network"], honouredNetwork},
		{"a volume", defs["volume"], honoured.keys["volumes"].each},
		{"a secret", defs["secret"], honoured.keys["secrets"].each},
	} {
		for _, k := range c.keys {
			_, isHonoured := c.rule.keys[k]
			why := c.rule.why[k]
			if isHonoured == (why != "") {
				t.Errorf("%s: %s is honoured %v, refused because %q", c.what, k, isHonoured, why)
			}
		}
		for k := range c.rule.why {
			if !slices.Contains(c.keys, k) {
				t.Errorf("%s: %s is refused, but Compose does not know it", c.what, k)
			}
		}
	}
}

// TestRefusedKeysAreRefused writes every refused key of a service and sees its
// own reason.
func TestRefusedKeysAreRefused(t *testing.T) {
	seen := 0
	for _, r := range RefusedKeys() {
		key, ok := strings.CutPrefix(r.Key, "services.*.")
		if !ok || strings.Contains(key, ".") {
			continue
		}
		seen++
		_, err := compose(t, "services:\n  a:\n    image: b\n    "+key+": x\n")
		refused(t, err, "compose.yaml:4: services.a."+key+": Teal does not honour this key: "+r.Reason)
	}
	if seen != len(refusedService) {
		t.Errorf("%d keys of services are listed, %d refused", seen, len(refusedService))
	}
}

// TestNothingIsDropped: for every honoured key, writing it makes a difference.
func TestNothingIsDropped(t *testing.T) {
	const rest = "\n  other: {image: o}\nnetworks: {n: {}}\nsecrets: {s: {environment: COMPOSE_PROJECT_NAME}}\n"
	plain := Fingerprint(find(t, mustCompose(t, "services:\n  a:\n    image: b"+rest), "a"))
	samples := map[string]string{
		"cap_add": "[CHOWN]", "cap_drop": "[ALL]", "command": "run", "cpus": "0.5", "depends_on": "[other]",
		"deploy": "{replicas: 2}", "entrypoint": "run", "environment": "{A: b}", "extra_hosts": "['h:1.2.3.4']",
		"healthcheck": "{test: x}", "hostname": "h", "image": "c", "init": "false", "labels": "{a: b}",
		"logging": "{driver: local}", "mem_limit": "1g", "networks": "[n]", "pids_limit": "5", "ports": "['80']",
		"pull_policy": "never", "secrets": "[s]", "read_only": "true", "restart": "always", "scale": "3",
		"security_opt": "['no-new-privileges']", "shm_size": "1m", "stop_grace_period": "1s", "stop_signal": "SIGINT",
		"tmpfs": "/x", "tty": "true", "ulimits": "{nofile: 5}", "user": "me", "volumes": "['/x']", "working_dir": "/x",
	}
	elsewhere := []string{ // proved by other tests: what they do is not seen in one service alone
		"env_file", "expose", "extends", "profiles",
	}
	for key := range honouredService.keys {
		sample, ok := samples[key]
		if slices.Contains(elsewhere, key) {
			continue
		}
		if !ok {
			t.Errorf("no sample for %s", key)
			continue
		}
		text := "services:\n  a:\n    image: b\n    " + key + ": " + sample + rest
		if key == "image" {
			text = "services:\n  a:\n    image: " + sample + rest
		}
		if Fingerprint(find(t, mustCompose(t, text), "a")) == plain {
			t.Errorf("%s: %s makes no difference", key, sample)
		}
	}
}

// TestComposeRefuses: each row is what somebody wrote, and what is said.
func TestComposeRefuses(t *testing.T) {
	for _, c := range []struct{ service, want string }{
		{"imge: x", `compose.yaml:4: services.a.imge: unknown key; did you mean "image"?`},
		{"x-tael: {}", `compose.yaml:4: services.a.x-tael: unknown key; did you mean "x-teal"?`},
		{"X_Teal: {}", `services.a.X_Teal: unknown key; did you mean "x-teal"?`},
		{"labels: {teal.role: proxy}", "services.a.labels.teal.role: labels that begin with teal. are Teal's own"},
		{"labels: ['teal.role=proxy']", "labels that begin with teal. are Teal's own"},
		{"volumes: ['/etc:/x']", "/etc lies outside the project's folder, and the policy does not allow it"},
		{"volumes: ['../x:/x']", "lies outside the project's folder"},
		{"volumes: ['/var/run/docker.sock:/x']", "contains an engine's socket"},
		{"volumes: ['/:/x']", "contains an engine's socket"},
		{"volumes: ['./a:/x:z']", "volumes[0].bind.selinux: Teal does not honour this key"},
		{"volumes: ['./a:/x:rshared']", "volumes[0].bind.propagation: Teal does not honour this key"},
		{"volumes: ['./a:/x:or']", `volumes[0]: unknown option "or"; allowed: ro, rw, nocopy`},
		{"volumes: [{type: image, source: b, target: /x}]", `mounts of type "image" are not honoured`},
		{"volumes: ['data:/x']", `there is no volume "data"`},
		{"volumes: ['a:/x']", "write {type: volume, source: a, target: /x}"},
		{"volumes: ['/x', '/x']", ""},
		{"tmpfs: ['/x', '/x:size=1m']", "two mounts at /x"},
		{"tmpfs: '/x:exec'", `the option "exec" is not honoured; allowed: size, mode`},
		{"tmpfs: '/x:size=lots'", `"size=lots" is not valid`},
		{"networks: [n]", `services.a.networks.n: there is no network "n"`},
		{"networks: {default: {ipv4_address: 10.0.0.1}}", "services.a.networks.default.ipv4_address: Teal does not honour this key"},
		{"networks: {default: {aliases: ['a b']}}", `"a b" is not an alias`},
		{"cap_add: [SYS_ADMIN]", "the policy does not allow the capability SYS_ADMIN"},
		{"cap_add: [CAP_ALL]", "the policy does not allow the capability ALL"},
		{"security_opt: ['seccomp=unconfined']", `the policy does not allow "seccomp=unconfined"`},
		{"security_opt: ['no-new-privileges:false']", "the policy does not allow"},
		{"restart: sometimes", `compose.yaml:4: services.a.restart: must be no, always, unless-stopped or on-failure[:times], not "sometimes"`},
		{"pull_policy: daily", `services.a.pull_policy: "daily" is not honoured; write missing, always or never`},
		{"pull_policy: build", `"build" is not honoured`},
		{"depends_on: [b]", `services.a.depends_on.b: there is no service "b", or none of its profiles is active`},
		{"depends_on: [a]", "services wait for each other: a → a"},
		{"depends_on: {o: {condition: service_healthy, restart: true}}", "services.a.depends_on.o: restart: true is not honoured"},
		{"depends_on: {o: {condition: service_well}}", "services.a.depends_on.o.condition: value must be one of 'service_started', 'service_healthy'"},
		{"deploy: {replicas: -1}", "must be from 0 to 1000, not -1"},
		{"deploy: {replicas: 2}\n    scale: 3", "services.a.scale: differs from deploy.replicas"},
		{"deploy: {replicas: 2}\n    ports: ['80:80']", "2 replicas cannot share port 80 of the host"},
		{"deploy: {resources: {reservations: {cpus: 1}}}", "services.a.deploy.resources.reservations: Teal does not honour this key"},
		{"deploy: {resources: {limits: {cpus: 1}}}\n    cpus: 2", "services.a.cpus: differs from deploy.resources.limits"},
		{"ports: [{target: 80, mode: host}]", `mode "host" only concerns a Swarm`},
		{"ports: ['80:80/sctp']", "sctp"},
		{"ports: [x]", "compose.yaml:4: services.a.ports: invalid containerPort: x"},
		{"stop_grace_period: soon", `compose.yaml:4: services.a.stop_grace_period: time: invalid duration "soon"`},
		{"mem_limit: much", "compose.yaml:4: services.a.mem_limit: invalid size: 'much'"},
		{"command: \"a 'b\"", "compose.yaml:4: services.a.command: invalid command line string"},
		{"healthcheck: {test: [curl]}", "must begin with CMD, CMD-SHELL or NONE"},
		{"healthcheck: {start_interval: 1s}", "services.a.healthcheck.start_interval: Teal does not honour this key"},
		{"user: [x]", "compose.yaml:4: services.a.user: must be text, not a list"},
		{"environment: [NOBODY]", "services.a.environment.NOBODY: the variable NOBODY has no value"},
		{"user: ${NOBODY}", "compose.yaml:4: services.a.user: the variable NOBODY has no value"},
		{"user: ${NOBODY:?say who}", "the variable NOBODY is required and has no value: say who"},
		{"user: $", "a lone $; write $$ for a dollar sign"},
		{"user: ${X", "${ is not closed"},
		{"tty: ${X:-maybe}", `"maybe" is not the kind of value this key takes`},
		{"env_file: absent.env", "services.a.env_file[0]: env file absent.env does not exist"},
		{"extends: {file: absent.yaml, service: x}", "services.a.extends.file: absent.yaml does not exist"},
		{"extends: nobody", `services.a.extends: there is no service "nobody" in compose.yaml`},
		{"hostname: 'a b'", `"a b" is not a host name`},
		{"working_dir: here", `must be an absolute path, not "here"`},
		{"extra_hosts: ['a:b']", `"a:b" is not host:address`},
		{"ulimits: {nofile: {soft: 9, hard: 5}}", "soft (9) must not be over hard (5)"},
		{"stop_signal: 'kill it'", `"kill it" is not a signal`},
		{"user: a\n    user: b", "services.a.user: written twice: first on line 4"},
	} {
		_, err := compose(t, "services:\n  a:\n    image: b\n    "+strings.TrimPrefix(c.service, "image: b\n    ")+"\n  o: {image: o}\n")
		t.Run(c.service, func(t *testing.T) {
			if c.want == "" {
				if err != nil {
					t.Fatalf("got %v, want it taken", err)
				}
				return
			}
			refused(t, err, c.want)
		})
	}
}

func TestFileRefused(t *testing.T) {
	const a = "services: {a: {image: b, networks: [n], volumes: ['vol:/v']}}\n"
	for _, c := range []struct{ text, want string }{
		{"", "compose.yaml:1: services: there is no active service"},
		{"# nothing yet\n", "compose.yaml:1: services: there is no active service"},
		{"---\nnull\n", "compose.yaml:1: services: there is no active service"},
		{"name: shop", "compose.yaml: services: there is no active service"},
		{"services: {}", "there is no active service"},
		{"services: {a: {image: b, profiles: [x]}}", "there is no active service"},
		{"- a", "compose.yaml:1: a Compose file is a mapping with the key services"},
		{"services:\n  a:\n   image: b\n  c: [", "compose.yaml:5: not valid YAML"},
		{"services:\n\ta: b", "compose.yaml:2: not valid YAML"},
		{"services: {a: }", "services.a: must be a mapping, not empty"},
		{"services: {a: {user: b}}", "services.a.image: missing: Teal runs images; write image: name:tag"},
		{"services: {a: {image: 'B!'}}", `services.a.image: "B!" is not an image reference`},
		{"services: {1: {image: b}}", "the key 1 is not text; put it in quotes"},
		{"services: {-a: {image: b}}", "-a"},
		{"services: {a: {image: !!binary x}}", "the tag !!binary is not known"},
		{"sevices: {a: {image: b}}", `compose.yaml:1: sevices: unknown key; did you mean "services"?`},
		{"x-teal: {}\nservices: {a: {image: b}}", "x-teal: x-teal belongs into a service"},
		{"configs: {s: {file: x}}\nservices: {a: {image: b}}", "configs: Teal does not honour this key"},
		{a + "volumes: {vol: {}}\nnetworks: {n: {external: true, name: host}}", "the engine's own network host is not for projects"},
		{a + "volumes: {vol: {}}\nnetworks: {n: {driver: macvlan}}", `the policy does not allow the network driver "macvlan"`},
		{a + "volumes: {vol: {}}\nnetworks: {n: {driver_opts: {com.docker.network.bridge.name: br0}}}", "names a bridge of the host"},
		{a + "volumes: {vol: {}}\nnetworks: {n: {attachable: true}}", "compose.yaml:3: networks.n.attachable: Teal does not honour this key"},
		{a + "volumes: {vol: {}}\nnetworks: {n: {ipam: {config: [{subnet: x}]}}}", "is not a subnet"},
		{a + "volumes: {vol: {}}\nnetworks: {n: {ipam: {config: [{subnet: 10.1.0.0/24, gateway: 10.1.0.1}]}}}", "networks.n.ipam.config[0].gateway: Teal does not honour this key"},
		{a + "networks: {n: {}}\nvolumes: {vol: {driver: rexray}}", `the policy does not allow the volume driver "rexray"`},
		{a + "networks: {n: {}}\nvolumes: {vol: {driver_opts: {type: none, o: bind, device: /etc}}}", "/etc lies outside the project's folder"},
		{a + "networks: {n: {}}\nvolumes: {vol: {driver_opts: {type: overlay, o: 'lowerdir=/etc', device: overlay}}}", "a local volume of type"},
		{a + "networks: {n: {}}\nvolumes: {vol: {driver_opts: {type: ext4, device: /dev/sda1}}}", "a local volume of type"},
		{a + "networks: {n: {}}\nvolumes: {vol: {labels: {teal.x: y}}}", "labels that begin with teal."},
		{"services: {a: {image: b, depends_on: [c]}, c: {image: d, depends_on: [a]}}", "services wait for each other: a → c → a"},
		{"services: {a: {image: b, depends_on: {c: {condition: service_completed_successfully}}}, c: {image: d, restart: always}}", `services.c.restart: another service waits for this one to complete, which it never does with "always"`},
		{"services: {a: {image: b, depends_on: {c: {condition: service_completed_successfully}}}, c: {image: d, x-teal: {route: {port: 1}}}}", "an app with x-teal never completes"},
	} {
		t.Run(c.text, func(t *testing.T) {
			_, err := compose(t, c.text)
			refused(t, err, c.want)
		})
	}
}

// TestEnvFilesKeepSecrets: what is wrong in an env file is said without its
// content.
func TestEnvFilesKeepSecrets(t *testing.T) {
	for _, c := range []struct{ env, want string }{
		{"A=1\nhunter2 hunter2!\n", "e:2: services.a.env_file[0]: not a valid line of an env file"},
		{"A=\"hunter2\n", "e:2: services.a.env_file[0]: not a valid line of an env file"},
		{"A=1\n\nB=hunter2$CAFE\n", "e:3: services.a.env_file[0]: the variable CAFE has no value"},
		{"A=${hunter2\n", "not a valid line"},
		{"A=hunter2\xff\n", "e: services.a.env_file[0]: is not UTF-8 text"},
		{"A=1\nB=x${CAFE}\n", "e:2: services.a.env_file[0]: the variable CAFE has no value"},
	} {
		dir := files(t, map[string]string{"compose.yaml": "services: {a: {image: b, env_file: e}}", "e": c.env})
		_, err := Load(t.Context(), Options{Dir: dir})
		refused(t, err, c.want)
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the content of an env file came through: %v", err)
		}
	}
	dir := files(t, map[string]string{"compose.yaml": "services: {a: {image: b, env_file: e}}", "e": "# $X\nA='pa$$word$X'\nB=${X:-1}\nC=$B\n"})
	env := mustLoad(t, Options{Dir: dir}).Services[0].Container.Environment
	if env["A"] != "pa$$word$X" || env["B"] != "1" || env["C"] != "1" {
		t.Errorf("got %v", env)
	}
}

// TestPlaces: a problem is where it was written, not where it was used.
func TestPlaces(t *testing.T) {
	dir := files(t, map[string]string{
		"compose.yaml":  "include: [inc/c.yaml]\nservices:\n  a:\n    image: b\n    extends: {file: base.yaml, service: z}\n    x-teal: {route: {port: 1}}\n",
		"base.yaml":     "services:\n  z:\n    links: [q]\n    env_file: [a.env]\n    x-teal:\n      helth: {}\n",
		"inc/c.yaml":    "services:\n  i:\n    image: b\n    privileged: true\n",
		"override.yaml": "services:\n  a:\n    x-teal:\n      active: red\n    env_file: [b.env]\n",
	})
	_, err := Load(t.Context(), Options{Dir: dir, Files: []string{"compose.yaml", "override.yaml"}})
	for _, want := range []string{
		"base.yaml:3: services.a.links: Teal does not honour this key",
		"base.yaml:4: services.a.env_file[0]: env file a.env does not exist",
		"override.yaml:5: services.a.env_file[1]: env file b.env does not exist",
		"base.yaml:6: services.a.x-teal.helth: unknown key; did you mean \"health\"?",
		"inc/c.yaml:4: services.i.privileged: Teal does not honour this key",
		"override.yaml:4: services.a.x-teal.active: must be auto, blue, green, not \"red\"",
	} {
		refused(t, err, want)
	}
}
