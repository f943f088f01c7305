package records_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/internal/records/recordstest"
	"github.com/parley-run/parley/workflows"
)

func TestFollow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s recordstest.Server
		run1 := s.Put(workflows.ConversationName, id, "run1", recordstest.Running, func(e *recordstest.Execution) {
			live(e, workflows.Status{State: workflows.StateTalking}, 0, said("p0")...)
			e.Events = recordstest.Record(t, workflows.ConversationInput{Ref: ref}, "").Exchange(0, 0, "", "p0").
				Reply(1, "a1").Exchange(1, 1, "a1", "p2").Events
		})
		var heard []string
		var states []workflows.State
		lost, noWorker := 0, 0
		s.Describing = func(n int) {
			switch n {
			case 2: // no change: nothing is reported
			case 3: // its worker stops
				run1.Status = nil
			case 5: // then the server
				s.Down = serviceerror.NewUnavailable("x")
			case 7:
				s.Down = nil
				// The conversation has continued as new, and holds only its newest message.
				run1.Info.Status = recordstest.Continued
				s.PutLocked(workflows.ConversationName, id, "run2", recordstest.Running, func(e *recordstest.Execution) {
					live(e, workflows.Status{State: workflows.StateTalking, Turn: 1}, 2, said("p0", "a1", "p2")...)
					e.Events = recordstest.Record(t, workflows.ConversationInput{Ref: ref, Carried: &workflows.Carried{Count: 3, Messages: said("p2")}}, "run1").Events
				})
			case 9:
				run2 := s.Executions[1]
				run2.Info.Status = recordstest.Completed
				r := &recordstest.Recording{T: t, Events: run2.Events}
				run2.Events = r.Reply(2, "a3").Exchange(2, 3, "a3", "p4").Completed(conversation.Outcome{Kind: conversation.OutcomeEnded, Turns: 2})
			}
		}
		record, err := s.NewReader().Follow(t.Context(), id, time.Second, func(seen records.Change) error {
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
	var s recordstest.Server
	s.Put(workflows.ConversationName, id, "run1", recordstest.Running, func(e *recordstest.Execution) {
		live(e, workflows.Status{}, 0, said("p0")...)
	})
	full := errors.New("the pipe is closed")
	_, err := s.NewReader().Follow(t.Context(), id, time.Hour, func(records.Change) error { return full })
	require.ErrorIs(t, err, full)

	ctx, cancel := context.WithCancel(t.Context())
	_, err = s.NewReader().Follow(ctx, id, time.Hour, func(records.Change) error { cancel(); return nil })
	require.ErrorIs(t, err, context.Canceled)

	short, stop := context.WithTimeout(t.Context(), time.Millisecond)
	defer stop()
	_, err = s.NewReader().Follow(short, id, time.Hour, func(records.Change) error { return nil })
	require.EqualError(t, err, "watch: not finished in the time given")

	_, err = (&recordstest.Server{Down: serviceerror.NewUnavailable("x")}).NewReader().Follow(t.Context(), id, time.Hour, nil)
	require.Equal(t, records.Unreachable, records.KindOf(err))
}

func TestAwait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s recordstest.Server
		first := s.Put(workflows.ConversationName, "p/q/1", "run", recordstest.Running)
		s.Put(workflows.ConversationName, "p/q/2", "run", recordstest.Running, func(e *recordstest.Execution) {
			e.Attribute(t, workflows.KeyStatus.GetName(), string(workflows.StateNeedsAttention))
		})
		s.Describing = func(n int) {
			if n == 7 {
				first.Info.Status = recordstest.Completed
			}
		}
		var told []string
		all, err := s.NewReader().Await(t.Context(), []string{"p/q/1", "p/q/2"}, func(c records.Conversation) { told = append(told, c.ID) })
		require.NoError(t, err)
		require.Equal(t, []string{"p/q/2", "p/q/1"}, told)
		require.Equal(t, "p/q/1", all[0].ID)
		require.False(t, all[0].NeedsOperator())
		require.True(t, all[1].NeedsOperator())
	})
}
