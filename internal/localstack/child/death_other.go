//go:build unix && !linux

package child

import "syscall"

// dieWithParent can be had on Linux only. Elsewhere a program that does not watch
// its standard input may outlive a parent that is killed.
func dieWithParent(*syscall.SysProcAttr) {}
