// Package build compiles programs with visible progress, and the devserver into
// the user's cache, once for all who need it. It imports nothing but the standard
// library, so that it is itself compiled in seconds: progress begins at once,
// even on a machine that has compiled nothing yet.
package build
