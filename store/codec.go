package store

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
)

// Versions of values. Another one is due whenever an older Teal would misread or
// drop what is in a value.
const (
	versionPlain  = 1 // JSON
	versionSealed = 2 // JSON, encrypted with the host key
)

// valueHeader is the version byte and a CRC-32C, big-endian, over version, key
// and body: bbolt has checksums on its two meta pages only.
const valueHeader = 1 + 4

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// encodeBody returns v as JSON.
func encodeBody(key []byte, v any) ([]byte, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode %q: %w", key, err)
	}
	return body, nil
}

// withHeader returns body as the value to be kept under key.
func withHeader(version byte, key, body []byte) []byte {
	out := make([]byte, 0, valueHeader+len(body))
	out = append(out, version)
	out = binary.BigEndian.AppendUint32(out, sum(version, key, body))
	return append(out, body...)
}

// checkValue reports a value that was damaged, or that a newer Teal wrote. The
// checksum comes first: a damaged version byte is not a newer version. So every
// version to come must keep this header.
func checkValue(key, value []byte) error {
	if len(value) < valueHeader {
		return damagedf("the value of %q is cut off", key)
	}
	version, want := value[0], binary.BigEndian.Uint32(value[1:valueHeader])
	if sum(version, key, value[valueHeader:]) != want {
		return damagedf("the value of %q does not match its checksum", key)
	}
	if version > versionSealed {
		return fmt.Errorf("read %q, version %d: %w", key, version, ErrNewer)
	}
	return nil
}

func sum(version byte, key, body []byte) uint32 {
	crc := crc32.Checksum([]byte{version}, castagnoli)
	crc = crc32.Update(crc, castagnoli, key)
	return crc32.Update(crc, castagnoli, body)
}
