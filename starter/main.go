// Command starter starts, watches and controls Parley's conversations. `starter --help`
// lists its commands; docs/starter.md is the reference.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/parley-run/parley/internal/interrupt"
	"github.com/parley-run/parley/internal/process/private"
)

func main() {
	// Programs of executors and tools run as the same user.
	if err := private.Keep(); err != nil {
		_, _ = fmt.Fprintf(os.Stderr, "starter: other programs of this user can read its environment: %v\n", err)
	}
	ctx, _ := interrupt.Context(context.Background())
	os.Exit(run(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}
