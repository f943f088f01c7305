package activities_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/platforms/platformtest"
)

// shapeless is a platform that only answers Check.
type shapeless struct{}

func (shapeless) Check(context.Context, string, string) error { return nil }

func TestNewConversationReportsEveryFault(t *testing.T) {
	t.Parallel()
	_, err := activities.NewConversation(activities.Config{Platforms: map[string]platforms.Instance{
		"plain": {Platform: shapeless{}}, "empty": {}, "fine": {Platform: &platformtest.FakeTasks{}},
	}})
	require.ErrorContains(t, err, "no executors")
	require.ErrorContains(t, err, `platform "plain": platforms: activities_test.shapeless is none of Conversations, Tasks and Transport`)
	require.ErrorContains(t, err, `platform "empty": platforms: there is no platform`)
	require.NotContains(t, err.Error(), "fine")

	a, err := activities.NewConversation(activities.Config{Executors: oneExecutor{}})
	require.NoError(t, err, "direct conversations need no platform")
	e := newEnvOf(t, a)
	_, err = run[activities.ClaimResult](t, e, a.Claim, activities.ClaimInput{Ref: ref})
	detailsOf(t, conversation.Unavailable, err)
	require.ErrorContains(t, err, `platform "fake": this worker knows none`)
	a.Wait()
}

// A conversation from its claim to its end, over the whole of package activities.
func TestConversationSteps(t *testing.T) {
	t.Parallel()
	p := &platformtest.FakeConversations{Turns: 3}
	p.Add(ref)
	e := on(t, p)
	claim, err := run[activities.ClaimResult](t, e, e.activities.Claim, activities.ClaimInput{Ref: ref})
	require.NoError(t, err)
	require.True(t, claim.Claimed)
	require.Nil(t, claim.Receipt)

	e = on(t, p)
	refused, err := run[activities.ClaimResult](t, e, e.activities.Claim, activities.ClaimInput{Ref: ref})
	require.NoError(t, err)
	require.False(t, refused.Claimed)
	require.Contains(t, refused.Detail, "a gateway has delivered this worker's claim twice", "it has no messages")

	in := activities.ExchangeInput{Ref: ref}
	for n := range 2 {
		e = on(t, p)
		out, err := run[activities.ExchangeResult](t, e, e.activities.Exchange, in)
		require.NoError(t, err)
		require.False(t, out.Ended)
		require.Nil(t, out.Park)
		require.Len(t, out.Messages, 1)
		in.Before, in.Spoken, in.Messages = out.Count, true, []conversation.Message{agent("go on " + strings.Repeat("!", n))}
	}

	e = on(t, p)
	about, err := run[activities.ContextResult](t, e, e.activities.Context, activities.ContextInput{Ref: ref, CarryBytes: 1 << 20})
	require.NoError(t, err)
	require.Equal(t, "a test", about.Context.Scenario)
	require.Equal(t, 3, about.Count)
	require.Equal(t, 1, about.Turns)
	require.Equal(t, platforms.StateOpen, about.State)

	e = on(t, p)
	out, err := run[activities.ExchangeResult](t, e, e.activities.Exchange, in)
	require.NoError(t, err)
	require.True(t, out.Ended)
	require.Equal(t, conversation.EndedByPersona, out.EndedBy)
	require.Equal(t, "all was said", out.EndDetail)

	e = on(t, p)
	ended, err := run[activities.EndResult](t, e, e.activities.End, activities.EndInput{Ref: ref})
	require.NoError(t, err, "ending what has ended is no error")
	require.Equal(t, activities.EndResult{EndedBy: conversation.EndedByPersona, EndDetail: "all was said", Count: 5, Turns: 2}, ended)
}

// failing fails as a test sets it, method by method.
type failing struct {
	*platformtest.FakeConversations
	context, transcript, end error
}

func (f *failing) Context(ctx context.Context, ref conversation.Ref) (conversation.Context, error) {
	if f.context != nil {
		return conversation.Context{}, f.context
	}
	return f.FakeConversations.Context(ctx, ref)
}

func (f *failing) Transcript(ctx context.Context, ref conversation.Ref) (platforms.Transcript, error) {
	if f.transcript != nil {
		return platforms.Transcript{}, f.transcript
	}
	return f.FakeConversations.Transcript(ctx, ref)
}

func (f *failing) End(ctx context.Context, ref conversation.Ref) error {
	return errors.Join(f.end, f.FakeConversations.End(ctx, ref))
}

func TestStepsFail(t *testing.T) {
	t.Parallel()
	down := &conversation.Error{Kind: conversation.Unavailable, Op: "x", Err: errors.New("down")}
	over := &conversation.Error{Kind: conversation.Ended, Op: "x", Err: errors.New("over")}
	for name, tt := range map[string]struct {
		failing
		step string
		kind conversation.Kind // empty: none
	}{
		"context":               {failing{context: down}, "context", conversation.Unavailable},
		"transcript of context": {failing{transcript: down}, "context", conversation.Unavailable},
		"end":                   {failing{end: down}, "end", conversation.Unavailable},
		"transcript after end":  {failing{transcript: down}, "end", conversation.Unavailable},
		"it had ended":          {failing{end: over}, "end", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.FakeConversations = &platformtest.FakeConversations{}
			tt.Add(ref)
			e := on(t, &tt.failing)
			var err error
			if tt.step == "end" {
				_, err = run[activities.EndResult](t, e, e.activities.End, activities.EndInput{Ref: ref})
			} else {
				_, err = run[activities.ContextResult](t, e, e.activities.Context, activities.ContextInput{Ref: ref})
			}
			if tt.kind == "" {
				require.NoError(t, err)
				return
			}
			detailsOf(t, tt.kind, err)
		})
	}
}
