package activities_test

import (
	"encoding/json"
	"slices"
	"strings"
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
	resend := func(in *activities.ExchangeInput) { in.OnAmbiguous = conversation.ResendAmbiguous }
	once := func(in *activities.ExchangeInput) { in.Resend = true }
	readOnly := func(in *activities.ExchangeInput) { in.ReadOnly = true }
	prove := func(in *activities.ExchangeInput) { in.ReadOnly, in.Prove = true, true }

	for name, tc := range map[string]struct {
		held  []conversation.Message // by the platform, before
		setup func(*fakePlatform)
		in    []conversation.Message
		tried *activities.Mark
		more  func(*activities.ExchangeInput)

		want  activities.ExchangeResult
		kind  conversation.Kind // of the error
		text  string            // in it
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
		"an earlier attempt gets through while the transcript is read": {
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
		"an earlier attempt has left no trace": {
			held: opened, in: []conversation.Message{agent("hi")}, tried: tried, kind: conversation.Ambiguous,
		},
		"an earlier opening has left no trace": {
			tried: tried, kind: conversation.Ambiguous,
		},
		"an earlier attempt has left no trace, and may be repeated by policy": {
			held: opened, in: []conversation.Message{agent("hi")}, tried: tried, more: resend,
			want: activities.ExchangeResult{Messages: []conversation.Message{persona("yes")}, Count: 3, Taken: 1}, sends: 1,
		},
		"an operator wants it sent again": {
			held: opened, in: []conversation.Message{agent("hi")}, tried: tried, more: once,
			want: activities.ExchangeResult{Messages: []conversation.Message{persona("yes")}, Count: 3, Taken: 1}, sends: 1,
		},
		"an operator wanted it sent again, and it was": {
			held: opened, in: []conversation.Message{agent("hi")}, tried: &activities.Mark{Time: time.Now(), Sends: 2},
			more: func(in *activities.ExchangeInput) {
				in.Resend = true
				in.Tried = &activities.Mark{Time: time.Now(), Sends: 1}
			},
			kind: conversation.Ambiguous,
		},
		"an operator wants it sent again, but it is there": {
			held: opened, in: []conversation.Message{agent("hi")}, tried: tried, more: once,
			setup: func(p *fakePlatform) { p.take(agent("hi"), persona("found")) },
			want:  activities.ExchangeResult{Messages: []conversation.Message{persona("found")}, Count: 3, Taken: 1},
		},
		"reading alone shows nothing": {
			held: opened, in: []conversation.Message{agent("hi")}, tried: &activities.Mark{Time: time.Now(), Answered: true}, more: readOnly,
			kind: conversation.Ambiguous,
		},
		"reading proves that nothing is there": {
			held: opened, in: []conversation.Message{agent("hi")}, tried: &activities.Mark{Time: time.Now(), Answered: true}, more: prove,
			want: activities.ExchangeResult{Absent: true, Count: 1},
		},
		"reading proves nothing: ours is there without an answer": {
			held: opened, in: []conversation.Message{agent("hi")}, tried: &activities.Mark{Time: time.Now(), Answered: true}, more: prove,
			setup: func(p *fakePlatform) { p.take(agent("hi")) },
			kind:  conversation.Ambiguous,
		},
		"reading proves that the answer is there": {
			held: opened, in: []conversation.Message{agent("hi")}, tried: tried, more: prove,
			setup: func(p *fakePlatform) { p.take(agent("hi"), persona("late")) },
			want:  activities.ExchangeResult{Messages: []conversation.Message{persona("late")}, Count: 3, Taken: 1},
		},
		"reading alone shows the answer": {
			held: opened, in: []conversation.Message{agent("hi")}, tried: tried, more: readOnly,
			setup: func(p *fakePlatform) { p.take(agent("hi"), persona("late")) },
			want:  activities.ExchangeResult{Messages: []conversation.Message{persona("late")}, Count: 3, Taken: 1},
		},
		"an earlier attempt was answered and had no effect": {
			held: opened, in: []conversation.Message{agent("hi")}, tried: &activities.Mark{Time: time.Now(), Answered: true},
			want: activities.ExchangeResult{Messages: []conversation.Message{persona("yes")}, Count: 3, Taken: 1}, sends: 1,
		},
		"an earlier attempt was answered, and ours is there without an answer": {
			held: opened, in: []conversation.Message{agent("hi")}, tried: &activities.Mark{Time: time.Now(), Answered: true},
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
		"an earlier attempt got through, and its answer is still to come": {
			held: opened, in: []conversation.Message{agent("hi")}, tried: tried,
			setup: func(p *fakePlatform) { p.take(agent("hi")) },
			kind:  conversation.Ambiguous,
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
		"another speaks after our request": {
			held: opened, in: []conversation.Message{agent("hi")}, tried: tried,
			setup: func(p *fakePlatform) { p.take(agent("from another worker"), persona("what?")) },
			kind:  conversation.Diverged, text: `message 2 is assistant "from another worker", expected assistant "hi"`,
		},
		"a gateway has delivered it twice": {
			held: opened, in: []conversation.Message{agent("hi")}, tried: tried,
			setup: func(p *fakePlatform) { p.take(agent("hi"), persona("yes"), agent("hi"), persona("yes?")) },
			kind:  conversation.Diverged, text: `message 4 is assistant "hi", expected a message of the other side`,
		},
		"another has ended it before we spoke": {
			held: opened, in: []conversation.Message{agent("hi")},
			setup: func(p *fakePlatform) {
				p.take(agent("from another worker"), persona("bye"))
				p.send = func(*fakePlatform, platforms.Send) (platforms.Reply, error) {
					return platforms.Reply{}, &conversation.Error{Kind: conversation.Ended}
				}
			},
			kind: conversation.Claimed, sends: 1,
		},
		"another has ended it after we had spoken": {
			held: opened, in: []conversation.Message{agent("hi")}, more: func(in *activities.ExchangeInput) { in.Spoken = true },
			setup: func(p *fakePlatform) {
				p.take(agent("from another worker"), persona("bye"))
				p.send = func(*fakePlatform, platforms.Send) (platforms.Reply, error) {
					return platforms.Reply{}, &conversation.Error{Kind: conversation.Ended}
				}
			},
			kind: conversation.Diverged, sends: 1,
		},
		"the platform holds less than before": {
			held: nil, in: []conversation.Message{agent("hi")}, tried: tried,
			setup: func(p *fakePlatform) { p.transcript.Messages = nil },
			kind:  conversation.Unavailable,
		},
		"white space does not count": {
			held: opened, in: []conversation.Message{agent("hi\r\n there ")}, tried: tried,
			setup: func(p *fakePlatform) { p.take(agent("hi\nthere"), persona("found")) },
			want:  activities.ExchangeResult{Messages: []conversation.Message{persona("found")}, Count: 3, Taken: 1},
		},
		"data is sent as its JSON": {
			held: opened, in: []conversation.Message{{Role: conversation.RoleAssistant, Parts: []conversation.Part{
				{Type: conversation.PartData, Data: json.RawMessage(`{"a": 1}`)},
			}}}, tried: tried,
			setup: func(p *fakePlatform) { p.take(agent(`{"a":1}`), persona("found")) },
			want:  activities.ExchangeResult{Messages: []conversation.Message{persona("found")}, Count: 3, Taken: 1},
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
			if name == "the platform holds less than before" {
				before = 3
			}
			if tc.setup != nil {
				tc.setup(p)
			}
			e := newEnv(t, p, nil, settle)
			in := activities.ExchangeInput{Ref: ref, Turn: 1, Before: before, Messages: tc.in, Tried: tc.tried}
			if tc.more != nil {
				tc.more(&in)
			}
			if tc.tried != nil && in.Tried != tc.tried { // what an attempt before this one has left
				e.SetHeartbeatDetails(*tc.tried)
			}
			out, err := run[activities.ExchangeResult](t, e, e.activities.Exchange, in)
			require.Len(t, p.sends, tc.sends)
			if tc.kind != "" {
				var app *temporal.ApplicationError
				require.ErrorAs(t, err, &app)
				require.Equal(t, string(tc.kind), app.Type(), app.Message())
				require.Contains(t, app.Message(), tc.text)
				return
			}
			require.NoError(t, err)
			if !tc.want.HandedOver {
				tc.want.Place(in)
			}
			require.Equal(t, tc.want, timeless(t, out))
		})
	}
}

// A gateway that delivers a message twice is found out after a success: what came back
// counts, and the conversation parks.
func TestExchangeDeliveredTwice(t *testing.T) {
	t.Parallel()
	p := &fakePlatform{}
	p.take(persona("hello"))
	p.send = func(p *fakePlatform, in platforms.Send) (platforms.Reply, error) {
		if _, err := answer(p, in); err != nil {
			return platforms.Reply{}, err
		}
		return answer(p, in)
	}
	e := newEnv(t, p, nil, time.Hour)
	out, err := run[activities.ExchangeResult](t, e, e.activities.Exchange, activities.ExchangeInput{
		Ref: ref, Turn: 1, Before: 1, Messages: []conversation.Message{agent("hi")},
	})
	require.NoError(t, err)
	require.Equal(t, "yes", out.Messages[0].Text())
	require.Equal(t, 5, out.Count, "the platform's count")
	require.Equal(t, conversation.Diverged, out.Park.Kind)
	require.Contains(t, out.Park.Reason, `message 4 is assistant "hi"`)
}

// What the platform says that it took is compared too.
func TestExchangeEcho(t *testing.T) {
	t.Parallel()
	p := &fakePlatform{}
	p.send = func(p *fakePlatform, in platforms.Send) (platforms.Reply, error) {
		reply, err := answer(p, in)
		reply.Echo = []conversation.Message{agent("hi"), agent("hi")}
		return reply, err
	}
	e := newEnv(t, p, nil, time.Hour)
	out, err := run[activities.ExchangeResult](t, e, e.activities.Exchange, activities.ExchangeInput{
		Ref: ref, Turn: 1, Messages: []conversation.Message{agent("hi")},
	})
	require.NoError(t, err)
	require.Contains(t, out.Park.Reason, `message 2 is assistant "hi"`)
}

// More messages than can be recorded are an error that is not retried: the platform would
// be sent the agent's message again each time.
func TestExchangeOfTooManyMessages(t *testing.T) {
	t.Parallel()
	p := &fakePlatform{}
	p.send = func(p *fakePlatform, in platforms.Send) (platforms.Reply, error) {
		p.take(in.Messages...)
		reply := platforms.Reply{Messages: slices.Repeat([]conversation.Message{persona("x")}, 100_000)}
		p.take(reply.Messages...)
		return reply, nil
	}
	e := newEnv(t, p, nil, time.Hour)
	_, err := run[activities.ExchangeResult](t, e, e.activities.Exchange, activities.ExchangeInput{Ref: ref, Turn: 1, Messages: []conversation.Message{agent("hi")}})
	var app *temporal.ApplicationError
	require.ErrorAs(t, err, &app)
	require.Equal(t, string(conversation.Invalid), app.Type())
	require.True(t, app.NonRetryable())
}

// Messages of any size are recorded: cut, with a mark.
func TestExchangeOversize(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		answers []int
		on      conversation.OnOversize
		parks   bool
	}{
		"fits":                  {answers: []int{1000}},
		"as many as fit":        {answers: slices.Repeat([]int{1000}, 1000)},
		"three megabytes":       {answers: []int{3 << 20}},
		"many of a megabyte":    {answers: []int{1 << 20, 1 << 20, 1 << 20, 1 << 20, 1 << 20}},
		"three megabytes, park": {answers: []int{3 << 20}, on: conversation.ParkOversize, parks: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &fakePlatform{}
			p.send = func(p *fakePlatform, in platforms.Send) (platforms.Reply, error) {
				var reply platforms.Reply
				p.take(in.Messages...)
				for _, n := range tc.answers {
					reply.Messages = append(reply.Messages, persona(strings.Repeat("<", n)))
				}
				p.take(reply.Messages...)
				return reply, nil
			}
			e := newEnv(t, p, nil, time.Hour)
			out, err := run[activities.ExchangeResult](t, e, e.activities.Exchange, activities.ExchangeInput{
				Ref: ref, Turn: 1, Messages: []conversation.Message{agent("hi")}, OnOversize: tc.on,
			})
			require.NoError(t, err)
			data, err := json.Marshal(out)
			require.NoError(t, err)
			require.Less(t, len(data), 1500<<10)
			require.Len(t, out.Messages, len(tc.answers))
			require.Equal(t, tc.parks, out.Park != nil)
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
		"taken by another worker, which sends": {setup: func(p *fakePlatform) {
			p.claim = taken
			p.take(persona("hello"))
		}, tried: tried},
		"taken and ended by another worker": {setup: func(p *fakePlatform) {
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
	out.TookMS = 0 // TestMetricsOfConversations measures it
	return out
}
