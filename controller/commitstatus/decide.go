package commitstatus

import (
	"fmt"
	"strings"

	"teal/reconcile"
	"teal/spec"
)

// State is what a commit is said to be.
type State string

// States. Superseded is written as error (GitHub, Gitea) or canceled (GitLab).
const (
	Pending    State = "pending"
	Success    State = "success"
	Failure    State = "failure"
	Superseded State = "superseded"
)

// final reports whether nothing more is to be expected.
func (s State) final() bool { return s != Pending }

// Written is one status as it was written last.
type Written struct {
	Origin     spec.Origin `json:"origin"`
	Generation int64       `json:"generation"` // the app's that it was about
	State      State       `json:"state"`
	Words      string      `json:"words"`
}

// maxWords is what GitHub takes of a description, in letters.
const maxWords = 140

func shortened(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if r := []rune(text); len(r) > maxWords {
		return string(r[:maxWords-1]) + "…"
	}
	return text
}

// verdict says how the newest commit of an app stands. had is what was written of
// it before, if anything was. ok is false if that stays as it is.
func verdict(app reconcile.Status, had *Written) (state State, words string, ok bool) {
	state, words = present(app)
	words = shortened(words)
	switch {
	case had == nil:
		return state, words, true
	case had.State == state && had.Words == words:
		return "", "", false
	case had.State == Success && state == Pending:
		// What it asked for did serve; that a container is being repaired is no
		// news of the commit.
		return "", "", false
	case had.State == Failure && state == Pending && app.Rollout == "":
		return "", "", false // only a new attempt is
	case had.State == Success && state == Success:
		return "", "", false // the words may name the other colour by now
	}
	return state, words, true
}

// present says how an app stands with what is wanted of it now.
func present(app reconcile.Status) (State, string) {
	switch {
	case app.Override != nil && app.Override.Generation == app.Generation:
		return Failure, "undone" + byWhom(app.Override.By) + "; " + serves(app)
	case app.Hold != nil && app.Hold.Generation == app.Generation && app.Observed == app.Generation:
		return Failure, fmt.Sprintf("%s: %s; %s", app.Hold.Reason, app.Hold.Message, serves(app))
	case app.Synced.OK && app.Serving.OK && app.Observed == app.Generation:
		return Success, "serves " + short(app.Image)
	case app.Phase == reconcile.Staged:
		return Pending, short(app.Image) + " is verified and waits: " + string(app.Synced.Reason)
	case app.Phase == reconcile.Aborting:
		return Pending, short(app.Image) + " is being taken back"
	case app.Backoff != nil:
		return Pending, fmt.Sprintf("%s is rolled out later: %s", short(app.Image), app.Backoff.Failure.Reason)
	}
	return Pending, short(app.Image) + " is being rolled out"
}

func byWhom(name string) string {
	if name == "" {
		return ""
	}
	return " by " + name
}

// serves says what users get meanwhile.
func serves(app reconcile.Status) string {
	for _, c := range app.Colours {
		if c.Role == "stable" && app.Serving.OK {
			return short(c.Image) + " serves"
		}
	}
	return "nothing serves"
}

// short leaves the registry and the folders out.
func short(image string) string {
	if at := strings.Index(image, "@"); at > 0 {
		image = image[:min(len(image), at+15)]
	}
	return image[strings.LastIndex(image, "/")+1:]
}

// ended says what became of an earlier commit of an app that was pending when a
// newer one came, from what history has of its generation.
func ended(w Written, history []reconcile.Rollout, newer string) (State, string) {
	for _, r := range history { // newest first
		if r.Generation != w.Generation || r.Trigger == reconcile.TriggerUndo {
			continue
		}
		switch r.Result {
		case reconcile.Succeeded, reconcile.Adopted:
			return Success, "served " + short(r.Revision.Image.Ref)
		case reconcile.RolledBack, reconcile.Failed:
			if r.Failure != nil {
				return Failure, fmt.Sprintf("%s: %s", r.Failure.Reason, r.Failure.Message)
			}
			return Failure, "taken back"
		case reconcile.Superseded:
		}
		break
	}
	if newer == "" {
		return Superseded, "no longer wanted"
	}
	return Superseded, "superseded by " + newer
}
