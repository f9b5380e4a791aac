package imageupdate

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"teal/spec"
)

// sightings are when images that are not old enough were first seen, by app. They
// are one file that is replaced at once.
type sightings struct {
	file string
	apps map[string]map[string]time.Time
}

// openSightings reads the file; whatever is wrong, what it returns can be used.
func openSightings(file string) (*sightings, error) {
	s := &sightings{file: file, apps: map[string]map[string]time.Time{}}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(data, &s.apps); err != nil || s.apps == nil {
		s.apps = map[string]map[string]time.Time{}
		return s, err
	}
	return s, nil
}

// mostSeen images of one app are remembered; the oldest sight is forgotten.
const mostSeen = 50

// first returns when an image was first seen for an app: now, if it is new.
func (s *sightings) first(app spec.Name, image string, now time.Time) (time.Time, error) {
	images := s.apps[app.String()]
	if at, ok := images[image]; ok {
		return at, nil
	}
	if images == nil {
		images = map[string]time.Time{}
		s.apps[app.String()] = images
	}
	for len(images) >= mostSeen {
		oldest := ""
		for i, at := range images {
			if oldest == "" || at.Before(images[oldest]) {
				oldest = i
			}
		}
		delete(images, oldest)
	}
	images[image] = now.UTC().Round(0)
	return images[image], s.save()
}

// only forgets all apps but some.
func (s *sightings) only(apps map[spec.Name]bool) {
	keep := map[string]bool{}
	for app := range apps {
		keep[app.String()] = true
	}
	for app := range s.apps {
		if !keep[app] {
			delete(s.apps, app) // on the disk with the next that is new
		}
	}
}

func (s *sightings) save() (err error) {
	data, err := json.Marshal(s.apps)
	if err != nil {
		return err
	}
	fresh, err := os.CreateTemp(filepath.Dir(s.file), filepath.Base(s.file)+".*") // mode 0600
	if err != nil {
		return err
	}
	_, err = fresh.Write(data)
	err = errors.Join(err, fresh.Sync(), fresh.Close())
	if err == nil {
		err = os.Rename(fresh.Name(), s.file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(fresh.Name()))
	}
	return nil
}
