package nginx

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// foldersFile lists the configurations that may have a folder, oldest first, one
// a line. It is written before the folder is: what a process was killed over is
// known to the next one.
const foldersFile = "folders"

// folders are the names on the list; it is read once.
func (d *Driver) folders(ctx context.Context) ([]string, error) {
	if d.memory.folders != nil {
		return d.memory.folders, nil
	}
	text, err := d.o.Place.Read(ctx, foldersFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read which configurations there are: %w", err)
	}
	d.memory.folders = []string{}
	for name := range strings.FieldsSeq(string(text)) {
		if len(name) == configName && word(name, "") { // it is going to be removed
			d.memory.folders = append(d.memory.folders, name)
		}
	}
	return d.memory.folders, nil
}

// list puts configurations at the end of the list.
func (d *Driver) list(ctx context.Context, names ...string) error {
	have, err := d.folders(ctx)
	if err != nil {
		return err
	}
	names = slices.DeleteFunc(names, func(name string) bool { return name == "" })
	fresh := slices.DeleteFunc(slices.Clone(have), func(name string) bool { return slices.Contains(names, name) })
	return d.write(ctx, append(fresh, names...))
}

func (d *Driver) write(ctx context.Context, names []string) error {
	if slices.Equal(names, d.memory.folders) {
		return nil
	}
	d.memory.folders = nil // not known, if this is cut short
	if err := d.o.Place.Write(ctx, File{Name: foldersFile, Content: []byte(strings.Join(names, "\n") + "\n")}); err != nil {
		return fmt.Errorf("note which configurations there are: %w", err)
	}
	d.memory.folders = names
	return nil
}

// sweep removes all configurations but the one in use and the one before, which
// an nginx that refuses goes back to: workers read no file after they were
// started.
func (d *Driver) sweep(ctx context.Context, inUse, before string) error {
	have, err := d.folders(ctx)
	if err != nil {
		return err
	}
	var keep, remove []string
	for _, name := range have {
		if name == inUse || name == before {
			keep = append(keep, name)
		} else {
			remove = append(remove, folderOf(name))
		}
	}
	if len(remove) == 0 {
		return nil
	}
	if err := d.o.Place.Remove(ctx, remove...); err != nil {
		return fmt.Errorf("remove old configurations: %w", err)
	}
	return d.write(ctx, keep)
}
