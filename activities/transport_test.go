package activities_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/platforms/platformtest"
)

func TestTransportSteps(t *testing.T) {
	t.Parallel()
	p := &platformtest.FakeTransport{}
	e := on(t, p)
	claim, err := run[activities.ClaimResult](t, e, e.activities.Claim, activities.ClaimInput{Ref: ref})
	require.NoError(t, err)
	require.Equal(t, activities.ClaimResult{Claimed: true}, claim)

	e = on(t, p)
	found, err := run[activities.FindClaimResult](t, e, e.activities.FindClaim, activities.FindClaimInput{Ref: ref})
	require.NoError(t, err)
	require.True(t, found.Ours)

	e = on(t, p)
	about, err := run[activities.ContextResult](t, e, e.activities.Context, activities.ContextInput{Ref: ref})
	require.NoError(t, err)
	require.Equal(t, conversation.Context{Persona: conversation.Persona{ID: "s", Summary: "s"}, AgentName: "a"}, about.Context)
	require.Equal(t, platforms.StateUnknown, about.State, "the platform keeps nothing")
	require.Zero(t, about.Count)

	e = on(t, p)
	ended, err := run[activities.EndResult](t, e, e.activities.End, activities.EndInput{Ref: ref})
	require.NoError(t, err)
	require.Equal(t, activities.EndResult{}, ended)
	require.Empty(t, p.Sends(ref), "none of it asks the other side")
}

// A Send whose answer was lost is made again at once, with the same key.
func TestTransportExchange(t *testing.T) {
	t.Parallel()
	p := &platformtest.FakeTransport{}
	exchange := func(in activities.ExchangeInput) (activities.ExchangeResult, error) {
		e := on(t, p)
		in.Ref = ref
		return run[activities.ExchangeResult](t, e, e.activities.Exchange, in)
	}
	first := activities.ExchangeInput{Messages: []conversation.Message{agent("hi")}}
	p.LoseAnswers(1)
	_, err := exchange(first)
	require.True(t, detailsOf(t, conversation.Unavailable, err).Ambiguous)
	out, err := exchange(first)
	require.NoError(t, err)
	require.Equal(t, "answer 1", out.Messages[0].Text())
	require.False(t, out.Messages[0].Time.IsZero())
	require.Equal(t, 2, out.Count)
	require.Equal(t, 1, out.Taken)
	sends := p.Sends(ref)
	require.Len(t, sends, 2)
	require.Equal(t, sends[0], sends[1])
	require.NotEmpty(t, sends[0].IdempotencyKey)

	p.EndNext(ref)
	out, err = exchange(activities.ExchangeInput{Before: 2, Messages: []conversation.Message{agent("bye")}})
	require.NoError(t, err)
	require.True(t, out.Ended)
	require.Equal(t, conversation.EndedByPersona, out.EndedBy)
	require.Equal(t, "answer 2", out.Messages[0].Text(), "another exchange has another key")
}

// silent answers nothing.
type silent struct{ platformtest.FakeTransport }

func (*silent) Send(context.Context, conversation.Ref, platforms.Send) (platforms.Reply, error) {
	return platforms.Reply{}, nil
}

func TestTransportWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	e := on(t, &silent{})
	_, err := run[activities.ExchangeResult](t, e, e.activities.Exchange, activities.ExchangeInput{Ref: ref})
	detailsOf(t, conversation.Unavailable, err)
}

func TestNotify(t *testing.T) {
	t.Parallel()
	p := &platformtest.FakeTransport{}
	e := on(t, wrapped{wrapped{p}})
	_, err := run[activities.NotifyResult](t, e, e.activities.Notify, activities.NotifyInput{
		Platform: "fake", Event: conversation.Event{Type: conversation.EventStarted, Number: 1, Conversation: ref},
	})
	require.NoError(t, err)
	events := p.Events()
	require.Len(t, events, 1)
	require.Equal(t, conversation.EventStarted, events[0].Type)
	require.NotEmpty(t, events[0].Run, "events are distinguished by the run")

	e = on(t, p)
	_, err = run[activities.NotifyResult](t, e, e.activities.Notify, activities.NotifyInput{Platform: "another"})
	require.ErrorContains(t, err, "this worker knows only fake")
	require.Equal(t, "give all workers of a task queue the same platforms", detailsOf(t, conversation.Unavailable, err).Remedy)
}

// wrapped changes nothing about a platform.
type wrapped struct{ platforms.Platform }

func (w wrapped) Unwrap() platforms.Platform { return w.Platform }

// A platform that does not listen is not notified, however often: that is final.
func TestNotifyWithoutAListener(t *testing.T) {
	t.Parallel()
	e := on(t, oneTask(conversation.Task{}))
	_, err := run[activities.NotifyResult](t, e, e.activities.Notify, activities.NotifyInput{Platform: "fake"})
	detailsOf(t, conversation.Invalid, err)
	require.ErrorContains(t, err, `platform "fake": it does not listen to events`)
}
