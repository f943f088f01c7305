package activities_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
)

// The overhead of a turn is what is left of it without these times: an attempt that follows
// another does not know all of the turn's.
func TestTimesOfCallsAreThoseOfWholeTurns(t *testing.T) {
	t.Parallel()
	s := newSteps()
	a, err := activities.NewConversation(s.cfg)
	require.NoError(t, err)
	reply, err := run[activities.ReplyResult](t, newEnvOf(t, a), a.Reply, activities.ReplyInput{Ref: ref, Turn: 1, New: []conversation.Message{persona("hello")}})
	require.NoError(t, err)
	require.Positive(t, reply.TookMS)
	in := activities.CallToolInput{Ref: ref, Turn: 1, Call: activities.PlannedCall{Set: "shop", Name: "buy"}}
	for _, first := range []bool{true, false} {
		call, err := run[activities.CallToolResult](t, newEnvOf(t, a), a.CallTool, in)
		require.NoError(t, err)
		require.Equal(t, first, call.TookMS > 0, "the second joins the first")
	}
	send := activities.ExchangeInput{Ref: ref, Messages: []conversation.Message{agent("hello")}}
	sent, err := run[activities.ExchangeResult](t, newEnvOf(t, a), a.Exchange, send)
	require.NoError(t, err)
	require.Positive(t, sent.TookMS)
	send.Tried = &activities.Mark{Time: time.Now(), Answered: true}
	sent, err = run[activities.ExchangeResult](t, newEnvOf(t, a), a.Exchange, send)
	require.NoError(t, err)
	require.Zero(t, sent.TookMS, "an earlier request's time is not known")
}
