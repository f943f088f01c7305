package operate

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflow/v1"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func TestReplaced(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		name  string
		state enums.PendingActivityState
		beat  *timestamppb.Timestamp
		want  bool
	}{
		{"HasBeaten", enums.PENDING_ACTIVITY_STATE_STARTED, timestamppb.New(began.Add(time.Second)), true},
		{"LastBeatIsTheOneBefore", enums.PENDING_ACTIVITY_STATE_STARTED, timestamppb.New(began.Add(-time.Second)), false},
		{"NoBeat", enums.PENDING_ACTIVITY_STATE_STARTED, nil, false},
		{"WaitsForItsRetry", enums.PENDING_ACTIVITY_STATE_SCHEDULED, timestamppb.New(began.Add(time.Second)), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			pending := &workflow.PendingActivityInfo{State: tc.state, LastStartedTime: timestamppb.New(began), LastHeartbeatTime: tc.beat}
			require.Equal(t, tc.want, replaced(pending))
		})
	}
}
