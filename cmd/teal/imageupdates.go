package main

import (
	"path/filepath"

	"teal/controller/imageupdate"
	"teal/deploy/docker"
	"teal/reconcile"
)

// imagesFile is the name of the file in the state folder that says when images
// were first seen.
const imagesFile = "images.json"

// openUpdater returns who looks for newer images of apps that ask for them.
func (w *wiring) openUpdater() *imageupdate.Updater {
	return imageupdate.New(imageupdate.Options{
		Book: w.db, Registry: w.dockers.registry(w.placing.hosts), Host: docker.RegistryOf, Update: w.core.UpdateImage,
		Note: func(events ...reconcile.Event) { w.core.Note(events...) },
		File: filepath.Join(w.statePath(), imagesFile), Logger: w.log,
	})
}
