package embedded

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"teal/deploy/proxy/internal/table"
	"teal/reconcile"
)

const (
	shelfVersion = 1
	tableFile    = "table.json"
	previousFile = "table.prev.json"
	damagedFile  = "table.damaged.json"
)

// shelf keeps the table on disk. A new table is written beside the old one,
// synced, and renamed over it; the one before stays as a second copy.
type shelf struct{ dir string }

// shelved is the form of a table on disk. Sum is over the table's bytes.
type shelved struct {
	Version int             `json:"version"`
	Sum     string          `json:"sha256"`
	Table   json.RawMessage `json:"table"`
}

// loaded is what was found on the shelf.
type loaded struct {
	table reconcile.Table
	found bool  // table is a good copy; without it and damaged, the shelf was empty
	fault error // the newest copy is damaged or missing; table is then the one before
}

// load reads the newest good copy. An empty shelf is no fault: it is the start
// of its life.
func (s shelf) load() loaded {
	table, err := s.read(tableFile)
	if err == nil {
		return loaded{table: table, found: true}
	}
	before, berr := s.read(previousFile)
	switch {
	case berr == nil:
		return loaded{table: before, found: true, fault: err}
	case errors.Is(err, fs.ErrNotExist) && errors.Is(berr, fs.ErrNotExist):
		return loaded{}
	}
	return loaded{fault: fmt.Errorf("%w; the copy before it: %w", err, berr)}
}

func (s shelf) read(name string) (reconcile.Table, error) {
	data, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		return reconcile.Table{}, fmt.Errorf("read table: %w", err)
	}
	table, err := decodeTable(data)
	if err != nil {
		return reconcile.Table{}, fmt.Errorf("read table %s: %w", name, err)
	}
	return table, nil
}

// decodeTable reads what encodeTable wrote and refuses everything else.
func decodeTable(data []byte) (reconcile.Table, error) {
	var s shelved
	var t reconcile.Table
	if err := json.Unmarshal(data, &s); err != nil {
		return t, fmt.Errorf("decode: %w", err)
	}
	if s.Version != shelfVersion {
		return t, fmt.Errorf("its format is version %d; this Teal reads version %d", s.Version, shelfVersion)
	}
	if sum := checksum(s.Table); sum != s.Sum {
		return t, fmt.Errorf("its checksum is %s, not %s as written", sum, s.Sum)
	}
	if err := json.Unmarshal(s.Table, &t); err != nil {
		return t, fmt.Errorf("decode: %w", err)
	}
	return t, table.Check(t)
}

func encodeTable(t reconcile.Table) ([]byte, error) {
	table, err := json.Marshal(t)
	if err != nil {
		return nil, fmt.Errorf("encode table: %w", err)
	}
	data, err := json.Marshal(shelved{Version: shelfVersion, Sum: checksum(table), Table: table})
	if err != nil {
		return nil, fmt.Errorf("encode table: %w", err)
	}
	return append(data, '\n'), nil
}

func checksum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// save makes t the newest copy; when it returns nil, t survives a crash of the
// machine. With damaged set, the copy it replaces is kept for people to look at
// and is not counted as the one before.
func (s shelf) save(t reconcile.Table, damaged bool) error {
	data, err := encodeTable(t)
	if err != nil {
		return err
	}
	temporary, err := s.writeSynced(data)
	if err != nil {
		return err
	}
	aside := previousFile
	if damaged {
		aside = damagedFile
	}
	if err := s.keep(aside); err != nil {
		return fmt.Errorf("keep the table before: %w", err)
	}
	if err := os.Rename(temporary, filepath.Join(s.dir, tableFile)); err != nil {
		return fmt.Errorf("replace table: %w", err)
	}
	return syncDir(s.dir)
}

func (s shelf) writeSynced(data []byte) (name string, err error) {
	name = filepath.Join(s.dir, tableFile+".tmp")
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return "", fmt.Errorf("write table: %w", err)
	}
	defer func() {
		if cerr := f.Close(); err == nil && cerr != nil {
			err = fmt.Errorf("close table: %w", cerr)
		}
	}()
	if _, err := bytes.NewReader(data).WriteTo(f); err != nil {
		return "", fmt.Errorf("write table: %w", err)
	}
	if err := f.Sync(); err != nil {
		return "", fmt.Errorf("sync table: %w", err)
	}
	return name, nil
}

// keep gives the present table a second name, so that at no time there is no
// table under the first.
func (s shelf) keep(as string) error {
	link := filepath.Join(s.dir, as+".tmp")
	if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	err := os.Link(filepath.Join(s.dir, tableFile), link)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the first table
	}
	if err != nil {
		return err
	}
	return os.Rename(link, filepath.Join(s.dir, as))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	return nil
}
