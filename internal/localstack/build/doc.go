// Package build compiles programs with visible progress, and the devserver into the
// user's cache, once for all its users. It imports only the standard library, so that it
// is itself compiled in seconds: progress begins at once, even on a machine with an
// empty build cache.
package build
