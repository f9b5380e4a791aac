package store

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
)

// valueVersion is the version of every value that this package writes. It goes
// up whenever an older Teal would misread or drop what is in a value.
const valueVersion = 1

// valueHeader is the version byte and a CRC-32C, big-endian, over version, key
// and JSON: bbolt has checksums on its two meta pages only.
const valueHeader = 1 + 4

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// encode returns v as the value to be kept under key.
func encode(key []byte, v any) ([]byte, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode %q: %w", key, err)
	}
	out := make([]byte, 0, valueHeader+len(body))
	out = append(out, valueVersion)
	out = binary.BigEndian.AppendUint32(out, sum(valueVersion, key, body))
	return append(out, body...), nil
}

// decode reads the value kept under key into v.
func decode(key, value []byte, v any) error {
	if err := checkValue(key, value); err != nil {
		return err
	}
	if err := json.Unmarshal(value[valueHeader:], v); err != nil {
		return fmt.Errorf("decode %q: %w", key, err)
	}
	return nil
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
	if version > valueVersion {
		return fmt.Errorf("read %q, version %d: %w", key, version, ErrNewer)
	}
	return nil
}

func sum(version byte, key, body []byte) uint32 {
	crc := crc32.Checksum([]byte{version}, castagnoli)
	crc = crc32.Update(crc, castagnoli, key)
	return crc32.Update(crc, castagnoli, body)
}
