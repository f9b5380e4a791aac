package doctor

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Writes checks that a file can be written in the state folder, by writing one
// and removing it: a disk may be full, out of files, over a quota or mounted
// read-only although the folder looks well. A folder that is not there yet is
// another check's.
func Writes(folder string) Finding {
	const check = "records can be written"
	err := tryWrite(folder)
	switch {
	case err == nil:
		return good(check, "in %s", folder)
	case errors.Is(err, fs.ErrNotExist):
		return good(check, "once %s is made", folder)
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return wrong(check, "df -h "+folder+"; df -i "+folder+"; then remove what is not needed", "%v: what serves goes on, nothing new is begun", err)
	case errors.Is(err, unix.EROFS):
		return wrong(check, "mount | grep ' ro', and dmesg for why; then mount it for writing", "%v: what serves goes on, nothing new is begun", err)
	}
	return wrong(check, "name another folder: --state DIR", "%v", err)
}

// tryWrite writes a page and removes it again.
func tryWrite(folder string) error {
	file, err := os.CreateTemp(folder, ".doctor-*")
	if err != nil {
		return err
	}
	_, err = file.Write(make([]byte, 4096))
	return errors.Join(err, file.Sync(), file.Close(), os.Remove(file.Name()))
}
