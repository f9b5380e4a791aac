// Package git is a source whose desired states lie in a git repository: it asks
// the server for one ref, fetches what is new of the folders of interest, and
// hands out every project it finds there.
//
// It promises that every commit is written into a folder of its own, whole or
// not at all, and loaded from there, so that what is accepted cannot change
// under anybody's hands; that nothing of the repository is executed or followed
// (no hooks, filters, submodules, symbolic links); that a failed, cut or hanging
// fetch changes nothing and holds nobody else up; that history which was
// rewritten, or a ref that is gone, is reported and not followed unless that is
// allowed; and that a restart without a network goes on with the last commit.
//
// A poll is one small request made by this process. Fetching is done by the
// system's git, or by a library where there is no such program.
package git
