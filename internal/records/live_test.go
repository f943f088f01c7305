package records_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/internal/records/recordstest"
	"github.com/parley-run/parley/workflows"
)

// putEnded puts conversations that have ended, with a message each.
func putEnded(t *testing.T, s *recordstest.Server, n int) {
	t.Helper()
	for i := range n {
		h := recordstest.Record(t, workflows.ConversationInput{Ref: ref, Policy: conversation.Policy{Currency: "EUR"}}, "").Exchange(0, 0, "", fmt.Sprintf("hello %d", i))
		events := h.Completed(conversation.Outcome{Kind: conversation.OutcomeEnded})
		s.Put(workflows.ConversationName, fmt.Sprintf("onerun/pr1/cv%03d", i), "run", recordstest.Completed, func(e *recordstest.Execution) {
			e.Info.StartTime = timestamppb.New(recordstest.Began.Add(time.Duration(i) * time.Second))
			e.Events = events
			e.Attribute(t, workflows.KeyPersona.GetName(), fmt.Sprintf("persona %d", i))
			e.Attribute(t, workflows.KeyExecutor.GetName(), []string{"gpt"})
			e.Attribute(t, workflows.KeyModel.GetName(), []string{"small"})
			e.Attribute(t, workflows.KeyTokens.GetName(), 120)
			e.Attribute(t, workflows.KeyCost.GetName(), 0.25)
		})
	}
}

func TestRecords(t *testing.T) {
	t.Parallel()
	var s recordstest.Server
	putEnded(t, &s, 100)
	r := s.NewReader()
	r.UI = "http://localhost:8233"
	var got []records.Record
	counts, err := r.Records(t.Context(), records.Filter{}, 70, func(r records.Record) error { got = append(got, r); return nil })
	require.NoError(t, err)
	require.Equal(t, records.Counts{Shown: 70, Total: 100, Completed: 100}, counts)
	require.Len(t, got, 70)
	for i, r := range got {
		require.Equal(t, fmt.Sprintf("onerun/pr1/cv%03d", 69-i), r.ID, "the newest first")
		require.Equal(t, fmt.Sprintf("hello %d", 69-i), r.Messages[0].Text)
	}
	first := got[0]
	require.Equal(t, []string{"gpt"}, first.Executors)
	require.Equal(t, []string{"small"}, first.Models)
	require.EqualValues(t, 120, first.Tokens)
	require.InDelta(t, 0.25, first.Cost, 0)
	require.Equal(t, "EUR", first.Currency)
	require.Equal(t, "http://localhost:8233/namespaces/default/workflows/onerun%2Fpr1%2Fcv069/run/history", first.UI)

	full := fmt.Errorf("the disk is full")
	used := 0
	_, err = r.Records(t.Context(), records.Filter{}, 0, func(records.Record) error { used++; return full })
	require.ErrorIs(t, err, full)
	require.Equal(t, 1, used)
	s.Down = serviceerror.NewUnavailable("x")
	_, err = r.Records(t.Context(), records.Filter{}, 0, nil)
	require.Equal(t, records.Unreachable, records.KindOf(err))
}

// A list follows what happens. Closed conversations are read once.
func TestLive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s recordstest.Server
		putEnded(t, &s, 3)
		live := &records.Live{Reader: s.NewReader()}
		require.True(t, live.Snapshot().At.IsZero())
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		changed := live.Changed()
		go live.Run(ctx)
		<-changed
		synctest.Wait()
		require.Len(t, live.Snapshot().Conversations, 3)
		require.NotContains(t, s.LastQuery(), "CloseTime")

		changed = live.Changed()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		select {
		case <-changed:
			require.Fail(t, "nothing has changed")
		default:
		}
		require.Contains(t, s.LastQuery(), "(ExecutionStatus = 'Running' OR CloseTime >= '", "readings cost what has changed")

		s.Put(workflows.ConversationName, "onerun/pr1/new", "run", recordstest.Running, func(e *recordstest.Execution) {
			e.Info.StartTime = timestamppb.New(recordstest.Began.Add(time.Hour))
		})
		<-changed
		require.Equal(t, "onerun/pr1/new", live.Snapshot().Conversations[0].ID)

		s.Fail(serviceerror.NewUnavailable("x"))
		<-live.Changed()
		require.Equal(t, records.Unreachable, records.KindOf(live.Snapshot().Err))
		require.Len(t, live.Snapshot().Conversations, 4, "what was known stays")
		s.Fail(nil)
		<-live.Changed()
		require.NoError(t, live.Snapshot().Err)

		// Retention or an operator has removed one.
		s.Remove("onerun/pr1/cv001")
		<-live.Changed()
		require.Len(t, live.Snapshot().Conversations, 3)

		_, held := live.Held(live.Snapshot().Conversations[1])
		require.False(t, held)
		record, err := live.Record(ctx, "onerun/pr1/cv002")
		require.NoError(t, err)
		require.Equal(t, "hello 2", record.Messages[0].Text)
		s.Fail(serviceerror.NewUnavailable("x"))
		again, err := live.Record(ctx, "onerun/pr1/cv002")
		require.NoError(t, err, "it is held")
		require.Equal(t, record, again)
		stop()
		synctest.Wait()
	})
}
