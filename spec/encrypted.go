package spec

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
)

// Encryption is how the content of a file is encrypted, as the content says.
type Encryption string

// Encryptions that [Load] knows. What is encrypted in another way is read as if
// it were plain, and then is not what it was taken for.
const (
	EncryptedAge        Encryption = "age"         // https://age-encryption.org/v1, armoured or not
	EncryptedSOPSYAML   Encryption = "sops yaml"   // https://getsops.io, by the form that it keeps readable
	EncryptedSOPSJSON   Encryption = "sops json"   //
	EncryptedSOPSDotenv Encryption = "sops dotenv" //
	EncryptedSOPSINI    Encryption = "sops ini"    //
	EncryptedSOPSBinary Encryption = "sops binary" // JSON around one text that is the whole file
)

// Encrypted is the content of a file that has to be decrypted.
type Encrypted struct {
	Form    Encryption
	Content []byte
}

// DecryptError says why an encrypted file could not be read. Its words are about
// keys and programs, none are of the plain text.
type DecryptError struct {
	Message string // continues "FILE: "
	Hint    string // what to type
}

// Error returns the message.
func (e *DecryptError) Error() string { return e.Message }

// hintOf returns what to type after an error of reading a file.
func hintOf(err error) string {
	if e, ok := errors.AsType[*DecryptError](err); ok {
		return e.Hint
	}
	return ""
}

var (
	ageBinary  = []byte("age-encryption.org/v1\n")
	ageArmour  = []byte("-----BEGIN AGE ENCRYPTED FILE-----")
	sopsValue  = []byte("ENC[AES256_GCM,data:")
	sopsYAML   = regexp.MustCompile(`(?m)^sops:[ \t]*\n(?:(?:[ \t].*)?\n)*?[ \t]+mac: ENC\[`)
	sopsDotenv = regexp.MustCompile(`(?m)^sops_mac=ENC\[`)
	sopsINI    = regexp.MustCompile(`(?m)^\[sops\][ \t]*\n(?:[^\[\n].*\n|\n)*?mac[ \t]*=[ \t]*ENC\[`)
)

// EncryptionOf returns how content is encrypted; empty: it is not. What has
// values of SOPS and not SOPS's own block is neither: it was cut off, and its
// values would be taken for plain ones.
func EncryptionOf(content []byte) (Encryption, error) {
	start := bytes.TrimLeft(content, " \t\r\n")
	if bytes.HasPrefix(content, ageBinary) || bytes.HasPrefix(start, ageArmour) {
		return EncryptedAge, nil
	}
	if !bytes.Contains(content, []byte("ENC[")) {
		return "", nil
	}
	switch {
	case bytes.HasPrefix(start, []byte("{")):
		if form := sopsJSON(content); form != "" {
			return form, nil
		}
	case sopsYAML.Match(content):
		return EncryptedSOPSYAML, nil
	case sopsDotenv.Match(content):
		return EncryptedSOPSDotenv, nil
	case sopsINI.Match(content):
		return EncryptedSOPSINI, nil
	}
	if bytes.Contains(content, sopsValue) {
		return "", &DecryptError{
			Message: "holds values that SOPS encrypted, but not the block with its keys: it was cut off or edited",
			Hint:    "bring the whole file back, as sops wrote it",
		}
	}
	return "", nil
}

// sopsJSON tells a JSON document that SOPS encrypted from a file that it wrapped.
func sopsJSON(content []byte) Encryption {
	var top map[string]json.RawMessage
	var block struct {
		MAC string `json:"mac"`
	}
	if json.Unmarshal(content, &top) != nil || json.Unmarshal(top["sops"], &block) != nil || block.MAC == "" {
		return ""
	}
	if _, wrapped := top["data"]; wrapped && len(top) == 2 {
		return EncryptedSOPSBinary
	}
	return EncryptedSOPSJSON
}

// plain returns the plain text of content, which may be encrypted.
func (r *reader) plain(content []byte) ([]byte, error) {
	form, err := EncryptionOf(content)
	if err != nil || form == "" {
		return content, err
	}
	r.keysMatter = true
	if r.decrypt == nil {
		return nil, &DecryptError{Message: "is encrypted (" + string(form) + "), and there is no key", Hint: "name a file with an age identity: --age-identity FILE"}
	}
	text, err := r.decrypt(Encrypted{Form: form, Content: content})
	if err != nil {
		return nil, err
	}
	if len(text) > maxFileSize {
		return nil, errTooLarge
	}
	r.shroud.learn(text, content)
	return text, nil
}
