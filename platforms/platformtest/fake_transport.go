package platformtest

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
)

// FakeTransport is a transport in memory, for tests of what uses one: the other side
// counts its answers and gives the one to a key again. The methods are safe for concurrent
// use.
type FakeTransport struct {
	mu    sync.Mutex
	by    map[string]*fakePeer
	lost  int
	event []conversation.Event
}

// fakePeer is the other side of one conversation.
type fakePeer struct {
	answered map[string]platforms.Reply
	sends    []platforms.Send
	ends     bool
}

var (
	_ platforms.Transport = (*FakeTransport)(nil)
	_ platforms.Listener  = (*FakeTransport)(nil)
)

func (f *FakeTransport) peer(ref conversation.Ref) *fakePeer {
	p := f.by[ref.ID]
	if p == nil {
		p = &fakePeer{answered: map[string]platforms.Reply{}}
		if f.by == nil {
			f.by = map[string]*fakePeer{}
		}
		f.by[ref.ID] = p
	}
	return p
}

// EndNext has the other side end the conversation with its next answer.
func (f *FakeTransport) EndNext(ref conversation.Ref) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.peer(ref).ends = true
}

// LoseAnswers has the answers to the next n Sends get lost on their way back.
func (f *FakeTransport) LoseAnswers(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lost = n
}

// Sends are all that have reached the other side of a conversation, repeated ones
// included.
func (f *FakeTransport) Sends(ref conversation.Ref) []platforms.Send {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.peer(ref).sends)
}

// Events are the events that the platform was notified of.
func (f *FakeTransport) Events() []conversation.Event {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.event)
}

// Check implements platforms.Platform.
func (f *FakeTransport) Check(ctx context.Context, _, _ string) error { return done(ctx, "check") }

// Send implements platforms.Transport.
func (f *FakeTransport) Send(ctx context.Context, ref conversation.Ref, in platforms.Send) (platforms.Reply, error) {
	if err := done(ctx, "send"); err != nil {
		return platforms.Reply{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.peer(ref)
	p.sends = append(p.sends, in)
	reply, known := p.answered[in.IdempotencyKey]
	if !known {
		text := fmt.Sprintf("answer %d", len(p.answered)+1)
		reply = platforms.Reply{Messages: []conversation.Message{conversation.Text(conversation.RoleUser, text)}, Ended: p.ends}
		p.answered[in.IdempotencyKey] = reply
	}
	if f.lost > 0 {
		f.lost--
		lost := fault(conversation.Unavailable, "send", "the answer was lost")
		lost.Ambiguous = true
		return platforms.Reply{}, lost
	}
	return reply, nil
}

// Notify implements platforms.Listener.
func (f *FakeTransport) Notify(ctx context.Context, event conversation.Event) error {
	if err := done(ctx, "notify"); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.event = append(f.event, event)
	return nil
}
