package chat

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/parley-run/parley/internal/launch"
	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/pause"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/workflows"
)

const (
	// statusEvery is the interval between status queries while a reply is awaited: an
	// approval should not wait longer for its operator.
	statusEvery = 700 * time.Millisecond
	// statusTimeout bounds one of these queries.
	statusTimeout = 5 * time.Second
)

// NewID is a new id for a conversation, short enough to be typed.
func NewID() string { return strings.ToLower(rand.Text()[:12]) }

// NewMessageID is an id for a message.
func NewMessageID() string { return strings.ToLower(rand.Text()) }

// A Conversation is the client's side of a direct conversation. Its methods are safe for
// concurrent use. Close stops what is in progress.
type Conversation struct {
	launcher launch.Launcher
	operator *operate.Operator
	direct   launch.Direct

	ctx    context.Context
	cancel context.CancelFunc
	all    sync.WaitGroup
}

// New returns the conversation that direct describes. Nothing is sent yet.
func New(ctx context.Context, o *operate.Operator, direct launch.Direct) *Conversation {
	ctx, cancel := context.WithCancel(ctx)
	return &Conversation{
		launcher: launch.Launcher{Client: o.Client, TaskQueue: o.TaskQueue, ShowPersona: launch.Plain(o.Converter)},
		operator: o, direct: direct, ctx: ctx, cancel: cancel,
	}
}

// Close stops waiting. The conversation continues.
func (c *Conversation) Close() {
	c.cancel()
	c.all.Wait()
}

// ID is the workflow id, "direct/<agent>/<id>".
func (c *Conversation) ID() string { return workflows.ConversationID(c.direct.Input.Ref) }

// A Pending is a message whose reply is awaited.
type Pending struct {
	Request workflows.SendRequest

	done  chan struct{}
	reply workflows.SendReply
	err   error
}

// Done is closed when there is a result.
func (p *Pending) Done() <-chan struct{} { return p.done }

// Result is the reply, once Done is closed. The error is launch.ErrOver,
// launch.ErrForgotten, launch.ErrUnknown, the context's, or another that a retry cannot
// change.
func (p *Pending) Result() (workflows.SendReply, error) {
	<-p.done
	return p.reply, p.err
}

// Send sends a message and waits for its reply in the background. Transient failures are
// retried with the same message id until the conversation is closed: the agent receives
// the message once.
func (c *Conversation) Send(req workflows.SendRequest) *Pending {
	p := &Pending{Request: req, done: make(chan struct{})}
	c.all.Go(func() {
		defer close(p.done)
		p.reply, p.err = c.send(req)
	})
	return p
}

func (c *Conversation) send(req workflows.SendRequest) (workflows.SendReply, error) {
	for wait := 200 * time.Millisecond; ; wait = min(2*wait, 3*time.Second) {
		reply, err := c.launcher.Send(c.ctx, c.direct, req)
		switch {
		case err == nil:
			return reply, nil
		case c.ctx.Err() != nil:
			return reply, context.Cause(c.ctx)
		case !passing(err):
			return reply, err
		}
		if err := pause.For(c.ctx, wait); err != nil {
			return reply, err
		}
	}
}

// passing tells transient failures from lasting ones.
func passing(err error) bool {
	if errors.Is(err, launch.ErrOver) || errors.Is(err, launch.ErrForgotten) || errors.Is(err, launch.ErrUnknown) {
		return false
	}
	return records.Transient(err) || errors.Is(err, context.DeadlineExceeded)
}

// A Condition is the state of a conversation.
type Condition struct {
	// Status is the worker's answer.
	Status workflows.Status
	// Err is why there is no Status: an records.Fault, such as NoWorker.
	Err error
	// Since is when a worker last answered, or when the first query failed.
	Since time.Time
}

// Absent reports whether neither a worker nor Temporal has answered for some time. A
// conversation that does not exist yet is not absent.
func (s Condition) Absent(forSome time.Duration) bool {
	kind := records.KindOf(s.Err)
	return (kind == records.NoWorker || kind == records.Unreachable) && time.Since(s.Since) > forSome
}

// Watch reads the conversation's status repeatedly until ctx is done or the conversation
// is closed; then it closes the channel.
func (c *Conversation) Watch(ctx context.Context) <-chan Condition {
	seen := make(chan Condition)
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(c.ctx, cancel)
	c.all.Go(func() {
		defer close(seen)
		defer cancel()
		defer stop()
		since := time.Now()
		for {
			status, err := c.Status(ctx)
			if ctx.Err() != nil {
				return
			}
			if err == nil {
				since = time.Now()
			}
			select {
			case seen <- Condition{Status: status, Err: err, Since: since}:
			case <-ctx.Done():
				return
			}
			if pause.For(ctx, statusEvery) != nil {
				return
			}
		}
	})
	return seen
}

// Status asks the conversation's worker, for a few seconds at most. The error is an
// records.Fault.
func (c *Conversation) Status(ctx context.Context) (status workflows.Status, err error) {
	asking, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	op := fmt.Sprintf("query %q", c.ID())
	value, err := c.operator.Client.QueryWorkflow(asking, c.ID(), "", workflows.QueryStatus)
	if err == nil {
		err = value.Get(&status)
	}
	if err == nil {
		return status, nil
	}
	err = c.operator.Explain(op, err)
	if kind := records.KindOf(err); kind == records.NotFound || kind == records.Malformed {
		return status, err
	}
	return status, c.silent(ctx, err)
}

// silent says why a query had no answer: one without a worker ends like one without a
// server.
func (c *Conversation) silent(ctx context.Context, err error) error {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	found, e := c.operator.Describe(ctx, c.ID())
	if records.KindOf(err) == records.Unreachable && records.KindOf(e) == records.Unreachable {
		return &records.Fault{
			Kind: records.Unreachable, Err: err,
			Text: fmt.Sprintf("Temporal at %s does not answer", c.operator.Address),
		}
	}
	text := fmt.Sprintf("no worker answers on task queue %q", c.operator.TaskQueue)
	if s := found.Stranded; e == nil && s != nil && s.Version != "" {
		text += fmt.Sprintf(": the conversation is stranded: %s; %s", s.Reason, s.Remedy)
	}
	return &records.Fault{Kind: records.NoWorker, Err: err, Text: text}
}
