package spec

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestEscapes: a desired state from a half-trusted source tries to reach what
// lies outside its folder, or to become more than a container. Each attempt is
// refused, and the secret beside the folder is not repeated.
func TestEscapes(t *testing.T) {
	t.Setenv("TEAL_TEST_SECRET", "s3cr3t-of-the-environment")
	service := func(more string) string { return "name: p\nservices:\n  a:\n    image: b\n    " + more + "\n" }
	bomb := "x-a: &a [1,1,1,1,1,1,1,1,1]\n"
	for i := range 12 {
		bomb += fmt.Sprintf("x-%c: &%[1]c [*%c,*%[2]c,*%[2]c,*%[2]c,*%[2]c,*%[2]c,*%[2]c,*%[2]c]\n", 'b'+i, 'a'+i)
	}
	for name, text := range map[string]string{
		"":                            service("environment: {A: b}"), // nothing is tried: it loads
		"env_file above":              service("env_file: ../secret.env"),
		"env_file, absolute":          service("env_file: OUTSIDE/secret.env"),
		"env_file by a link":          service("env_file: link.env"),
		"env_file by a linked folder": service("env_file: linked/secret.env"),
		"env_file by a way back":      service("env_file: sub/../../secret.env"),
		"env_file of the process":     service("env_file: /proc/self/environ"),
		"an optional env_file":        service("env_file: [{path: ../secret.env, required: true}]"),
		"extends above":               service("extends: {file: ../other.yaml, service: a}"),
		"extends, absolute":           service("extends: {file: OUTSIDE/other.yaml, service: a}"),
		"extends by a link":           service("extends: {file: link.yaml, service: a}"),
		"include above":               "name: p\ninclude: [../other.yaml]\nservices: {b: {image: c}}\n",
		"include by a link":           "name: p\ninclude: [link.yaml]\nservices: {b: {image: c}}\n",
		"include with another folder": "name: p\ninclude: [{path: ok.yaml, project_directory: ..}]\nservices: {b: {image: c, volumes: ['../:/x']}}\n",
		"include with an env_file":    "name: p\ninclude: [{path: ok.yaml, env_file: ../secret.env}]\nservices: {b: {image: c}}\n",
		"the process's environment":   service("environment: {A: '${TEAL_TEST_SECRET}'}"),
		"a variable passed on":        service("environment: [TEAL_TEST_SECRET]"),
		"a secret of a file":          service("secrets: [s]") + "secrets: {s: {file: ../secret.env}}\n",
		"a secret of the environment": service("secrets: [s]") + "secrets: {s: {environment: TEAL_TEST_SECRET}}\n",
		"a config of a file":          service("configs: [c]") + "configs: {c: {file: ../secret.env}}\n",
		"a bind above":                service("volumes: ['../:/x']"),
		"a bind of everything":        service("volumes: ['/:/x']"),
		"a bind by a link":            service("volumes: ['./linked:/x']"),
		"a bind by dots":              service("volumes: ['./sub/../../:/x']"),
		"the socket":                  service("volumes: ['/var/run/docker.sock:/x']"),
		"the socket by its folder":    service("volumes: ['/var/run:/x']"),
		"the socket by another path":  service("volumes: ['/var/../run//docker.sock:/x']"),
		"the socket by /proc":         service("volumes: ['/proc/1/root/run/docker.sock:/x']"),
		"the socket by a link":        service("volumes: ['./socket:/x']"),
		"a volume that is a bind":     service("volumes: ['v:/x']") + "volumes: {v: {driver_opts: {type: none, o: bind, device: /}}}\n",
		"a bind without a type":       service("volumes: ['v:/x']") + "volumes: {v: {driver_opts: {o: 'rw,rbind', device: /etc}}}\n",
		"a volume that is a disk":     service("volumes: ['v:/x']") + "volumes: {v: {driver_opts: {type: ext4, device: /dev/sda1}}}\n",
		"an overlay of the host":      service("volumes: ['v:/x']") + "volumes: {v: {driver_opts: {type: overlay, o: 'lowerdir=/', device: overlay}}}\n",
		"a driver of volumes":         service("volumes: ['v:/x']") + "volumes: {v: {driver: rclone}}\n",
		"volumes_from":                service("volumes_from: ['container:x']"),
		"privileged":                  service("privileged: true"),
		"all capabilities":            service("cap_add: [ALL]"),
		"a capability":                service("cap_add: [CAP_SYS_ADMIN]"),
		"a device":                    service("devices: ['/dev/sda']"),
		"rules for devices":           service("device_cgroup_rules: ['a *:* rwm']"),
		"the host's processes":        service("pid: host"),
		"another's processes":         service("pid: 'container:x'"),
		"the host's IPC":              service("ipc: host"),
		"the host's network":          service("network_mode: host"),
		"another's network":           service("network_mode: 'container:x'"),
		"the host's names":            service("uts: host"),
		"the host's users":            service("userns_mode: host"),
		"the host's cgroups":          service("cgroup: host"),
		"a cgroup":                    service("cgroup_parent: /"),
		"sysctls":                     service("sysctls: {kernel.core_pattern: '|/x'}"),
		"no seccomp":                  service("security_opt: ['seccomp:unconfined']"),
		"no apparmor":                 service("security_opt: ['apparmor=unconfined']"),
		"another runtime":             service("runtime: x"),
		"a network of the host":       service("networks: [n]") + "networks: {n: {external: true, name: host}}\n",
		"a bridge of the host":        service("networks: [n]") + "networks: {n: {driver_opts: {com.docker.network.bridge.name: docker0}}}\n",
		"a macvlan":                   service("networks: [n]") + "networks: {n: {driver: macvlan, driver_opts: {parent: eth0}}}\n",
		"a label of Teal":             service("labels: {teal.controller: other}"),
		"a label of Teal on a volume": service("volumes: ['v:/x']") + "volumes: {v: {labels: {teal.project: other}}}\n",
		"a stranger's name":           service("container_name: somebody-else"),
		"a name of another project":   "name: ../other\nservices: {a: {image: b}}\n",
		"a bomb of aliases":           bomb + "services: {a: {image: b}}\n",
		"deep nesting":                "name: p\nx-a: " + strings.Repeat("[", 3000) + strings.Repeat("]", 3000) + "\nservices: {a: {image: b}}\n",
		"a giant file":                "name: p\n#" + strings.Repeat("x", 32<<20) + "\nservices: {a: {image: b}}\n",
		"a giant value by variables":  service("environment: {A: '" + strings.Repeat("${B}", 20000) + "'}"),
		"a build":                     service("build: /"),
	} {
		t.Run(name, func(t *testing.T) {
			outside := t.TempDir()
			dir := filepath.Join(outside, "project")
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			must(os.MkdirAll(filepath.Join(dir, "sub"), 0o700))
			for file, content := range map[string]string{
				"secret.env": "PASSWORD=s3cr3t-beside-the-folder\n", "other.yaml": "services: {a: {image: s3cr3t-beside-the-folder}}\n",
				"project/compose.yaml": strings.ReplaceAll(text, "OUTSIDE", outside), "project/ok.yaml": "services: {c: {image: d, volumes: ['./:/x']}}\n",
				"project/.env": "B=" + strings.Repeat("x", 1000) + "\n",
			} {
				must(os.WriteFile(filepath.Join(outside, file), []byte(content), 0o600))
			}
			for link, to := range map[string]string{"link.env": "../secret.env", "link.yaml": "../other.yaml", "linked": "..", "socket": "/run/docker.sock"} {
				must(os.Symlink(to, filepath.Join(dir, link)))
			}
			p, err := Load(t.Context(), Options{Dir: dir})
			if name == "" {
				must(err)
				return
			}
			if err == nil {
				t.Fatalf("loaded: %+v", p.Services)
			}
			if strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("the refusal repeats the secret: %v", err)
			}
		})
	}
}
