package fleet

import "testing"

func TestFreeSpaceIsReadFromDf(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       uint64 // 0: refused
	}{
		{"usual", "Filesystem     1024-blocks    Used Available Capacity Mounted on\n/dev/vda1         41152812 8200000  31000000      21% /\n", 31000000 << 10},
		{"folder with a space", "Filesystem 1024-blocks Used Available Capacity Mounted on\noverlay 100 40 60 40% /var/lib/my docker\n", 60 << 10},
		{"no line", "Filesystem 1024-blocks Used Available Capacity Mounted on\n", 0},
		{"nothing", "", 0},
		{"words", "h\na b c much e f\n", 0},
	} {
		if got, err := available(c.text); got.Free != c.want || (err == nil) != (c.want > 0) || err == nil && got.Total <= got.Free {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
}
