package platformtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
)

// FakeConversations is a platform of conversations in memory, for tests of what uses
// one. The other side answers each Send, and ends the conversation with the last of Turns.
// It takes note of idempotency keys. Set the fields before the first call; the methods are
// safe for concurrent use.
type FakeConversations struct {
	// Project and Agent are those that Check knows. Empty: any.
	Project, Agent string
	// AgentFirst is what Context says.
	AgentFirst bool
	// Turns is how many Sends a conversation takes. Zero: 3.
	Turns int

	mu      sync.Mutex
	all     []*fakeConversation
	lost    int
	badRows int
}

type fakeConversation struct {
	ref        conversation.Ref
	transcript platforms.Transcript
	created    time.Time
	touched    time.Time
	sends      int
	answered   map[string]platforms.Reply
}

var (
	_ platforms.Conversations = (*FakeConversations)(nil)
	_ platforms.Source        = (*FakeConversations)(nil)
)

// Add makes a conversation that waits.
func (f *FakeConversations) Add(ref conversation.Ref) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = append(f.all, &fakeConversation{
		ref: ref, created: time.Now(), answered: map[string]platforms.Reply{},
		transcript: platforms.Transcript{State: platforms.StateWaiting},
	})
}

// LoseAnswers has the answers to the next n Sends get lost on their way back.
func (f *FakeConversations) LoseAnswers(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lost = n
}

// AddBadRow adds to each list of conversations a row that cannot be read.
func (f *FakeConversations) AddBadRow() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.badRows++
}

// Check implements platforms.Platform.
func (f *FakeConversations) Check(ctx context.Context, project, agent string) error {
	return check(ctx, [][3]string{{"project", project, f.Project}, {"agent", agent, f.Agent}})
}

// find locks f, and returns the conversation with what unlocks f.
func (f *FakeConversations) find(ctx context.Context, verb string, ref conversation.Ref) (*fakeConversation, func(), error) {
	if err := done(ctx, verb); err != nil {
		return nil, nil, err
	}
	f.mu.Lock()
	for _, c := range f.all {
		if c.ref == ref {
			return c, f.mu.Unlock, nil
		}
	}
	f.mu.Unlock()
	return nil, nil, fault(conversation.NotFound, verb, "there is no conversation "+ref.String())
}

// Claim implements platforms.Conversations.
func (f *FakeConversations) Claim(ctx context.Context, ref conversation.Ref) error {
	c, unlock, err := f.find(ctx, "claim", ref)
	if err != nil {
		return err
	}
	defer unlock()
	if c.transcript.State != platforms.StateWaiting {
		return fault(conversation.Claimed, "claim", "another worker has claimed it")
	}
	c.transcript.State, c.touched = platforms.StateOpen, time.Now()
	return nil
}

// Context implements platforms.Conversations.
func (f *FakeConversations) Context(ctx context.Context, ref conversation.Ref) (conversation.Context, error) {
	_, unlock, err := f.find(ctx, "context", ref)
	if err != nil {
		return conversation.Context{}, err
	}
	defer unlock()
	return conversation.Context{Scenario: "a test", AgentFirst: f.AgentFirst, Persona: conversation.Persona{Summary: "a fake"}}, nil
}

// Transcript implements platforms.Conversations.
func (f *FakeConversations) Transcript(ctx context.Context, ref conversation.Ref) (platforms.Transcript, error) {
	c, unlock, err := f.find(ctx, "transcript", ref)
	if err != nil {
		return platforms.Transcript{}, err
	}
	defer unlock()
	out := c.transcript
	out.Messages = slices.Clone(out.Messages)
	return out, nil
}

// Send implements platforms.Conversations.
func (f *FakeConversations) Send(ctx context.Context, ref conversation.Ref, in platforms.Send) (platforms.Reply, error) {
	c, unlock, err := f.find(ctx, "send", ref)
	if err != nil {
		return platforms.Reply{}, err
	}
	defer unlock()
	reply, known := c.answered[in.IdempotencyKey]
	if !known {
		switch c.transcript.State {
		case platforms.StateEnded:
			return platforms.Reply{}, fault(conversation.Ended, "send", "it has ended")
		case platforms.StateWaiting:
			return platforms.Reply{}, fault(conversation.Invalid, "send", "it has not been claimed")
		}
		reply = c.answer(in, f.Turns)
	}
	if f.lost > 0 {
		f.lost--
		lost := fault(conversation.Unavailable, "send", "the answer was lost")
		lost.Ambiguous = true
		return platforms.Reply{}, lost
	}
	return reply, nil
}

func (c *fakeConversation) answer(in platforms.Send, turns int) platforms.Reply {
	if turns == 0 {
		turns = 3
	}
	c.sends++
	said := conversation.Text(conversation.RoleUser, fmt.Sprintf("answer %d", c.sends))
	reply := platforms.Reply{Messages: []conversation.Message{said}, Ended: c.sends >= turns}
	c.transcript.Messages = append(append(c.transcript.Messages, in.Messages...), said)
	c.touched = time.Now()
	if reply.Ended {
		c.transcript.State, c.transcript.EndedBy = platforms.StateEnded, conversation.EndedByPersona
		c.transcript.EndDetail = "all was said"
	}
	if in.IdempotencyKey != "" {
		c.answered[in.IdempotencyKey] = reply
	}
	return reply
}

// End implements platforms.Conversations.
func (f *FakeConversations) End(ctx context.Context, ref conversation.Ref) error {
	c, unlock, err := f.find(ctx, "end", ref)
	if err != nil {
		return err
	}
	defer unlock()
	if c.transcript.State != platforms.StateEnded {
		c.transcript.State, c.transcript.EndedBy = platforms.StateEnded, conversation.EndedByAgent
	}
	return nil
}

// Assigned implements platforms.Source.
func (f *FakeConversations) Assigned(ctx context.Context, _, agent string) ([]platforms.Assignment, error) {
	return f.list(ctx, agent, platforms.StateWaiting)
}

// Open implements platforms.Source.
func (f *FakeConversations) Open(ctx context.Context, _, agent string) ([]platforms.Assignment, error) {
	return f.list(ctx, agent, platforms.StateOpen)
}

func (f *FakeConversations) list(ctx context.Context, agent string, state platforms.State) ([]platforms.Assignment, error) {
	if err := done(ctx, "list"); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []platforms.Assignment
	for _, c := range f.all {
		if c.transcript.State == state && (agent == "" || c.ref.Agent == agent) {
			all = append(all, platforms.Assignment{Ref: c.ref, Created: c.created, Touched: c.touched})
		}
	}
	return all, badRows(f.badRows)
}

func badRows(n int) error {
	var errs []error
	for i := range n {
		errs = append(errs, &platforms.RowError{ID: fmt.Sprint("bad-", i), Err: fault(conversation.Invalid, "list", "it cannot be read")})
	}
	return errors.Join(errs...)
}

// check compares what is named with what there is.
func check(ctx context.Context, named [][3]string) error {
	if err := done(ctx, "check"); err != nil {
		return err
	}
	var errs []error
	for _, n := range named {
		what, name, known := n[0], n[1], n[2]
		if name != "" && known != "" && name != known {
			e := fault(conversation.NotFound, "check", fmt.Sprintf("there is no %s %q", what, name))
			e.Remedy = fmt.Sprintf("name %q", known)
			errs = append(errs, e)
		}
	}
	return errors.Join(errs...)
}

// done is the error of a call whose context is done.
func done(ctx context.Context, verb string) error {
	if ctx.Err() == nil {
		return nil
	}
	return &conversation.Error{Kind: conversation.Unavailable, Op: "fake: " + verb, Err: ctx.Err()}
}

func fault(kind conversation.Kind, verb, text string) *conversation.Error {
	return &conversation.Error{Kind: kind, Op: "fake: " + verb, Err: errors.New(text)}
}
