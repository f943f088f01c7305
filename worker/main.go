// Command worker runs Parley's worker: it finds conversations, keeps each in a
// Temporal workflow, and has an executor speak for your agent. `worker --help`
// says how.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/parley-run/parley/internal/program"
)

func main() {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	ctx := untilSignal(context.Background(), signals, func(code int) {
		program.KillAll()
		os.Exit(code)
	})
	os.Exit(run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

// untilSignal returns a context that the first signal ends, so that everything
// can end in order. The second signal exits at once.
func untilSignal(ctx context.Context, signals <-chan os.Signal, exit func(code int)) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		<-signals
		cancel()
		exit(exitCodeOf(<-signals))
	}()
	return ctx
}

// exitCodeOf is what shells expect of a process that a signal ended.
func exitCodeOf(s os.Signal) int {
	if number, ok := s.(syscall.Signal); ok {
		return 128 + int(number)
	}
	return 1
}
