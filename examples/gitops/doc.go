// Package gitops is a desired state that lies in a git repository, and the
// controller's settings that pull it. Its test walks the way of README.md with
// real git servers and real traffic.
package gitops
