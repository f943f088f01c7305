package activities_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
)

func TestExchange(t *testing.T) {
	t.Parallel()
	opened := []conversation.Message{persona("hello")}
	ended := platforms.Transcript{State: platforms.StateEnded, EndedBy: conversation.EndedByPersona, EndDetail: "persona_decided"}
	tried := &activities.Mark{Time: time.Now()}
	const settle = 50 * time.Millisecond

	for name, tc := range map[string]struct {
		held  []conversation.Message // by the platform, before
		setup func(*fakePlatform)
		in    []conversation.Message
		tried *activities.Mark

		want  activities.ExchangeResult
		kind  conversation.Kind // of the error
		sends int
	}{
		"the other side opens": {
			want: activities.ExchangeResult{Messages: []conversation.Message{persona("yes")}, Count: 1}, sends: 1,
		},
		"a message and its answer": {
			held: opened, in: []conversation.Message{agent("hi")},
			want: activities.ExchangeResult{Messages: []conversation.Message{persona("yes")}, Count: 3, Taken: 1}, sends: 1,
		},
		"last words, and why it ended": {
			held: opened, in: []conversation.Message{agent("hi")},
			setup: func(p *fakePlatform) {
				p.send = func(p *fakePlatform, in platforms.Send) (platforms.Reply, error) {
					p.take(in.Messages...)
					p.take(persona("bye"))
					messages := p.transcript.Messages
					p.transcript = ended
					p.transcript.Messages = messages
					return platforms.Reply{Messages: []conversation.Message{persona("bye")}, Ended: true}, nil
				}
			},
			want: activities.ExchangeResult{
				Messages: []conversation.Message{persona("bye")}, Count: 3, Taken: 1, Ended: true,
				EndedBy: conversation.EndedByPersona, EndDetail: "persona_decided",
			}, sends: 1,
		},
		"an earlier attempt got through": {
			held: opened, in: []conversation.Message{agent("hi")}, tried: tried,
			setup: func(p *fakePlatform) { p.take(agent("hi"), persona("found")) },
			want:  activities.ExchangeResult{Messages: []conversation.Message{persona("found")}, Count: 3, Taken: 1},
		},
		"an earlier attempt gets through while we look": {
			held: opened, in: []conversation.Message{agent("hi")}, tried: &activities.Mark{Time: time.Now().Add(time.Minute)},
			setup: func(p *fakePlatform) {
				p.onRead = func(p *fakePlatform) {
					if p.readings == 2 {
						p.take(agent("hi"), persona("late"))
					}
				}
			},
			want: activities.ExchangeResult{Messages: []conversation.Message{persona("late")}, Count: 3, Taken: 1},
		},
		"an earlier attempt did not get through": {
			held: opened, in: []conversation.Message{agent("hi")}, tried: tried,
			want: activities.ExchangeResult{Messages: []conversation.Message{persona("yes")}, Count: 3, Taken: 1}, sends: 1,
		},
		"an earlier attempt got through but nobody answered": {
			held: opened, in: []conversation.Message{agent("hi")}, tried: tried,
			setup: func(p *fakePlatform) {
				p.take(agent("hi"))
				p.send = func(p *fakePlatform, in platforms.Send) (platforms.Reply, error) {
					if len(in.Messages) > 0 {
						t.Error("sent again what is there")
					}
					return answer(p, in)
				}
			},
			want: activities.ExchangeResult{Messages: []conversation.Message{persona("yes")}, Count: 3, Taken: 1}, sends: 1,
		},
		"it ended before": {
			held: opened, in: []conversation.Message{agent("hi")},
			setup: func(p *fakePlatform) {
				p.transcript.State, p.transcript.EndedBy = platforms.StateEnded, conversation.EndedByTurnLimit
				p.send = func(*fakePlatform, platforms.Send) (platforms.Reply, error) {
					return platforms.Reply{}, &conversation.Error{Kind: conversation.Ended}
				}
			},
			want: activities.ExchangeResult{Count: 1, Ended: true, EndedBy: conversation.EndedByTurnLimit}, sends: 1,
		},
		"it ended while an earlier attempt was lost": {
			held: opened, in: []conversation.Message{agent("hi")}, tried: tried,
			setup: func(p *fakePlatform) { p.transcript.State = platforms.StateEnded },
			want:  activities.ExchangeResult{Count: 1, Ended: true},
		},
		"somebody else speaks": {
			held: opened, in: []conversation.Message{agent("hi")}, tried: tried,
			setup: func(p *fakePlatform) { p.take(agent("from another worker"), persona("what?")) },
			kind:  conversation.Claimed,
		},
		"somebody else speaks after us": {
			held: opened, in: []conversation.Message{agent("hi")}, tried: tried,
			setup: func(p *fakePlatform) { p.take(agent("hi"), persona("yes"), agent("and another")) },
			kind:  conversation.Claimed,
		},
		"the platform forgot": {
			held: nil, in: []conversation.Message{agent("hi")}, tried: tried,
			setup: func(p *fakePlatform) { p.transcript.Messages = nil },
			kind:  conversation.Invalid,
		},
		"an answer without a message": {
			held: opened, in: []conversation.Message{agent("hi")},
			setup: func(p *fakePlatform) {
				p.send = func(*fakePlatform, platforms.Send) (platforms.Reply, error) { return platforms.Reply{}, nil }
			},
			kind: conversation.Invalid, sends: 1,
		},
		"a connection lost": {
			held: opened, in: []conversation.Message{agent("hi")},
			setup: func(p *fakePlatform) {
				p.send = func(*fakePlatform, platforms.Send) (platforms.Reply, error) { return platforms.Reply{}, errLost }
			},
			kind: conversation.Unavailable, sends: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &fakePlatform{send: answer}
			p.transcript.State = platforms.StateOpen
			p.take(tc.held...)
			before := len(tc.held)
			if name == "the platform forgot" {
				before = 3
			}
			if tc.setup != nil {
				tc.setup(p)
			}
			e := newEnv(t, p, nil, settle)
			out, err := run[activities.ExchangeResult](t, e, e.activities.Exchange, activities.ExchangeInput{
				Ref: ref, Turn: 1, Before: before, Messages: tc.in, Tried: tc.tried,
			})
			require.Len(t, p.sends, tc.sends)
			if tc.kind != "" {
				var app *temporal.ApplicationError
				require.ErrorAs(t, err, &app)
				require.Equal(t, string(tc.kind), app.Type())
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.want, timeless(t, out))
		})
	}
}

// The mark is with the server before the message goes out, so that a kill between
// the two cannot make the next attempt send blindly.
func TestExchangeMarksBeforeSending(t *testing.T) {
	t.Parallel()
	p := &fakePlatform{}
	marked := false
	p.send = func(p *fakePlatform, in platforms.Send) (platforms.Reply, error) {
		if !marked {
			t.Error("sent without a mark")
		}
		return answer(p, in)
	}
	e := newEnv(t, p, nil, 0)
	e.SetOnActivityHeartbeatListener(func(_ *activity.Info, details converter.EncodedValues) {
		var mark activities.Mark
		if details.Get(&mark) == nil && !mark.Time.IsZero() {
			marked = true
		}
	})
	_, err := run[activities.ExchangeResult](t, e, e.activities.Exchange, activities.ExchangeInput{Ref: ref})
	require.NoError(t, err)
}

// A reading that fails after the end costs nothing: the next attempt finds all.
func TestExchangeReadFailsAfterEnd(t *testing.T) {
	t.Parallel()
	p := &fakePlatform{readErrs: []error{errLost}}
	p.send = func(p *fakePlatform, in platforms.Send) (platforms.Reply, error) {
		p.take(in.Messages...)
		p.take(persona("bye"))
		p.transcript.State, p.transcript.EndedBy = platforms.StateEnded, conversation.EndedByPersona
		return platforms.Reply{Messages: []conversation.Message{persona("bye")}, Ended: true}, nil
	}
	e := newEnv(t, p, nil, time.Hour)
	in := activities.ExchangeInput{Ref: ref, Messages: []conversation.Message{agent("hi")}}
	_, err := run[activities.ExchangeResult](t, e, e.activities.Exchange, in)
	require.Error(t, err)
	e = newEnv(t, p, nil, time.Hour)
	e.SetHeartbeatDetails(activities.Mark{Time: time.Now(), Answered: true})
	out, err := run[activities.ExchangeResult](t, e, e.activities.Exchange, in)
	require.NoError(t, err)
	require.Equal(t, activities.ExchangeResult{
		Messages: []conversation.Message{persona("bye")}, Count: 2, Taken: 1, Ended: true, EndedBy: conversation.EndedByPersona,
	}, timeless(t, out))
	require.Len(t, p.sends, 1)
}

func TestClaim(t *testing.T) {
	t.Parallel()
	taken := &conversation.Error{Kind: conversation.Claimed}
	tried := &activities.Mark{Time: time.Now()}
	for name, tc := range map[string]struct {
		setup func(*fakePlatform)
		tried *activities.Mark
		want  bool
		kind  conversation.Kind
	}{
		"free":                        {want: true},
		"taken":                       {setup: func(p *fakePlatform) { p.claim = taken }},
		"taken by an earlier attempt": {setup: func(p *fakePlatform) { p.claim = taken }, tried: tried, want: true},
		"taken by a rival who talks": {setup: func(p *fakePlatform) {
			p.claim = taken
			p.take(persona("hello"))
		}, tried: tried},
		"taken and ended by a rival": {setup: func(p *fakePlatform) {
			p.claim = taken
			p.transcript.State = platforms.StateEnded
		}, tried: tried},
		"unreachable": {setup: func(p *fakePlatform) { p.claim = errLost }, kind: conversation.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &fakePlatform{}
			if tc.setup != nil {
				tc.setup(p)
			}
			e := newEnv(t, p, nil, 50*time.Millisecond)
			out, err := run[activities.ClaimResult](t, e, e.activities.Claim, activities.ClaimInput{Ref: ref, Tried: tc.tried})
			if tc.kind != "" {
				var app *temporal.ApplicationError
				require.ErrorAs(t, err, &app)
				require.Equal(t, string(tc.kind), app.Type())
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.want, out.Claimed, out.Detail)
			if !tc.want {
				require.NotEmpty(t, out.Detail)
			}
		})
	}
}

// timeless takes away the times of messages, which every message must have.
func timeless(t *testing.T, out activities.ExchangeResult) activities.ExchangeResult {
	t.Helper()
	for i := range out.Messages {
		require.False(t, out.Messages[i].Time.IsZero())
		out.Messages[i].Time = time.Time{}
	}
	return out
}
