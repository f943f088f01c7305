package iiiengine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/iii"
	"github.com/parley-run/parley/internal/iiitest"
	"github.com/parley-run/parley/platforms/iiiengine"
	"github.com/parley-run/parley/platforms/platformtest"
)

// personas is a persona function as PersonaRequest asks for it: what it has answered under
// a message id it answers again.
type personas struct {
	mu       sync.Mutex
	answered map[string]map[string]any
	asked    map[string]int
	ending   map[string]bool
	// lose, if set, runs once an answer is known and before it is sent.
	lose func()
}

func (p *personas) answer(_ context.Context, call iii.Invocation) (any, error) {
	var req iiiengine.PersonaRequest
	if err := json.Unmarshal(call.Data, &req); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked[req.ConversationID]++
	key := req.ConversationID + " " + req.MessageID
	if p.answered[key] == nil {
		p.answered[key] = map[string]any{
			"message": fmt.Sprintf("answer %d", len(p.answered)+1), "ended": p.ending[req.ConversationID],
		}
	}
	if p.lose != nil {
		p.lose()
		p.lose = nil
	}
	return p.answered[key], nil
}

func TestConformance(t *testing.T) {
	t.Parallel()
	platformtest.RunTransport(t, func(tb testing.TB) platformtest.TransportFixture {
		t, ok := tb.(*testing.T)
		if !ok {
			tb.Fatal("the engine stand-in wants a *testing.T")
		}
		e := iiitest.Start(t, iiitest.Options{})
		p := &personas{answered: map[string]map[string]any{}, asked: map[string]int{}, ending: map[string]bool{}}
		worker(t, e, map[string]iii.Handler{"persona::ada": p.answer})
		var n atomic.Int64
		return platformtest.TransportFixture{
			Platform: newPlatform(t, e.URL(), nil),
			Fresh: func(testing.TB) conversation.Ref {
				fresh := ref
				fresh.ID = fmt.Sprint("c", n.Add(1))
				return fresh
			},
			EndNext: func(_ testing.TB, ref conversation.Ref) {
				p.mu.Lock()
				defer p.mu.Unlock()
				p.ending[ref.ID] = true
			},
			Asked: func(_ testing.TB, ref conversation.Ref) int {
				p.mu.Lock()
				defer p.mu.Unlock()
				return p.asked[ref.ID]
			},
			LoseAnswer: func(testing.TB) {
				p.mu.Lock()
				defer p.mu.Unlock()
				p.lose = e.KillCallers
			},
			Guarded: true,
		}
	})
}
