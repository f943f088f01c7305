package assemble

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/internal/joined"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/secret"
	"github.com/parley-run/parley/tools"
)

// keyRecheck is after how long a step is tried again by itself that a refused key from a
// file has stopped.
const keyRecheck = time.Minute

// A rotation replaces a backend by one with new keys when the files with its keys
// change. Every call uses the backend that is current at its beginning. One that is
// replaced is closed after its last call.
type rotation[T any] struct {
	what   string // "platform main"
	log    *slog.Logger
	watch  *secret.Watch
	remake func(config.Settings) (T, error)
	from   config.Settings

	mu      sync.Mutex
	current *generation[T]
	number  uint64 // of replacements
}

type generation[T any] struct {
	backend T
	calls   int
	old     bool
}

// rotate is nil if no setting comes from a file.
func rotate[T any](what string, log *slog.Logger, from config.Settings, first T, remake func(config.Settings) (T, error)) *rotation[T] {
	files := from.Files()
	if len(files) == 0 {
		return nil
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &rotation[T]{
		what: what, log: log, watch: secret.NewWatch(files...), remake: remake, from: from, current: &generation[T]{backend: first},
	}
}

// peek is the current backend, for what asks without calling.
func (r *rotation[T]) peek() T {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.current.backend
}

// use is the backend for one call, which must call done.
func (r *rotation[T]) use() (backend T, done func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.look(false)
	g := r.current
	g.calls++
	return g.backend, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		g.calls--
		r.close(g)
	}
}

// refused reports whether an error says that the key was refused, and the files have
// another one by now, which is current from here on.
func (r *rotation[T]) refused(err error) bool {
	if !slices.ContainsFunc(joined.Errors(err), func(e error) bool { return conversation.KindOf(e) == conversation.Unauthorized }) {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.current
	r.look(true)
	return r.current != before
}

// look takes new keys. It needs mu.
func (r *rotation[T]) look(atOnce bool) {
	changed, err := r.watch.Changed(atOnce)
	if err != nil {
		r.log.Warn("a file with a key cannot be read: the key in use stays", "of", r.what, "error", err)
	}
	if !changed {
		return
	}
	r.watch.Use()
	renewed, err := r.from.Renewed(secret.ReadFile)
	if err == nil {
		var backend T
		if backend, err = r.remake(renewed); err == nil {
			before := r.current
			r.current = &generation[T]{backend: backend}
			before.old = true
			r.number++
			r.close(before)
			r.log.Info("uses the new keys of its files", "of", r.what, "files", r.watch.String())
			return
		}
	}
	r.log.Warn("the new keys cannot be used: those in use stay", "of", r.what, "error", err)
}

// close closes a backend that was replaced and has no call. It needs mu.
func (r *rotation[T]) close(g *generation[T]) {
	if c, ok := any(g.backend).(io.Closer); ok && g.old && g.calls == 0 {
		g.old = false
		go func() { _ = c.Close() }() // a program may take a moment to end
	}
}

// again marks a refused key that comes from a file: the step is tried again by itself.
func again(err error) error {
	if e, ok := err.(*conversation.Error); ok && e.Kind == conversation.Unauthorized && e.RetryAfter == 0 { //nolint:errorlint // only what the backend itself says
		later := *e
		later.RetryAfter = keyRecheck
		return &later
	}
	return err
}

// withKey makes a call, and once more if the key was refused and there is another one.
// A call with a refused key had no effect.
func withKey[T, R any](r *rotation[T], call func(T) (R, error)) (R, error) {
	once := func() (R, error) {
		backend, done := r.use()
		defer done()
		return call(backend)
	}
	result, err := once()
	if r.refused(err) {
		result, err = once()
	}
	return result, again(err)
}

func doWithKey[T any](r *rotation[T], call func(T) error) error {
	_, err := withKey(r, func(backend T) (struct{}, error) { return struct{}{}, call(backend) })
	return err
}

// rotatingExecutor is an executor whose keys are replaced. Powers are those of the current
// one.
type rotatingExecutor struct{ r *rotation[executors.Executor] }

func (e rotatingExecutor) Execute(ctx context.Context, req executors.Request) (executors.Result, error) {
	return withKey(e.r, func(x executors.Executor) (executors.Result, error) { return x.Execute(ctx, req) })
}

func (e rotatingExecutor) Unwrap() executors.Executor { return e.r.peek() }

// Close closes the current one.
func (e rotatingExecutor) Close() error {
	if c, ok := executors.As[io.Closer](e.r.peek()); ok {
		return c.Close()
	}
	return nil
}

// rotatingSet is a set of tools whose keys are replaced.
type rotatingSet struct{ r *rotation[tools.Set] }

func (s rotatingSet) List(ctx context.Context) ([]conversation.Tool, error) {
	return withKey(s.r, func(x tools.Set) ([]conversation.Tool, error) { return x.List(ctx) })
}

func (s rotatingSet) Call(ctx context.Context, call tools.Call) (tools.Result, error) {
	return withKey(s.r, func(x tools.Set) (tools.Result, error) { return x.Call(ctx, call) })
}

// Check implements tools.Checker.
func (s rotatingSet) Check(ctx context.Context) error {
	return doWithKey(s.r, func(x tools.Set) error {
		if c, ok := x.(tools.Checker); ok {
			return c.Check(ctx)
		}
		return nil
	})
}

// Version implements tools.Versioned: a successor's tools are listed anew.
func (s rotatingSet) Version() uint64 {
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	version := s.r.number << 32
	if v, ok := s.r.current.backend.(tools.Versioned); ok {
		version += v.Version()
	}
	return version
}

func (s rotatingSet) Close() error {
	if c, ok := s.r.peek().(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// rotatingBase is what all platforms have whose keys are replaced.
type rotatingBase struct{ r *rotation[platforms.Platform] }

func (p rotatingBase) Unwrap() platforms.Platform { return p.r.peek() }

func (p rotatingBase) Check(ctx context.Context, project, agent string) error {
	return doWithKey(p.r, func(x platforms.Platform) error { return x.Check(ctx, project, agent) })
}

func (p rotatingBase) Assigned(ctx context.Context, project, agent string) ([]platforms.Assignment, error) {
	return withKey(p.r, func(x platforms.Platform) ([]platforms.Assignment, error) {
		source, _ := platforms.As[platforms.Source](x)
		return source.Assigned(ctx, project, agent)
	})
}

func (p rotatingBase) Open(ctx context.Context, project, agent string) ([]platforms.Assignment, error) {
	return withKey(p.r, func(x platforms.Platform) ([]platforms.Assignment, error) {
		source, _ := platforms.As[platforms.Source](x)
		return source.Open(ctx, project, agent)
	})
}
