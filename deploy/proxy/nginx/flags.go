package nginx

import (
	"context"
	"fmt"
	"strconv"

	"teal/reconcile"
	"teal/spec"
)

// buckets is how many shares the traffic is cut into.
const buckets = 100

// choice is what an app's flags say.
type choice struct {
	green   int         // of 100 requests, how many lead to green
	preview spec.Colour // empty: nothing is staged
}

func choiceOf(r *reconcile.Route) choice {
	c := choice{preview: r.Preview.Colour}
	for _, b := range r.Backends {
		if b.Colour == spec.Green {
			c.green = b.Weight
		}
	}
	return c
}

// set names the folder that holds a choice's flags. Its content never changes,
// and all apps with that choice share it: a switch is one rename of a symbolic
// link.
func (c choice) set(generation int) string {
	preview := "none"
	if c.preview != "" {
		preview = string(c.preview)
	}
	return fmt.Sprintf(".green-%d-preview-%s.%d", c.green, preview, generation)
}

// shown is the bucket whose flag says that something is staged.
const shown = "preview"

// flags are the names in the folder: a file per bucket that leads to green.
// Bucket "37" is live traffic, "p37" the preview of the same request, which
// leads where live traffic does while nothing is staged.
func (c choice) flags() []string {
	var out []string
	if c.preview != "" {
		out = append(out, shown)
	}
	for i := range buckets {
		live := i < c.green
		if live {
			out = append(out, strconv.Itoa(i))
		}
		if c.preview == spec.Green || c.preview == "" && live {
			out = append(out, "p"+strconv.Itoa(i))
		}
	}
	return out
}

// leads reports whether the bucket's flag is there.
func (c choice) leads(bucket string) bool {
	if bucket == shown {
		return c.preview != ""
	}
	preview := bucket[0] == 'p'
	if preview {
		bucket = bucket[1:]
	}
	n, err := strconv.Atoi(bucket)
	live := err == nil && n < c.green
	if preview && c.preview != "" {
		return c.preview == spec.Green
	}
	return live
}

// makeSet writes a choice's folder unless this process has done so.
func (d *Driver) makeSet(ctx context.Context, c choice, generation int) (string, error) {
	name := c.set(generation)
	if d.memory.sets[name] {
		return name, nil
	}
	files := []File{{Name: "flags/" + name + "/"}}
	for _, flag := range c.flags() {
		files = append(files, File{Name: "flags/" + name + "/" + flag})
	}
	if err := d.o.Place.Write(ctx, files...); err != nil {
		return "", fmt.Errorf("write flags: %w", err)
	}
	d.memory.sets[name] = true
	return name, nil
}

// point makes c the choice of an app, in one atomic step.
func (d *Driver) point(ctx context.Context, app spec.Name, c choice, generation int) error {
	set, err := d.makeSet(ctx, c, generation)
	if err != nil {
		return err
	}
	if err := relink(ctx, d.o.Place, set, "flags/"+fileOf(app)); err != nil {
		return fmt.Errorf("switch %s: %w", app, err)
	}
	return nil
}
