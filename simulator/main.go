// Command simulator is a practice partner for agents: a OneRun-compatible platform in
// one process, with personas of its own. `simulator --help` lists its flags; package sim
// is the same for programs and tests.
package main

import (
	"context"
	"os"

	"github.com/parley-run/parley/internal/interrupt"
)

func main() {
	ctx, _ := interrupt.Context(context.Background())
	os.Exit(run(ctx, os.Args[1:], os.LookupEnv, os.Stdout, os.Stderr))
}
