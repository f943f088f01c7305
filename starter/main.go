// Command starter starts, watches and steers Parley's conversations. `starter
// --help` says how; docs/starter.md is the reference.
package main

import (
	"context"
	"os"

	"github.com/parley-run/parley/internal/interrupt"
)

func main() {
	ctx, _ := interrupt.Context(context.Background())
	os.Exit(run(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}
