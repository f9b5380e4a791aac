package secret

import (
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"teal/spec"
)

// block is what SOPS keeps readable about the keys of a file.
type block struct {
	age    []recipient
	others []string // kinds of keys that are not age's
	split  bool     // between several groups, of which more than one is needed
}

// recipient is one age key, and the file's key encrypted for it.
type recipient struct {
	Public string `yaml:"recipient"`
	Key    string `yaml:"enc"`
}

// kinds of keys beside age's, as they are called in the file.
var kinds = []string{"kms", "gcp_kms", "azure_kv", "hc_vault", "hckms", "pgp"}

// readBlock finds the keys of a file.
func readBlock(e spec.Encrypted) (block, error) {
	if e.Form == spec.EncryptedSOPSDotenv || e.Form == spec.EncryptedSOPSINI {
		return readFlat(e), nil
	}
	var file struct {
		SOPS map[string]yaml.Node `yaml:"sops"`
	}
	var out block
	if err := yaml.Unmarshal(e.Content, &file); err != nil {
		return out, notWhole()
	}
	if list, ok := file.SOPS["age"]; ok {
		if err := list.Decode(&out.age); err != nil {
			return out, notWhole()
		}
	}
	_, out.split = file.SOPS["key_groups"]
	for _, kind := range kinds {
		if list := file.SOPS[kind]; len(list.Content) > 0 {
			out.others = append(out.others, kind)
		}
	}
	return out, nil
}

func notWhole() error {
	return &spec.DecryptError{Message: "has a block of SOPS that cannot be read", Hint: "bring the whole file back, as sops wrote it"}
}

// readFlat finds the keys of a file of NAME=value lines, which has them as
// sops_age__list_0__map_recipient, in INI without sops_.
func readFlat(e spec.Encrypted) block {
	var out block
	found := map[string]*recipient{}
	seen := map[string]bool{}
	for line := range strings.Lines(string(e.Content)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		name, value = strings.TrimPrefix(strings.TrimSpace(name), "sops_"), strings.TrimSpace(value)
		kind, rest, listed := strings.Cut(name, "__list_")
		if !listed {
			continue
		}
		seen[kind] = true
		number, field, _ := strings.Cut(rest, "__map_")
		if kind != "age" {
			continue
		}
		if found[number] == nil {
			found[number] = &recipient{}
		}
		switch field {
		case "recipient":
			found[number].Public = value
		case "enc":
			found[number].Key = strings.ReplaceAll(strings.Trim(value, `"`+"`"), `\n`, "\n")
		}
	}
	for _, number := range slices.Sorted(maps.Keys(found)) {
		out.age = append(out.age, *found[number])
	}
	out.split = seen["key_groups"]
	for _, kind := range kinds {
		if seen[kind] {
			out.others = append(out.others, kind)
		}
	}
	return out
}

// recipients are the public keys that a file is encrypted for.
func (b block) recipients() []string {
	out := make([]string, len(b.age))
	for i, r := range b.age {
		out[i] = r.Public
	}
	return out
}

// fits returns the identity that decrypts the file's key.
func (b block) fits(have []identity) (identity, bool) {
	for _, h := range have {
		for _, r := range b.age {
			if _, err := open([]byte(r.Key), []identity{h}); err == nil {
				return h, true
			}
		}
	}
	return identity{}, false
}
