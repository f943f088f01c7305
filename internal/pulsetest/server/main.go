// Command server runs the stand-in of package pulsetest, to try Parley's scheduled runs
// without a Pulse. It keeps nothing on disk unless it is given a file.
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
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/parley-run/parley/internal/pulsetest"
	"github.com/parley-run/parley/platforms/pulse"
)

const help = `A stand-in for RunAgent Pulse, to try Parley out. Nothing is kept on disk without --state.

    $ go run ./internal/pulsetest/server
    $ curl -H 'Content-Type: application/json' http://127.0.0.1:8000/tasks/schedule -d '{
        "schedule_type": "run_agent", "when": {"type": "once", "delay": "5s"},
        "payload": {"agent_id": "a-1", "entrypoint_tag": "main", "params": {"topic": "tides"}}}'

API_KEY in the environment is the key that callers must send as a bearer token;
without it none is checked.

`

// grace is the time that open requests have when the server stops.
const grace = 5 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr))
}

// run is the whole command. It returns the exit code.
func run(ctx context.Context, args []string, env func(string) string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("server", flag.ContinueOnError)
	flags.SetOutput(stderr)
	addr := flags.String("addr", "127.0.0.1:8000", "the address to listen on")
	stage := flags.String("stage", string(pulse.StageC), "the stage of Pulse: A, A2, B or C")
	builtIn := flags.Bool("built-in", false, "run Pulse's own worker too, which competes for run_agent and execute_agent")
	state := flags.String("state", "", "a file that keeps the tasks, claims and acknowledgements (default: memory)")
	flags.Usage = func() {
		fmt.Fprint(stderr, help)
		flags.PrintDefaults()
	}
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case flags.NArg() > 0:
		fmt.Fprintf(stderr, "server: %q is no flag: see --help\n", flags.Arg(0))
		return 2
	case !slices.Contains([]pulse.Stage{pulse.StageA, pulse.StageA2, pulse.StageB, pulse.StageC}, pulse.Stage(*stage)):
		fmt.Fprintf(stderr, "server: --stage is %q: use A, A2, B or C\n", *stage)
		return 2
	}
	stand, err := open(pulsetest.Config{Stage: pulse.Stage(*stage), Key: env("API_KEY"), BuiltIn: *builtIn}, *state)
	if err != nil {
		fmt.Fprintf(stderr, "server: %v\n", err)
		return 1
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", *addr)
	if err != nil {
		fmt.Fprintf(stderr, "server: %v: choose another --addr\n", err)
		return 1
	}
	fmt.Fprintf(stdout, "a stand-in for Pulse, stage %s, listens on http://%s\n", *stage, listener.Addr())
	if err := serve(ctx, listener, stand); err != nil {
		fmt.Fprintf(stderr, "server: %v\n", err)
		return 1
	}
	return 0
}

func open(cfg pulsetest.Config, state string) (*pulsetest.Server, error) {
	if state == "" {
		return pulsetest.New(cfg), nil
	}
	return pulsetest.Open(cfg, state)
}

// serve serves until ctx is done.
func serve(ctx context.Context, listener net.Listener, stand *pulsetest.Server) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	server := &http.Server{Handler: stand, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: pulsetest.IdleTimeout}
	var background sync.WaitGroup
	background.Go(func() { stand.Run(ctx) })
	background.Go(func() {
		<-ctx.Done()
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		_ = server.Shutdown(limited)
	})
	err := server.Serve(listener)
	cancel()
	background.Wait()
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
