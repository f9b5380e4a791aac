// Package commitstatus writes back to GitHub, GitLab and Gitea what became of a
// commit: whether the apps that it changed are being rolled out, serve, or were
// taken back.
//
// It promises:
//
//   - What is written is derived from the records, again and again: after a kill
//     at any moment the right last status is written. What was written is kept in
//     a file, so that a restart writes nothing twice.
//   - A rollout that was taken back, is held or was undone is a failure, and so is
//     a file that was refused. A commit whose rollout a newer one ended says so.
//   - A status that is final is replaced only by what a person did: an undo, a
//     retry. A container that restarts is no news of a commit.
//   - A host is asked so often as it allows, and left alone while it refuses; one
//     event says so.
//   - Tokens are in no log, event or error.
package commitstatus
