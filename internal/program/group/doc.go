// Package group starts and ends programs in a process group of their own, so that their
// children end with them, on each operating system.
package group
