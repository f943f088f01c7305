//go:build !unix

package server

import "io"

// lockPort does nothing here: two devservers that start at the same moment with
// the same address may meet on one port, and the later one ends with an error.
func lockPort(int) (io.Closer, error) { return noClaim{}, nil }
