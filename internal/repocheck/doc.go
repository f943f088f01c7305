// Package repocheck has no code, only tests about the repository itself: that
// what the documents tell people to run exists, that imports point one way, and
// that the container's build gets the folders it needs.
package repocheck
