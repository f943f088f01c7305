// Command prepare compiles, with visible progress, what would otherwise be
// compiled silently or in the middle of a test:
//
//	go run ./internal/localstack/prepare                       the devserver, into the user's cache
//	go run ./internal/localstack/prepare devserver             the same, and prints its file
//	go run ./internal/localstack/prepare ./worker bin/worker   a program of this module
//
// Without arguments the devserver is left alone if the Temporal CLI is on PATH.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/parley-run/parley/internal/localstack/build"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "prepare:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	tell := worthTelling(build.Lines(os.Stderr, 5*time.Second, time.Now))
	switch len(args) {
	case 0:
		if _, err := exec.LookPath("temporal"); err == nil {
			return nil
		}
		_, _, err := build.Cache{OnProgress: tell}.Devserver(ctx)
		return err
	case 1:
		if args[0] != "devserver" {
			return errUsage
		}
		binary, _, err := build.Cache{OnProgress: tell}.Devserver(ctx)
		if err != nil {
			return err
		}
		_, err = fmt.Println(binary)
		return err
	case 2:
		out, err := filepath.Abs(args[1])
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
			return err
		}
		return build.Program(ctx, filepath.Base(out), ".", args[0], out, tell)
	default:
		return errUsage
	}
}

var errUsage = errors.New("usage: prepare [devserver | PACKAGE FILE]")

// worthTelling drops the progress of steps that take no time.
func worthTelling(tell func(build.Progress)) func(build.Progress) {
	return func(p build.Progress) {
		if p.Elapsed >= time.Second && (p.Step != build.StepBuilt || p.Elapsed >= 5*time.Second) {
			tell(p)
		}
	}
}
