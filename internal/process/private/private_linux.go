package private

import "golang.org/x/sys/unix"

// Keep has the kernel refuse this process's environment, memory and core dumps to
// every program that is not root's, the programs that it starts included. The setting
// does not pass to those. It reports whether that worked.
func Keep() error { return unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) }
