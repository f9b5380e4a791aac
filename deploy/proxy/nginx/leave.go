package nginx

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
)

// Leave makes the nginx at p serve nothing of Teal's any more, and forgets the
// table. Files that somebody's configuration includes stay, so that it can still
// be loaded: teal.conf holds nothing, and the locations of apps answer 404. In a
// place that Teal was never in, nothing is done.
func Leave(ctx context.Context, p Place) error {
	if _, err := p.Read(ctx, included); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("leave %s: %w", p, err)
	}
	files := []File{{Name: included, Content: []byte(nothing)}}
	s, err := loadState(ctx, p)
	if err != nil {
		return fmt.Errorf("leave %s: %w", p, err)
	}
	if s != nil {
		for _, a := range append(append([]appState{}, s.Apps...), s.Gone...) {
			for _, name := range []string{fileOf(a.App) + ".conf", fileOf(a.App) + ".preview.conf"} {
				files = append(files, File{Name: name, Content: []byte("# Written by Teal: this app has no route.\nreturn 404;\n")})
			}
		}
	}
	if err := p.Write(ctx, files...); err != nil {
		return fmt.Errorf("leave %s: %w", p, err)
	}
	if out, err := p.Nginx(ctx, "-t"); err != nil {
		return fmt.Errorf("leave %s: %w", p, refusal(orError(out, err)))
	}
	if out, err := p.Nginx(ctx, "-s", "reload"); err != nil {
		return fmt.Errorf("leave %s: %s", p, complaints(orError(out, err)))
	}
	if err := p.Remove(ctx, stateFile, beforeFile, current, "flags"); err != nil {
		return fmt.Errorf("leave %s: %w", p, err)
	}
	return nil
}
