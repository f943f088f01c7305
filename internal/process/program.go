package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/internal/connect"
	"github.com/parley-run/parley/internal/interrupt"
	"github.com/parley-run/parley/internal/joined"
	"github.com/parley-run/parley/internal/printable"
	"github.com/parley-run/parley/internal/process/private"
)

// Main runs f as the whole of a program and exits with what it returns. Before f, it
// keeps other programs of the same user, which executors and tools start, from
// reading the environment and the memory of this process. The first SIGINT or SIGTERM
// ends f's context; the second exits at once, with 128 plus its number.
func Main(name string, f func(ctx context.Context) (code int)) {
	if err := private.Keep(); err != nil {
		_, _ = fmt.Fprintf(os.Stderr, "%s: other programs of this user can read its environment: %v\n", name, err)
	}
	ctx, _ := interrupt.Context(context.Background())
	os.Exit(f(ctx))
}

// End writes why a program ends, a line for each fault, and returns its exit code.
func End(stderr io.Writer, name string, err error) int {
	if err != nil {
		Report(stderr, name, err)
	}
	return ExitCode(err)
}

// Report writes an error, a line for each fault in it.
func Report(stderr io.Writer, name string, err error) {
	stderr = printable.Writer(stderr)
	faults := joined.Errors(err)
	if len(faults) == 1 {
		_, _ = fmt.Fprintf(stderr, "%s: %v\n", name, err)
		return
	}
	_, _ = fmt.Fprintf(stderr, "%s: %d faults:\n", name, len(faults))
	for _, fault := range faults {
		_, _ = fmt.Fprintf(stderr, "  %s\n", strings.ReplaceAll(fault.Error(), "\n", "\n  "))
	}
}

// The exit codes of a worker.
const (
	ExitOK     = 0
	ExitFailed = 1 // starting again may help
	ExitUsage  = 2 // it will not: command line or configuration must change
	ExitReplay = 3 // it will not: the build cannot continue open workflows
)

// ExitCode is what a process should end with after err.
func ExitCode(err error) int {
	var faults config.Faults
	var replay *ReplayError
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &replay):
		return ExitReplay
	case errors.As(err, &faults), errors.Is(err, connect.ErrConfig), errors.Is(err, errOptions):
		return ExitUsage
	default:
		return ExitFailed
	}
}
