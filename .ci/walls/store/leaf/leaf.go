// Package leaf is imported by the faults.
package leaf
