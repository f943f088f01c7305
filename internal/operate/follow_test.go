package operate_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/workflows"
)

func TestFollow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s server
		run1 := s.put(workflows.ConversationName, id, "run1", running, func(e *execution) {
			live(e, workflows.Status{State: workflows.StateTalking}, 0, said("p0")...)
			e.events = record(t, workflows.ConversationInput{Ref: ref}, "").exchange(0, 0, "", "p0").
				reply(1, "a1").exchange(1, 1, "a1", "p2").events
		})
		var heard []string
		var states []workflows.State
		lost, noWorker := 0, 0
		s.describing = func(n int) {
			switch n {
			case 2: // no change: nothing is reported
			case 3: // its worker stops
				run1.status = nil
			case 5: // then the server
				s.down = serviceerror.NewUnavailable("x")
			case 7:
				s.down = nil
				// The conversation has continued as new, and holds only its newest message.
				run1.info.Status = continued
				s.putLocked(workflows.ConversationName, id, "run2", running, func(e *execution) {
					live(e, workflows.Status{State: workflows.StateTalking, Turn: 1}, 2, said("p0", "a1", "p2")...)
					e.events = record(t, workflows.ConversationInput{Ref: ref, Carried: &workflows.Carried{Count: 3, Messages: said("p2")}}, "run1").events
				})
			case 9:
				run2 := s.executions[1]
				run2.info.Status = completed
				r := &recording{t: t, events: run2.events}
				run2.events = r.reply(2, "a3").exchange(2, 3, "a3", "p4").completed(conversation.Outcome{Kind: conversation.OutcomeEnded, Turns: 2})
			}
		}
		record, err := newOperator(&s).Follow(t.Context(), id, time.Second, func(seen operate.Change) error {
			heard = append(heard, texts(seen.Messages)...)
			if seen.Status != nil {
				states = append(states, seen.Status.State)
			}
			if seen.Lost != nil {
				lost++
			}
			if seen.NoWorker {
				noWorker++
			}
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, []string{"p0", "a1", "p2", "a3", "p4"}, heard)
		require.Equal(t, []workflows.State{workflows.StateTalking, workflows.StateTalking}, states)
		require.Equal(t, "ended", record.Result())
		require.Equal(t, 1, lost)
		require.Equal(t, 1, noWorker)
	})
}

func TestFollowStops(t *testing.T) {
	t.Parallel()
	var s server
	s.put(workflows.ConversationName, id, "run1", running, func(e *execution) {
		live(e, workflows.Status{}, 0, said("p0")...)
	})
	full := errors.New("the pipe is closed")
	_, err := newOperator(&s).Follow(t.Context(), id, time.Hour, func(operate.Change) error { return full })
	require.ErrorIs(t, err, full)

	ctx, cancel := context.WithCancel(t.Context())
	_, err = newOperator(&s).Follow(ctx, id, time.Hour, func(operate.Change) error { cancel(); return nil })
	require.ErrorIs(t, err, context.Canceled)

	short, stop := context.WithTimeout(t.Context(), time.Millisecond)
	defer stop()
	_, err = newOperator(&s).Follow(short, id, time.Hour, func(operate.Change) error { return nil })
	require.EqualError(t, err, "watch: not finished in the time given")

	_, err = newOperator(&server{down: serviceerror.NewUnavailable("x")}).Follow(t.Context(), id, time.Hour, nil)
	require.Equal(t, operate.Unreachable, operate.KindOf(err))
}

func TestAwait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s server
		first := s.put(workflows.ConversationName, "p/q/1", "run", running)
		s.put(workflows.ConversationName, "p/q/2", "run", running, func(e *execution) {
			e.attribute(t, workflows.KeyStatus.GetName(), string(workflows.StateNeedsAttention))
		})
		s.describing = func(n int) {
			if n == 7 {
				first.info.Status = completed
			}
		}
		var told []string
		all, err := newOperator(&s).Await(t.Context(), []string{"p/q/1", "p/q/2"}, func(c operate.Conversation) { told = append(told, c.ID) })
		require.NoError(t, err)
		require.Equal(t, []string{"p/q/2", "p/q/1"}, told)
		require.Equal(t, "p/q/1", all[0].ID)
		require.False(t, all[0].NeedsOperator())
		require.True(t, all[1].NeedsOperator())
	})
}
