// Package interrupt handles the signals of every program here: the first SIGINT or
// SIGTERM begins an orderly stop, the second ends the process at once.
package interrupt

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"

	"github.com/parley-run/parley/internal/program"
)

// A Signal is the cause of a context that a signal ended.
type Signal struct{ Number syscall.Signal }

func (s Signal) Error() string { return "stopped by signal: " + s.Number.String() }

// Context returns a context that the first SIGINT or SIGTERM ends. The second kills
// the programs that this process started and exits with 128 plus its number, as
// shells expect. release restores the usual effect of signals.
func Context(parent context.Context) (ctx context.Context, release func()) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	ctx = until(parent, signals, func(code int) {
		program.KillAll()
		os.Exit(code)
	})
	return ctx, func() { signal.Stop(signals) }
}

func until(parent context.Context, signals <-chan os.Signal, exit func(code int)) context.Context {
	ctx, cancel := context.WithCancelCause(parent)
	go func() {
		cancel(Signal{numberOf(<-signals)})
		exit(codeOf(numberOf(<-signals)))
	}()
	return ctx
}

// Code is 128 plus the number of the signal that ended ctx, or 130, which is that
// of Ctrl-C, if something else did. Zero: ctx has not ended.
func Code(ctx context.Context) int {
	if ctx.Err() == nil {
		return 0
	}
	var s Signal
	if errors.As(context.Cause(ctx), &s) {
		return codeOf(s.Number)
	}
	return codeOf(syscall.SIGINT)
}

func codeOf(number syscall.Signal) int { return 128 + int(number) }

func numberOf(s os.Signal) syscall.Signal {
	if number, ok := s.(syscall.Signal); ok {
		return number
	}
	return syscall.SIGINT
}
