// Command worker runs Parley's worker: it finds conversations, keeps each in a
// Temporal workflow, and has an executor speak for your agent. `worker --help`
// says how.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/parley-run/parley/internal/interrupt"
	"github.com/parley-run/parley/internal/process/private"
)

func main() {
	// Programs that speak for agents, or are tools, run as the same user.
	if err := private.Keep(); err != nil {
		_, _ = fmt.Fprintf(os.Stderr, "worker: other programs of this user can read its environment: %v\n", err)
	}
	ctx, _ := interrupt.Context(context.Background())
	os.Exit(run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}
