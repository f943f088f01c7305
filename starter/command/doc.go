// Package command is the program starter: its commands, their flags and their output. Two
// commands are made of it, starter and cmd/parley-starter, so that "go install" can install
// it under either name. It is not for other programs.
package command

import (
	"context"
	"fmt"
	"os"

	"github.com/parley-run/parley/internal/interrupt"
	"github.com/parley-run/parley/internal/process/private"
)

// Main runs the program with the arguments and the environment of this process, and ends
// the process.
func Main() {
	// Programs of executors and tools run as the same user.
	if err := private.Keep(); err != nil {
		_, _ = fmt.Fprintf(os.Stderr, "starter: other programs of this user can read its environment: %v\n", err)
	}
	ctx, _ := interrupt.Context(context.Background())
	os.Exit(run(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}
