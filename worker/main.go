// Command worker runs Parley's worker: it finds conversations, keeps each in a
// Temporal workflow, and has an executor speak for your agent. `worker --help`
// says how.
package main

import (
	"context"
	"os"

	"github.com/parley-run/parley/internal/interrupt"
)

func main() {
	ctx, _ := interrupt.Context(context.Background())
	os.Exit(run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}
