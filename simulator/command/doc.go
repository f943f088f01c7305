// Package command is the program simulator: its flags, its help and its run. Two commands
// are made of it, simulator and cmd/parley-simulator, so that "go install" can install it
// under either name. It is not for other programs.
package command

import (
	"context"
	"os"

	"github.com/parley-run/parley/internal/interrupt"
)

// Main runs the program with the arguments and the environment of this process, and ends
// the process.
func Main() {
	ctx, _ := interrupt.Context(context.Background())
	os.Exit(run(ctx, os.Args[1:], os.LookupEnv, os.Stdout, os.Stderr))
}
