// Package release pins the programs that make a release, in a module of their own:
// goreleaser, which reads .goreleaser.yaml, and cyclonedx-gomod, which lists what a program
// is made of. "make release-check" builds them.
package release
