// Package breaker is a wrapper that leaves an agent alone whose key is bad or whose
// account is empty, for the tasks that name it. A platform of tasks schedules runs of
// any number of agents: what stops is the agent that fails, neither its executor nor
// the platform's inbox.
//
// A task that fails with kind Unauthorized or QuotaExhausted opens the breaker of its
// executor, agent and address. While it is open, further tasks for the same agent fail
// at once with that reason, or wait, by [Config].WhileOpen. After [Config].OpenFor one
// task is let through to try: it closes the breaker, or opens it anew. Requests without
// a task pass. What is known is known to this process.
package breaker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/failover"
	"github.com/parley-run/parley/internal/printable"
	"github.com/parley-run/parley/internal/settings"
)

// DefaultOpenFor is how long an agent is blocked unless the configuration says
// otherwise.
const DefaultOpenFor = time.Minute

// maxOpenFor is below what a conversation waits for before it parks.
const maxOpenFor = 5 * time.Minute

// maxAgents bounds how many agents are blocked at once: tasks name them.
const maxAgents = 1000

// What tasks do while the breaker of their agent is open.
const (
	Fail = "fail" // at once, with the reason
	Wait = "wait" // for the agent's next try, as long as the task's time allows
)

// Config says how long an agent is blocked.
type Config struct {
	// OpenFor is how long, up to 5 minutes. Default: [DefaultOpenFor].
	OpenFor time.Duration `yaml:"open_for"`
	// WhileOpen is what tasks for the agent do meanwhile: [Fail] or [Wait]. Default:
	// Fail.
	WhileOpen string `yaml:"while_open"`

	// Name is the executor's, for logs and metrics.
	Name string `yaml:"-"`
	// Logger logs when an agent is blocked and when it works again. Nil: silent.
	Logger *slog.Logger `yaml:"-"`
	// Observer observes, as of a provider "tasks of <name>", whether any agent is left
	// alone. Nil: none.
	Observer failover.Observer `yaml:"-"`
}

// Check reports every fault of the configuration at once.
func Check(c Config) error {
	var f settings.Faults
	if c.OpenFor < 0 || c.OpenFor > maxOpenFor {
		f.Add("open_for", fmt.Sprintf("write more than 0 and at most %v, or leave it out", maxOpenFor), "is %v", c.OpenFor)
	}
	settings.OneOf(&f, "while_open", c.WhileOpen, Fail, Wait)
	return f.Err()
}

// An Executor is one with breakers. Create it with [New].
type Executor struct {
	next executors.Executor
	cfg  Config

	mu   sync.Mutex
	open map[agent]*state
}

// An agent is what a breaker is for.
type agent struct {
	id, host string
	port     int
	local    bool
}

// state is an open breaker.
type state struct {
	reason *conversation.Error
	until  time.Time
	trying bool
}

var _ executors.Executor = (*Executor)(nil)

// New returns next with breakers for the agents that tasks name.
func New(next executors.Executor, cfg Config) (*Executor, error) {
	if err := Check(cfg); err != nil {
		return nil, fmt.Errorf("task_breaker: %w", err)
	}
	cfg.OpenFor, cfg.WhileOpen = cmp.Or(cfg.OpenFor, DefaultOpenFor), cmp.Or(cfg.WhileOpen, Fail)
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Executor{next: next, cfg: cfg, open: make(map[agent]*state)}, nil
}

// Execute passes the request on unless its agent is blocked.
func (e *Executor) Execute(ctx context.Context, req executors.Request) (executors.Result, error) {
	of, ok := agentOf(req)
	if !ok {
		return e.next.Execute(ctx, req)
	}
	trying, refused := e.enter(of)
	if refused != nil {
		return executors.Result{}, refused
	}
	settled := false
	defer func() {
		if !settled { // it panicked
			e.leave(of, trying, context.Canceled)
		}
	}()
	result, err := e.next.Execute(ctx, req)
	settled = true
	e.leave(of, trying, err)
	return result, err
}

// agentOf is the agent that a task names. A task that cannot be read, or names none,
// runs the executor's own.
func agentOf(req executors.Request) (agent, bool) {
	if req.Task == nil {
		return agent{}, false
	}
	run, err := req.Task.Run()
	if err != nil {
		return agent{}, false
	}
	return agent{id: run.AgentID, host: run.Host, port: run.Port, local: run.Local != nil && *run.Local}, true
}

// enter lets a request through, as a try where the breaker has been open for long
// enough, or says why not.
func (e *Executor) enter(of agent) (trying bool, refused error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.open[of]
	if s == nil {
		return false, nil
	}
	left := time.Until(s.until)
	if left <= 0 && !s.trying {
		s.trying = true
		return true, nil
	}
	out := *s.reason
	out.Usage, out.Ambiguous, out.Answered, out.RetryAfter = conversation.Usage{}, false, false, 0
	out.Op = fmt.Sprintf("executor %q", e.cfg.Name)
	out.Err = fmt.Errorf("%s is blocked until %s: %w", of, s.until.UTC().Format("15:04:05 UTC"), s.reason.Err)
	if e.cfg.WhileOpen == Wait {
		out.Kind, out.RetryAfter = conversation.RateLimited, max(left, time.Second)
	}
	return false, &out
}

func (a agent) String() string {
	if a.id == "" {
		return "the agent"
	}
	return fmt.Sprintf("agent %q", printable.Name(a.id, printable.MaxName))
}

// leave records how a request ended.
func (e *Executor) leave(of agent, trying bool, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var reason *conversation.Error
	failed := errors.As(err, &reason) && (reason.Kind == conversation.Unauthorized || reason.Kind == conversation.QuotaExhausted)
	s := e.open[of]
	if failed && s == nil && len(e.open) >= maxAgents {
		e.forget()
	}
	switch {
	case failed && (s != nil || len(e.open) < maxAgents):
		if s == nil {
			e.cfg.Logger.Warn("An agent is blocked for a while: its key or account fails", "executor", e.cfg.Name, "agent_id", printable.Name(of.id, printable.MaxName),
				"kind", string(reason.Kind), "reason", reason.Error(), "for", e.cfg.OpenFor.String())
			e.changed(len(e.open), 1)
		}
		e.open[of] = &state{reason: reason, until: time.Now().Add(e.cfg.OpenFor)}
	case s == nil:
	case err == nil:
		delete(e.open, of)
		e.cfg.Logger.Info("An agent is no longer blocked: its tasks run", "executor", e.cfg.Name, "agent_id", printable.Name(of.id, printable.MaxName))
		e.changed(len(e.open), 0)
	case trying:
		// It says nothing about key and account: the next may try at once.
		s.trying = false
	}
}

// forget drops agents whose time is over: their next task tries again.
func (e *Executor) forget() {
	for of, s := range e.open {
		if !s.trying && time.Now().After(s.until) {
			delete(e.open, of)
		}
	}
}

// changed notifies the observer of the first agent that is blocked, and of the last.
func (e *Executor) changed(others, more int) {
	if e.cfg.Observer == nil || others > 0 {
		return
	}
	to := failover.StateClosed
	if more > 0 {
		to = failover.StateOpen
	}
	e.cfg.Observer.BreakerChanged("tasks of "+e.cfg.Name, to)
}

// Unwrap returns the executor within.
func (e *Executor) Unwrap() executors.Executor { return e.next }
