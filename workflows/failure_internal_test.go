package workflows

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	common "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/payloads"
)

// What failed attempts cost counts also when the last one ended without a word,
// because its worker died: the heartbeat has it.
func TestFailureKeepsWhatWasSpent(t *testing.T) {
	t.Parallel()
	timedOut := func(details ...any) failure { // as it comes back from the server
		c := temporal.GetDefaultFailureConverter()
		return failureOf(c.FailureToError(c.ErrorToFailure(temporal.NewHeartbeatTimeoutError(details...))))
	}
	spent := conversation.Usage{InputTokens: 10, OutputTokens: 5, Cost: 7, Calls: 2}
	f := timedOut(activities.ReplyProgress{Spent: spent, Failed: 1})
	require.Equal(t, conversation.Unavailable, f.kind)
	require.Equal(t, spent, f.spent)
	require.Contains(t, f.reason, "its worker died")
	for name, details := range map[string][]any{"None": nil, "Another's": {activities.Mark{}}, "No object": {"something else"}} {
		require.Zero(t, timedOut(details...).spent, name)
	}
}

// An activity whose worker lacked a key is tried again soon, after the transcript was read:
// an attempt before it may have sent something.
func TestActivityWithoutItsKeyIsTriedAgain(t *testing.T) {
	t.Parallel()
	f := failureOf(temporal.NewApplicationError("payload is encrypted with key", payloads.ErrTypeMissingKey))
	require.Equal(t, conversation.Unavailable, f.kind)
	require.True(t, f.ambiguous)
	require.True(t, f.keyless)
	require.False(t, f.until.IsZero(), "it continues by itself")
}

// Details that cannot be read must not count as absent: they may say what was sent.
func TestDetailsWithoutTheirKey(t *testing.T) {
	t.Parallel()
	require.True(t, isRead(nil))
	require.False(t, isRead(errors.New("of another shape")))
	for _, err := range []error{&payloads.KeyError{Key: "k"}, &payloads.SealError{Key: "k"}} {
		require.Panics(t, func() { isRead(fmt.Errorf("payload item 0: %w", err)) })
	}
	unreadable := converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), lost{})
	c := temporal.NewDefaultFailureConverter(temporal.DefaultFailureConverterOptions{DataConverter: unreadable})
	for _, err := range []error{
		temporal.NewApplicationError("x", "Unavailable", activities.ErrorDetails{}), temporal.NewHeartbeatTimeoutError(activities.Mark{}),
	} {
		require.Panics(t, func() { failureOf(c.FailureToError(c.ErrorToFailure(err))) })
	}
}

// lost is a codec that has lost its key.
type lost struct{}

func (lost) Encode(in []*common.Payload) ([]*common.Payload, error) { return in, nil }
func (lost) Decode([]*common.Payload) ([]*common.Payload, error) {
	return nil, &payloads.KeyError{Key: "k"}
}
