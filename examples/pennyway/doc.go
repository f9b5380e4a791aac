// Package pennyway holds an example: an API with a database and a cache, on one
// or two app hosts behind an nginx on a bastion, before and after Teal. README.md
// tells how it is used; the tests run all of it on real engines.
package pennyway
