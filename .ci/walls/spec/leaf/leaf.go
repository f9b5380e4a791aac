// Package leaf is imported by the faults.
package leaf

// Name names it.
const Name = "leaf"
