package docker

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"
)

// LocalSpace tells the free space where a folder of this machine is; it is for
// engines that share this machine's disks. A folder that is not here, as for a
// Teal that runs in a container, is an error.
func LocalSpace(_ context.Context, folder string) (Space, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(folder, &st); err != nil {
		return Space{}, fmt.Errorf("free space of %s: %w", folder, err)
	}
	size := uint64(st.Bsize)
	return Space{Free: st.Bavail * size, Total: st.Blocks * size}, nil
}
