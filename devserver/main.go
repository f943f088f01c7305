// Command devserver runs a Temporal server and its web UI in one process, for
// demonstrations and tests on one machine. Run it with --help.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"github.com/parley-run/parley/devserver/server"
)

// stopTimeout bounds an orderly stop; after it the process exits.
const stopTimeout = 2 * time.Second

func main() {
	// Stdout carries one line for a program to read. Libraries that print there
	// get stderr instead.
	stdout := os.Stdout
	os.Stdout = os.Stderr

	// The server allocates much and keeps little: fewer collections save it a tenth
	// of its time.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(200)
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second signal kills
	os.Exit(exitCode(run(ctx, os.Args[1:], os.Stdin, stdout, os.Stderr), os.Stderr))
}

func exitCode(err error, stderr io.Writer) int {
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "devserver: %v\nTry 'devserver --help'.\n", err)
		return 2
	}
	fmt.Fprintf(stderr, "devserver: %v\n", err)
	return 1
}

// A readyLine is the process's output once it is ready.
type readyLine struct {
	Address   string `json:"address"`
	UIURL     string `json:"ui_url"`
	Namespace string `json:"namespace"`
	PID       int    `json:"pid"`
}

// run starts a server and keeps it until ctx is done or, with exit-with-stdin, stdin
// ends.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	opts, err := parseFlags(args)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		_, err = io.WriteString(stdout, help)
		return err
	case err != nil:
		return err
	case opts.version:
		_, err = fmt.Fprintln(stdout, version())
		return err
	}

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if opts.exitWithStdin {
		go func() {
			_, _ = io.Copy(io.Discard, stdin) // an error counts as the end
			cancel()
		}()
	}
	level := &slog.LevelVar{}
	level.Set(opts.logLevel)
	opts.server.Logger = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))

	srv, err := server.Start(ctx, opts.server)
	if err != nil {
		if ctx.Err() != nil {
			return nil // stopped before it was ready
		}
		return err
	}
	line, err := json.Marshal(readyLine{srv.Address, srv.UIURL, opts.server.Namespaces[0], os.Getpid()})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(stdout, "%s\n", line); err != nil {
		return err
	}

	<-ctx.Done()
	// During a stop the services warn about each other.
	level.Set(max(opts.logLevel, slog.LevelError+1))
	stopCtx, cancelStop := context.WithTimeout(context.Background(), stopTimeout)
	defer cancelStop()
	if err := srv.Stop(stopCtx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}
