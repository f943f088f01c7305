package scripted

import "github.com/parley-run/parley/executors"

// Defaults are the executors that there are where none are configured.
func Defaults() []executors.Default {
	return []executors.Default{{Name: "scripted", Type: "scripted"}}
}
