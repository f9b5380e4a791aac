package spec

import (
	"cmp"
	"slices"
)

// RefusedKey is a key of Compose that Teal knows and does not honour.
type RefusedKey struct {
	Key    string `json:"key"` // full path; * is any name
	Reason string `json:"reason"`
}

// RefusedKeys lists every key of Compose that Teal refuses by name, sorted. A
// key that is neither here nor honoured is refused as unknown.
func RefusedKeys() []RefusedKey {
	var out []RefusedKey
	var walk func(r *rule, at path)
	walk = func(r *rule, at path) {
		if r == nil {
			return
		}
		for k, why := range r.why {
			out = append(out, RefusedKey{at.with(k).String(), why})
		}
		for k, inner := range r.keys {
			walk(inner, at.with(k))
		}
		walk(r.each, at.with("*"))
		walk(r.item, at.with("[]"))
	}
	walk(honoured, nil)
	slices.SortFunc(out, func(a, b RefusedKey) int { return cmp.Compare(a.Key, b.Key) })
	return out
}

const (
	whyNotYet   = "it is not honoured yet"
	whyNative   = "it would give the container a part of the host that isolation must keep from it"
	whyWindows  = "it only concerns Windows containers"
	whyLinks    = "services reach each other by name on the networks they share"
	whyBuild    = "Teal runs images and builds none; build and push it, then write image"
	whyHooks    = "hooks are not run; use x-teal.test, or a service that completes and depends_on"
	whyTune     = "fine tuning of the scheduler is not honoured; write cpus and mem_limit"
	whySwarm    = "it only concerns a Swarm"
	whyNoEffect = "it has no effect on what runs"
)

var refusedTop = map[string]string{
	"configs": "mount a file of the project's folder, or write environment",
	"models":  whyNotYet,
	"jobs":    whyNotYet,
}

var refusedSecret = map[string]string{
	"driver":          whySwarm,
	"driver_opts":     whySwarm,
	"external":        "an engine without Swarm keeps no secrets; write file, which may be encrypted",
	"labels":          whySwarm,
	"name":            "it is only known inside the project",
	"template_driver": whySwarm,
}

var refusedDeploy = map[string]string{
	"endpoint_mode":   whySwarm,
	"labels":          "they belong to a Swarm service; write labels",
	"mode":            whySwarm,
	"placement":       whySwarm,
	"restart_policy":  "write restart",
	"rollback_config": "write x-teal: it rolls back by itself",
	"update_config":   "write x-teal: it says how a new version is rolled out",
}

var refusedAttachment = map[string]string{
	"driver_opts": whyNotYet, "gw_priority": whyNotYet, "interface_name": whyNotYet, "link_local_ips": whyNotYet,
	"mac_address": whyNotYet, "priority": whyNotYet,
	"ipv4_address":           "colours and replicas cannot share an address; use the service's name",
	"ipv6_address":           "colours and replicas cannot share an address; use the service's name",
	"use_service_name_alias": "a dependency has its name as an alias, an app with x-teal has not",
}

var refusedService = map[string]string{
	"annotations":         whyNotYet,
	"attach":              whyNoEffect,
	"blkio_config":        whyTune,
	"build":               whyBuild,
	"cgroup":              whyNative,
	"cgroup_parent":       whyNative,
	"configs":             "mount a file of the project's folder, or write environment",
	"container_name":      "Teal names containers itself: two colours and several replicas cannot share a name",
	"cpu_count":           whyWindows,
	"cpu_percent":         whyWindows,
	"cpu_period":          whyTune,
	"cpu_quota":           whyTune,
	"cpu_rt_period":       whyTune,
	"cpu_rt_runtime":      whyTune,
	"cpu_shares":          whyTune,
	"cpuset":              whyTune,
	"credential_spec":     whyWindows,
	"develop":             "Teal does not watch source code; it rolls out images",
	"device_cgroup_rules": whyNative,
	"devices":             whyNative,
	"dns":                 whyNotYet,
	"dns_opt":             whyNotYet,
	"dns_search":          whyNotYet,
	"domainname":          whyNotYet,
	"external_links":      whyLinks,
	"gpus":                whyNative,
	"group_add":           whyNotYet,
	"ipc":                 whyNative,
	"isolation":           whyWindows,
	"label_file":          "write labels",
	"links":               whyLinks,
	"mac_address":         whyNotYet,
	"mem_reservation":     whyTune,
	"mem_swappiness":      whyTune,
	"memswap_limit":       whyTune,
	"models":              whyNotYet,
	"network_mode":        "Teal attaches containers to networks itself; write networks",
	"oom_kill_disable":    whyNative,
	"oom_score_adj":       whyNative,
	"pid":                 whyNative,
	"platform":            whyNotYet,
	"post_start":          whyHooks,
	"pre_start":           whyHooks,
	"pre_stop":            whyHooks,
	"privileged":          whyNative,
	"provider":            "services that are not containers are not run",
	"pull_refresh_after":  "an image is resolved once per change of the desired state; write pull_policy: always",
	"runtime":             whyNative,
	"stdin_open":          "nobody is attached to a container that Teal runs",
	"storage_opt":         whyNotYet,
	"sysctls":             whyNotYet,
	"umask":               whyNotYet,
	"use_api_socket":      whyNative,
	"userns_mode":         whyNative,
	"uts":                 whyNative,
	"volumes_from":        "name the volumes in volumes",
}
