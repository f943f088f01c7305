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
	"github.com/parley-run/parley/workflows"
)

const (
	// lookEvery is how often the conversation is looked at while a reply is waited
	// for: a question of a tool should not wait longer for its person.
	lookEvery = 700 * time.Millisecond
	// lookFor is how long a worker may take to answer that.
	lookFor = 5 * time.Second
)

// NewID is an id for a conversation: short enough to be typed, and nobody has
// had it before.
func NewID() string { return strings.ToLower(rand.Text()[:12]) }

// NewMessageID is an id for a message.
func NewMessageID() string { return strings.ToLower(rand.Text()) }

// A Conversation is one as somebody holds it who talks to the agent. Its methods
// are safe for concurrent use. Close ends what it has under way.
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
		launcher: launch.Launcher{Client: o.Client, TaskQueue: o.TaskQueue},
		operator: o, direct: direct, ctx: ctx, cancel: cancel,
	}
}

// Close gives up what is waited for. The conversation goes on.
func (c *Conversation) Close() {
	c.cancel()
	c.all.Wait()
}

// ID is the workflow id, "direct/<agent>/<id>".
func (c *Conversation) ID() string { return workflows.ConversationID(c.direct.Input.Ref) }

// A Pending is a message whose reply is waited for.
type Pending struct {
	Request workflows.SendRequest

	done  chan struct{}
	reply workflows.SendReply
	err   error
}

// Done is closed when there is a result.
func (p *Pending) Done() <-chan struct{} { return p.done }

// Result is the reply, once Done is closed. The error is launch.ErrOver,
// launch.ErrForgotten, launch.ErrUnknown, the context's, or one that would be the same again.
func (p *Pending) Result() (workflows.SendReply, error) {
	<-p.done
	return p.reply, p.err
}

// Send sends a message and waits for its reply beside the caller. What goes wrong
// on the way there, or while it waits, is tried again with the same id for as long
// as the conversation is not closed: the agent hears it once.
func (c *Conversation) Send(req workflows.SendRequest) *Pending {
	p := &Pending{Request: req, done: make(chan struct{})}
	c.all.Go(func() {
		defer close(p.done)
		p.reply, p.err = c.send(req)
	})
	return p
}

func (c *Conversation) send(req workflows.SendRequest) (workflows.SendReply, error) {
	for pause := 200 * time.Millisecond; ; pause = min(2*pause, 3*time.Second) {
		reply, err := c.launcher.Send(c.ctx, c.direct, req)
		switch {
		case err == nil:
			return reply, nil
		case c.ctx.Err() != nil:
			return reply, context.Cause(c.ctx)
		case !passing(err):
			return reply, err
		}
		if err := rest(c.ctx, pause); err != nil {
			return reply, err
		}
	}
}

// passing tells what goes wrong for a while from what would go wrong again.
func passing(err error) bool {
	if errors.Is(err, launch.ErrOver) || errors.Is(err, launch.ErrForgotten) || errors.Is(err, launch.ErrUnknown) {
		return false
	}
	return operate.Transient(err) || errors.Is(err, context.DeadlineExceeded)
}

// A Sighting is how the conversation stands.
type Sighting struct {
	// Status is what the worker says.
	Status workflows.Status
	// Err is why there is no Status: an operate.Fault, such as NoWorker.
	Err error
	// Since is when it last could be asked, or when that was first tried.
	Since time.Time
}

// Absent reports whether nobody has answered for some time: neither a worker nor,
// maybe, Temporal. A conversation that does not exist yet is not absent.
func (s Sighting) Absent(forSome time.Duration) bool {
	kind := operate.KindOf(s.Err)
	return (kind == operate.NoWorker || kind == operate.Unreachable) && time.Since(s.Since) > forSome
}

// Watch looks at the conversation again and again, until ctx is done or the
// conversation is closed; then the channel is closed.
func (c *Conversation) Watch(ctx context.Context) <-chan Sighting {
	seen := make(chan Sighting)
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
			case seen <- Sighting{Status: status, Err: err, Since: since}:
			case <-ctx.Done():
				return
			}
			if rest(ctx, lookEvery) != nil {
				return
			}
		}
	})
	return seen
}

// Status asks the conversation's worker, and gives it a few seconds. The error is
// an operate.Fault.
func (c *Conversation) Status(ctx context.Context) (status workflows.Status, err error) {
	asking, cancel := context.WithTimeout(ctx, lookFor)
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
	switch operate.KindOf(err) {
	case operate.NotFound, operate.Malformed:
		return status, err
	case operate.Unreachable:
		// A server that waits for a worker in vain looks like one that is not there.
		looking, cancel := context.WithTimeout(ctx, lookFor)
		defer cancel()
		if _, e := c.operator.Describe(looking, c.ID()); operate.KindOf(e) == operate.Unreachable {
			return status, &operate.Fault{
				Kind: operate.Unreachable, Err: err,
				Text: fmt.Sprintf("Temporal at %s does not answer", c.operator.Address),
			}
		}
	}
	return status, &operate.Fault{
		Kind: operate.NoWorker, Err: err,
		Text: fmt.Sprintf("no worker answers on task queue %q", c.operator.TaskQueue),
	}
}

func rest(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
