package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"syscall"
	"time"

	"github.com/parley-run/parley/internal/manual"
	"github.com/parley-run/parley/internal/printable"
	"github.com/parley-run/parley/internal/sim"
	"github.com/parley-run/parley/internal/version"
)

// Exit codes, as the help says.
const (
	codeOK     = 0
	codeFailed = 1
	codeUsage  = 2
)

// grace is the time that open calls have when the simulator stops.
const grace = 5 * time.Second

// run is the whole command. It returns the exit code.
func run(ctx context.Context, args []string, lookup func(string) (string, bool), stdout, stderr io.Writer) int {
	stderr = printable.Writer(stderr)
	if handled, err := writeManual(args, stdout, stderr); handled {
		if err != nil {
			return fail(stderr, codeUsage, err)
		}
		return codeOK
	}
	f, err := parseFlags(args, lookup)
	switch {
	case err != nil:
		return fail(stderr, codeUsage, err)
	case f.help:
		fmt.Fprint(stdout, manual.Renamed(help, "simulator", manual.Called("simulator")))
		return codeOK
	case f.version:
		fmt.Fprintln(stdout, version.Line(manual.Called("simulator")))
		return codeOK
	}
	cfg, err := f.config()
	if err != nil {
		return fail(stderr, codeUsage, err)
	}
	if f, err = f.withKey(stdout); err != nil {
		return fail(stderr, codeUsage, err)
	}
	if f.printEnv {
		if err := printEnv(ctx, f, stdout); err != nil {
			return fail(stderr, codeFailed, err)
		}
		return codeOK
	}
	cfg.APIKey = f.apiKey
	var level slog.Level
	_ = level.UnmarshalText([]byte(f.logLevel)) // config has checked it
	cfg.Logger = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))
	// The port comes first: two simulators must not share a state file.
	listener, err := listen(ctx, f.addr, f.nextFreePort)
	if err != nil {
		return fail(stderr, codeFailed, err)
	}
	s, err := sim.New(cfg)
	if err != nil {
		_ = listener.Close()
		return fail(stderr, codeUsage, err)
	}
	if err := serve(ctx, s, f, listener, stdout, stderr); err != nil {
		return fail(stderr, codeFailed, err)
	}
	return codeOK
}

// writeManual writes man pages and completion, if args ask for them.
func writeManual(args []string, stdout, stderr io.Writer) (handled bool, err error) {
	const name = manual.Prefix + "simulator"
	var f flags
	return manual.Program{
		Name: name, Title: "a practice partner for AI agents", Help: manual.Renamed(help, "simulator", name), Flags: f.register(),
	}.Run(args, stdout, stderr)
}

func fail(stderr io.Writer, code int, err error) int {
	fmt.Fprintf(stderr, "simulator: %v\n", err)
	return code
}

// listen opens the address, or with next the first of a hundred ports from it
// that is free.
func listen(ctx context.Context, addr string, next bool) (net.Listener, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	first, err := net.DefaultResolver.LookupPort(ctx, "tcp", port)
	if err != nil {
		return nil, err
	}
	for p := first; ; p++ {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(p)))
		if err == nil {
			return l, nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			return nil, err
		}
		if !next {
			return nil, fmt.Errorf("%w; use --next-free-port or another --addr", err)
		}
		if p >= min(first+99, 65535) {
			return nil, fmt.Errorf("%w, and so are the ports before it down to %d", err, first)
		}
	}
}

// serve runs until ctx is done, the server fails, or with --exit all conversations have
// ended.
func serve(ctx context.Context, s *sim.Simulator, f flags, listener net.Listener, stdout, stderr io.Writer) (err error) {
	defer func() { err = errors.Join(err, s.Close()) }()
	setup := sim.Setup{
		Simulations: f.simulations, Conversations: f.conversations, MaxTurns: f.maxTurns, Reuse: true, NoSimulations: f.conversations == 0,
	}
	seeded, err := s.Seed(ctx, setup)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	server := s.Server()
	server.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(stderr, nil), slog.LevelWarn)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()

	url := baseURL(listener.Addr())
	if err := f.tellEnv(stdout, environment{url, f.apiKey, seeded.ProjectID, seeded.AgentID}); err != nil {
		return errors.Join(err, server.Close())
	}
	greet(stderr, url, f, s, seeded)

	var finished <-chan struct{} // nil: never
	if f.exitWhenDone {
		finished = s.Done()
	}
	select {
	case <-ctx.Done():
	case <-finished:
	case err := <-failed:
		return err
	}
	shutCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if server.Shutdown(shutCtx) != nil {
		// Some calls still think. Close interrupts them; every answered change is kept.
		_ = s.Close()
		_ = server.Close()
	}
	farewell(stderr, s.Report())
	return nil
}
