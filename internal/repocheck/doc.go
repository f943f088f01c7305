// Package repocheck has no code, only tests about the repository itself: that
// what the documents tell people to run exists, and that the container's build gets
// the folders it needs. That imports point one way is for the linter (linters/analyze).
package repocheck
