// Package command is an executor that runs an agent of your own as a program, in
// any language: one JSON object a line on its standard input, one or more lines of
// JSON on its standard output. The contract is package wire's and described in
// docs/executors/command.md.
//
// A pool keeps programs running. Each gets one request at a time, or several with
// different ids. No shell is involved, and a program sees only the environment
// variables that are configured. Its standard error goes to the log. Stopping a
// program stops its process group.
package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strconv"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/wire"
	"github.com/parley-run/parley/internal/program"
)

// An Executor runs one program. Create it with [New], and close it.
type Executor struct {
	cfg     Config // without its secrets
	name    string // of the program
	pool    *pool
	lines   *program.LineLog // of all its processes
	failure wire.Failure
}

var (
	_ executors.Executor = (*Executor)(nil)
	_ executors.Checker  = (*Executor)(nil)
	_ executors.Toolless = (*Executor)(nil)
	_ io.Closer          = (*Executor)(nil)
)

// New validates the configuration and reports all faults at once. It starts no
// program: the first request does, or Check with a handshake.
func New(cfg Config) (*Executor, error) {
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("command: %w", err)
	}
	cfg = cfg.withDefaults()
	name := filepath.Base(cfg.Command[0])
	environment := program.Environment(cfg.PassEnv, cfg.Env, cfg.LookupEnv)
	secrets := newSecrets(cfg)
	logger := cfg.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	e := &Executor{
		name:    name,
		failure: wire.Failure{Op: "command: ask " + strconv.Quote(name), Clean: secrets.clean, Remedies: remedies},
	}
	logger = logger.With("program", name)
	e.lines = program.NewLineLog(logger)
	cfg.Env, cfg.LookupEnv, cfg.Logger = nil, nil, nil
	e.cfg = cfg
	e.pool = newPool(cfg, func() (*process, error) {
		return startProcess(cfg, environment(), logger, e.lines, secrets)
	})
	return e, nil
}

// String names the program.
func (e *Executor) String() string { return "program " + e.name }

// Toolless reports that the agent has tools of its own.
func (*Executor) Toolless() bool { return true }

// Execute gets the answer of a program of the pool. The timers start when one is
// free.
func (e *Executor) Execute(ctx context.Context, req executors.Request) (executors.Result, error) {
	if ctx.Err() != nil {
		return executors.Result{}, e.stopped(ctx)
	}
	p, err := e.pool.acquire(ctx)
	if err != nil {
		return executors.Result{}, e.failed(ctx, err)
	}
	defer e.pool.release(p)
	if err := p.awaitReady(ctx); err != nil {
		return executors.Result{}, e.failed(ctx, err)
	}

	ctx, watch := e.cfg.timers().Watch(ctx, e.cfg.Stream)
	defer watch.Stop()
	answer := &wire.Answer{
		MaxReplyBytes: e.cfg.MaxReplyBytes, Provider: e.cfg.Provider, Model: e.cfg.Model,
		OnDelta: req.OnDelta, OnAttach: req.OnAttach,
	}
	out := wire.NewRequest(req, e.cfg.Send)
	out.ID, out.Attach = e.pool.nextID(), req.Attach
	sent, err := p.ask(ctx, out, func(f wire.Frame) error {
		watch.Alive(f.Final() || f.Delta != nil)
		return answer.Add(f)
	})
	var res executors.Result
	if err == nil {
		res, err = answer.Result()
	}
	if err != nil {
		err := e.failed(ctx, err)
		if sent {
			err.Usage = answer.Usage()
		}
		return executors.Result{}, err
	}
	return res, nil
}

// ask sends the request and reads the answer frame by frame. After a failure the
// program receives a cancel request, or is stopped if that is impossible: it must not continue
// a call without a reader, and the rest of an answer must not count as the next.
// Sent reports whether the program has the request.
func (p *process) ask(ctx context.Context, req wire.Request, take func(wire.Frame) error) (sent bool, err error) {
	line, err := json.Marshal(req)
	if err != nil {
		return false, fmt.Errorf("%w: %w", errRequest, err)
	}
	c := p.expect(req.ID)
	defer p.forget(c)
	if err := p.write(ctx, line); err != nil {
		return false, err
	}
	for {
		select {
		case f := <-c.frames:
			err := take(f)
			switch {
			case f.Final():
				return true, err
			case err != nil:
				p.abandon(ctx, c, err)
				return true, err
			}
		case <-p.dead:
			return true, p.reason()
		case <-ctx.Done():
			p.abandon(ctx, c, context.Cause(ctx))
			return true, ctx.Err()
		}
	}
}

var errRequest = errors.New("the request cannot be written as JSON")

// Close stops the programs and returns when they have exited.
func (e *Executor) Close() error {
	e.pool.close()
	e.lines.Close()
	return nil
}

// remedies name the settings to check.
var remedies = map[conversation.Kind]string{
	conversation.Unauthorized:   "check env and pass_env: the program was turned down with what it got there",
	conversation.QuotaExhausted: "add credit or raise the limit where the program gets its answers",
	conversation.ContextTooLong: "have the program shorten what it sends its model, or send: new",
	conversation.Invalid:        "check the program: it answers with JSON lines, and logs to standard error only",
}
