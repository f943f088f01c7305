// Command engine is a practice iii engine on this machine, to try a worker without
// a real one:
//
//	go run ./internal/iiitest/engine
//	go run ./internal/iiitest/engine -addr 127.0.0.1:49134 -era E
//	go run ./internal/iiitest/engine -http 127.0.0.1:3111 # serves http triggers too
//
// It prints every message. Everything it keeps is gone when it ends.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/parley-run/parley/iii"
	"github.com/parley-run/parley/internal/iiitest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "engine:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("engine", flag.ContinueOnError)
	flags.SetOutput(stderr)
	addr := flags.String("addr", "127.0.0.1:49134", "address to listen on")
	era := flags.String("era", "C", "behave as engines of this era, A to F: 0.6, 0.9, 0.11, 0.21, 0.23, 0.25")
	httpAddr := flags.String("http", "", "address to serve http triggers at; an engine's is port 3111")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	if len(*era) != 1 || !strings.Contains("ABCDEF", *era) {
		return fmt.Errorf("-era %q: must be one of A to F", *era)
	}
	e := iiitest.New(iiitest.Options{Addr: *addr, Era: iii.Era((*era)[0]), Getenv: getenv})
	if err := e.Start(); err != nil {
		return err
	}
	defer e.Stop()
	fmt.Fprintf(stdout, "practice iii engine of era %s at %s\n", *era, e.URL())
	if *httpAddr != "" {
		listener, err := net.Listen("tcp", *httpAddr)
		if err != nil {
			return err
		}
		server := &http.Server{Handler: e.HTTPHandler(), ReadHeaderTimeout: 10 * time.Second}
		defer func() { _ = server.Close() }()
		go func() { _ = server.Serve(listener) }()
		fmt.Fprintf(stdout, "http triggers at http://%s\n", listener.Addr())
	}
	shown, faults := 0, 0
	err := e.Wait(ctx, func() bool {
		frames := e.Frames()
		for _, f := range frames[shown:] {
			arrow := "<-"
			if f.FromWorker {
				arrow = "->"
			}
			fmt.Fprintf(stdout, "%.8s %s %s\n", f.WorkerID, arrow, f.Raw)
		}
		shown = len(frames)
		for _, fault := range e.Faults()[faults:] {
			fmt.Fprintln(stderr, fault)
			faults++
		}
		return false
	})
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
