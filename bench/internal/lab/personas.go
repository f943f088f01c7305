package lab

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/pause"
	"github.com/parley-run/parley/internal/sim"
)

// Personas play every persona of a platform. They think for a fixed time, leave after a
// fixed number of turns, and note when each message came and when each answer went.
type Personas struct {
	// Turns is how many messages of the agent they answer; the last answer is a goodbye.
	Turns int
	// Think is how long each answer takes.
	Think time.Duration
	// Spread delays the first message of each conversation by up to this time, evenly, so
	// that conversations that were started together do not stay in step.
	Spread time.Duration
	// Size is the length of each message in bytes.
	Size int

	mu    sync.Mutex
	asked int
	talks map[conversation.Ref]*Talk
	moved chan struct{}
}

// A Talk is what the personas saw of a conversation.
type Talk struct {
	Opened time.Time // the worker asked for the first message
	Turns  []Turn
	Ended  bool
}

// A Turn is one message of the agent: when the persona had said what it answers, and when
// it came.
type Turn struct{ Said, Came time.Time }

// Reply implements sim.Player.
func (p *Personas) Reply(ctx context.Context, turn sim.PersonaTurn) (string, bool, error) {
	came, turns := time.Now(), 0
	for _, m := range turn.Messages {
		if m.Role == conversation.RoleAssistant {
			turns++
		}
	}
	p.mu.Lock()
	p.asked++
	p.mu.Unlock()
	think := p.Think
	if len(turn.Messages) == 0 && p.Spread > 0 {
		think = time.Duration(turn.Seed % uint64(p.Spread))
	}
	if err := pause.For(ctx, think); err != nil {
		return "", false, err
	}
	ended := turns >= p.Turns
	p.note(turn.Conversation, turns, came, ended)
	return text(p.Size, "persona", turns), ended, nil
}

// note records a message of the agent, and that the persona answers now.
func (p *Personas) note(ref conversation.Ref, turns int, came time.Time, ended bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.talks == nil {
		p.talks = make(map[conversation.Ref]*Talk)
	}
	talk := p.talks[ref]
	if talk == nil {
		talk = &Talk{Opened: came}
		p.talks[ref] = talk
	}
	if turns > 0 && turns <= len(talk.Turns) {
		talk.Turns[turns-1].Came = came
	}
	switch {
	case ended:
	case turns < len(talk.Turns): // a message that came again is answered again
		talk.Turns[turns].Said = time.Now()
	default:
		talk.Turns = append(talk.Turns, Turn{Said: time.Now()})
	}
	talk.Ended = ended
	if p.moved != nil {
		close(p.moved)
		p.moved = nil
	}
}

// Talks are all conversations so far.
func (p *Personas) Talks() []Talk {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]Talk, 0, len(p.talks))
	for _, talk := range p.talks {
		copied := *talk
		copied.Turns = slices.Clone(talk.Turns)
		out = append(out, copied)
	}
	return out
}

// Asked is how many answers have been asked for, given or not.
func (p *Personas) Asked() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

// Await waits until done says so of the conversations, or alive returns an error.
func (p *Personas) Await(ctx context.Context, done func([]Talk) bool, alive func() error) error {
	for {
		p.mu.Lock()
		if p.moved == nil {
			p.moved = make(chan struct{})
		}
		moved := p.moved
		p.mu.Unlock()
		if done(p.Talks()) {
			return nil
		}
		timer := time.NewTimer(time.Second)
		select {
		case <-moved:
		case <-timer.C:
			if err := alive(); err != nil {
				return err
			}
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("lab: %d conversations had begun: %w", len(p.Talks()), context.Cause(ctx))
		}
		timer.Stop()
	}
}

// Ended reports that n conversations have ended.
func Ended(n int) func([]Talk) bool {
	return func(talks []Talk) bool {
		ended := 0
		for _, talk := range talks {
			if talk.Ended {
				ended++
			}
		}
		return ended >= n
	}
}

// Opened reports that n conversations have begun.
func Opened(n int) func([]Talk) bool { return func(talks []Talk) bool { return len(talks) >= n } }

// text is a message of a number of bytes.
func text(size int, who string, n int) string {
	head := fmt.Sprintf("%s message %04d ", who, n)
	return head + strings.Repeat("abcdefghijklmno ", max(0, size-len(head))/16)
}
