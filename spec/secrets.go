package spec

import (
	"encoding/base64"
	"encoding/json"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// SecretsFolder is where secrets go that name no other place.
const SecretsFolder = "/run/secrets"

// Limits on what a service may be given.
const (
	maxSecret  = 500 << 10 // bytes of one secret, as elsewhere
	maxSecrets = 1 << 20   // bytes of all secrets of a service: every version is remembered
)

// secretMode is what Compose gives a secret that says nothing.
const secretMode = 0o444

// Blob is the content of a file: any bytes. In JSON it is base64.
type Blob string

// MarshalJSON encodes b. What stands for a content that is not shown stays as it
// is.
func (b Blob) MarshalJSON() ([]byte, error) {
	if b == hidden {
		return json.Marshal(string(b))
	}
	return json.Marshal([]byte(b))
}

// UnmarshalJSON is the reverse of MarshalJSON.
func (b *Blob) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	if s == hidden {
		*b = hidden
		return nil
	}
	content, err := base64.StdEncoding.DecodeString(s)
	*b = Blob(content)
	return err
}

// secrets reads what a service's secrets name.
func (c converter) secrets(s types.ServiceConfig) []Secret {
	var out []Secret
	for i, ref := range s.Secrets {
		at := path{"secrets"}.item(i)
		declared, ok := c.project.Secrets[ref.Source]
		if !ok {
			c.refuse("there is no secret "+quote(ref.Source), "declare it: secrets: {"+ref.Source+": {file: ./"+ref.Source+".age}}", at...)
			continue
		}
		out = append(out, Secret{
			Target: secretTarget(ref),
			UID:    c.owner(ref.UID, at.with("uid")), GID: c.owner(ref.GID, at.with("gid")),
			Mode:    secretBits(ref.Mode),
			Content: c.secretContent(ref.Source, declared),
		})
	}
	slices.SortFunc(out, func(a, b Secret) int { return strings.Compare(a.Target, b.Target) })
	return out
}

// secretTarget is below the usual folder unless it is absolute.
func secretTarget(ref types.ServiceSecretConfig) string {
	target := ref.Target
	if target == "" {
		target = ref.Source
	}
	if filepath.IsAbs(target) {
		return target
	}
	return SecretsFolder + "/" + target
}

func secretBits(mode *types.FileMode) uint32 {
	if mode == nil {
		return secretMode
	}
	return uint32(*mode)
}

func (c converter) owner(id string, at path) int {
	if id == "" {
		return 0
	}
	n, err := strconv.Atoi(id)
	if err != nil {
		c.refuse(quote(id)+" is not a number: names of users are the image's", "write the number", at...)
	}
	return n
}

// secretContent reads a secret. What is wrong with it is said where it is
// declared.
func (c converter) secretContent(name string, declared types.SecretConfig) Blob {
	report := func(key, message, hint string) {
		c.reportNew(c.places, finding{at: path{"secrets", name, key}, message: message, hint: hint})
	}
	if declared.Environment != "" {
		value, ok := c.env[declared.Environment]
		if !ok {
			report("environment", "the variable "+declared.Environment+" has no value: the environment of the process is not read", "write it into .env, or name a file")
		}
		return Blob(value)
	}
	if declared.File == "" {
		report("", "says neither file nor environment", "write file: ./"+name+".age")
		return ""
	}
	content, err := c.files.read(declared.File)
	if err != nil {
		report("file", c.refusal(declared.File, err), hintOf(err))
	}
	return Blob(content)
}

// secrets checks that secrets get where they are to be.
func (c *checker) secrets(at path, k Container) {
	all := 0
	for i, s := range k.Secrets {
		c.must(filepath.IsAbs(s.Target) && filepath.Clean(s.Target) == s.Target && s.Target != "/", at, "the target must be an absolute path below /, not %q", s.Target)
		c.must(i == 0 || k.Secrets[i-1].Target < s.Target, at, "two secrets at %s, or they are not sorted", s.Target)
		c.must(i == 0 || !strings.HasPrefix(s.Target, k.Secrets[i-1].Target+"/"), at, "%s would be inside another secret", s.Target)
		c.must(s.UID >= 0 && s.GID >= 0, at, "uid and gid must not be negative")
		c.must(s.Mode <= 0o777, at, "the mode of %s must be from 0 to 0777, not %#o", s.Target, s.Mode)
		c.must(len(s.Content) <= maxSecret, at, "%s is larger than %d KiB", s.Target, maxSecret>>10)
		c.secretPlace(at, k, s.Target)
		all += len(s.Content)
	}
	c.must(all <= maxSecrets, at, "together they are larger than %d KiB", maxSecrets>>10)
}

// secretPlace refuses where something else is mounted over a secret once the
// container starts, or that cannot be written before.
func (c *checker) secretPlace(at path, k Container, target string) {
	for _, taken := range []string{"/proc", "/sys", "/dev"} {
		c.must(!within(target, taken), at, "%s cannot hold secrets: the engine mounts %s", target, taken)
	}
	for _, m := range k.Mounts {
		if within(target, m.Target) || within(m.Target, target) {
			c.refuse(at, target+" would be on the mount at "+m.Target+", which hides or keeps it", "choose another target, or mount elsewhere")
		}
	}
	if k.ReadOnly && !within(target, SecretsFolder) {
		c.refuse(at, "with read_only: true, secrets can only be below "+SecretsFolder+", not at "+target, "leave the target out, or write a name without a slash")
	}
}

// within reports whether p is dir or lies below it.
func within(p, dir string) bool { return p == dir || strings.HasPrefix(p, dir+"/") }
