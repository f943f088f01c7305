package records_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/internal/records/recordstest"
	"github.com/parley-run/parley/workflows"
)

func TestFind(t *testing.T) {
	t.Parallel()
	var s recordstest.Server
	for _, id := range []string{"onerun/pr1/cv1", "onerun/pr1/cv2", "onerun/pr2/cv2", "direct//a/b"} {
		s.Put(workflows.ConversationName, id, "run", recordstest.Running)
	}
	s.Put(workflows.InboxName, "inbox/onerun/pr1/ag1", "run", recordstest.Running)
	for name, tt := range map[string]struct {
		name string
		want string
		kind records.FaultKind
		text string
	}{
		"Whole":             {name: "onerun/pr1/cv2", want: "onerun/pr1/cv2"},
		"Bare":              {name: "cv1", want: "onerun/pr1/cv1"},
		"BareWithSlash":     {name: "a/b", want: "direct//a/b"},
		"Spaces":            {name: " cv1 ", want: "onerun/pr1/cv1"},
		"NotUnique":         {name: "cv2", kind: records.NotUnique, text: "onerun/pr1/cv2, onerun/pr2/cv2"},
		"Unknown":           {name: "cv9", kind: records.NotFound, text: `no conversation "cv9"`},
		"UnknownWhole":      {name: "onerun/pr1/cv9", kind: records.NotFound, text: `no conversation "onerun/pr1/cv9"`},
		"NotAConversation":  {name: "inbox/onerun/pr1/ag1", kind: records.NotFound, text: "is an execution of Inbox"},
		"Empty":             {name: "  ", kind: records.Malformed, text: "empty"},
		"NoPrefixOfAnother": {name: "cv", kind: records.NotFound, text: "no conversation"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := s.NewReader().Find(t.Context(), tt.name)
			require.Equal(t, tt.kind, records.KindOf(err))
			require.Equal(t, tt.want, got)
			if tt.text != "" {
				require.ErrorContains(t, err, tt.text)
			}
		})
	}
}

// The id of a task, or the name of a schedule, stands for its newest run: an open one
// before those that have ended.
func TestFindTask(t *testing.T) {
	t.Parallel()
	var s recordstest.Server
	at := func(minutes int) func(*recordstest.Execution) {
		return func(e *recordstest.Execution) {
			e.Info.StartTime = timestamppb.New(recordstest.Began.Add(time.Duration(minutes) * time.Minute))
		}
	}
	s.Put(workflows.ConversationName, "pulse//t-1@1000", "run", recordstest.Completed, at(1))
	s.Put(workflows.ConversationName, "pulse//t-1@3000", "run", recordstest.Completed, at(3))
	s.Put(workflows.ConversationName, "pulse//t-1@2000", "run", recordstest.Completed, at(2))
	s.Put(workflows.ConversationName, "pulse//t-2@1000", "run", recordstest.Running, at(1))
	s.Put(workflows.ConversationName, "pulse//t-2@3000", "run", recordstest.Completed, at(3))
	s.Put(workflows.ConversationName, "pulse//t-3@1000", "run", recordstest.Running)
	s.Put(workflows.ConversationName, "other//t-3@1000", "run", recordstest.Running)
	s.Put(workflows.ConversationName, "pulse//t-1@x", "run", recordstest.Running)
	s.Put(workflows.ConversationName, "onerun/pr1/cv1", "run", recordstest.Running)
	s.Put(workflows.ConversationName, "schedule/support/report-2030-01-02T08:00:00Z", "run", recordstest.Completed, at(1))
	s.Put(workflows.ConversationName, "schedule/support/report-2030-01-03T08:00:00Z", "run", recordstest.Completed, at(2))
	s.Put(workflows.ConversationName, "schedule/support/report-daily-2030-01-04T08:00:00Z", "run", recordstest.Completed, at(3))
	for name, want := range map[string]string{
		"t-1": "pulse//t-1@3000", "t-2": "pulse//t-2@1000", "t-1@1000": "pulse//t-1@1000",
		"report": "schedule/support/report-2030-01-03T08:00:00Z", "report-daily": "schedule/support/report-daily-2030-01-04T08:00:00Z",
	} {
		got, err := s.NewReader().Find(t.Context(), name)
		require.NoError(t, err, name)
		require.Equal(t, want, got, name)
	}
	_, err := s.NewReader().Find(t.Context(), "t-3")
	require.Equal(t, records.NotUnique, records.KindOf(err))
	require.ErrorContains(t, err, "other//t-3@1000, pulse//t-3@1000")
	_, err = s.NewReader().Find(t.Context(), "t-4")
	require.Equal(t, records.NotFound, records.KindOf(err))
	require.ErrorContains(t, err, "once it is due")
}

func TestFindWhileTemporalIsDown(t *testing.T) {
	t.Parallel()
	s := &recordstest.Server{Down: serviceerror.NewUnavailable("connection refused\nand a wall of text")}
	for _, name := range []string{"cv1", "onerun/pr1/cv1"} {
		_, err := s.NewReader().Find(t.Context(), name)
		require.Equal(t, records.Unreachable, records.KindOf(err))
		require.NotContains(t, err.Error(), "\n")
		var unavailable *serviceerror.Unavailable
		require.True(t, errors.As(err, &unavailable))
	}
}
