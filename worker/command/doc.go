// Package command is the program worker: its flags, its help and its run. Two commands are
// made of it, worker and cmd/parley-worker, so that "go install" can install it under either
// name. It is not for other programs: they embed a worker with package parley.
package command

import (
	"context"
	"os"

	"github.com/parley-run/parley/internal/process"
)

// Main runs the program with the arguments and the environment of this process, and ends
// the process.
func Main() {
	process.Main("worker", func(ctx context.Context) int { return run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr) })
}
