// Command worker runs Parley's worker: it finds conversations, runs each as a
// Temporal workflow, and lets an executor answer for your agent. `worker --help`
// says how.
package main

import (
	"context"
	"os"

	"github.com/parley-run/parley/internal/process"
)

func main() {
	process.Main("worker", func(ctx context.Context) int { return run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr) })
}
