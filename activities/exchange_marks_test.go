package activities_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
)

// What is done about an earlier request: what the transcript shows, against what the marks
// say, against what the policy and the operator want.
func TestReconcileTable(t *testing.T) {
	t.Parallel()
	const settle = time.Minute
	hi, yes := agent("hi"), persona("yes")
	shows := map[string][]conversation.Message{
		"nothing": nil, "ours": {hi}, "ours and an answer": {hi, yes}, "another's": {agent("from another"), yes}, "an answer alone": {yes},
	}
	marks := map[string]activities.Mark{
		"lost": {Sends: 1}, "cut off": {Sends: 1, Cut: time.Unix(1, 0)}, "answered": {Sends: 1, Answered: true}, "sent twice": {Sends: 2},
	}
	for shown, messages := range shows {
		for known, mark := range marks {
			for _, want := range []string{"park", "resend by policy", "resend by an operator", "read only"} {
				t.Run(shown+"/"+known+"/"+want, func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						p := &fakePlatform{send: answer}
						p.transcript.State = platforms.StateOpen
						p.take(persona("hello"))
						p.take(messages...)
						mark := mark
						mark.Time = time.Now()
						if !mark.Cut.IsZero() {
							mark.Cut = mark.Time.Add(time.Second)
						}
						in := activities.ExchangeInput{Ref: ref, Turn: 1, Before: 1, Messages: []conversation.Message{hi}, Tried: &mark}
						switch want {
						case "resend by policy":
							in.OnAmbiguous = conversation.ResendAmbiguous
						case "resend by an operator":
							in.Resend = true
						case "read only":
							in.ReadOnly = true
						}
						e := newEnv(t, p, nil, settle)
						e.SetTestTimeout(time.Hour)
						out, err := run[activities.ExchangeResult](t, e, e.activities.Exchange, in)
						switch {
						case shown == "another's" || shown == "an answer alone":
							detailsOf(t, conversation.Diverged, err)
							require.Empty(t, p.sends, "nothing is sent into a conversation that differs")
						case shown == "ours and an answer":
							require.NoError(t, err)
							require.Empty(t, p.sends)
							require.Equal(t, []conversation.Message{yes}, timeless(t, out).Messages)
						case want == "read only", want == "park" && known != "answered":
							details := detailsOf(t, conversation.Ambiguous, err)
							require.Empty(t, p.sends)
							require.Equal(t, mark.Sends, details.Mark.Sends)
							require.Contains(t, details.Remedy, "starter resume sends it again")
						default:
							require.NoError(t, err)
							require.Len(t, p.sends, 1)
							require.Equal(t, shown == "nothing", len(p.sends[0]) == 1, "what is there is not sent again")
							require.Equal(t, []conversation.Message{persona("hello"), hi, yes}, p.transcript.Messages)
							require.Equal(t, 3, out.Count)
						}
					})
				})
			}
		}
	}
}

// While a request runs, heartbeats say so: the next attempt reckons from then on.
func TestExchangeMarksARunningRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &fakePlatform{}
		p.send = func(p *fakePlatform, in platforms.Send) (platforms.Reply, error) {
			time.Sleep(90 * time.Second)
			return answer(p, in)
		}
		e := newEnv(t, p, nil, time.Hour)
		e.SetTestTimeout(time.Hour)
		var marks []activities.Mark
		e.SetOnActivityHeartbeatListener(func(_ *activity.Info, details converter.EncodedValues) {
			var m activities.Mark
			if details.HasValues() && details.Get(&m) == nil {
				marks = append(marks, m)
			}
		})
		begin := time.Now()
		out, err := run[activities.ExchangeResult](t, e, e.activities.Exchange, activities.ExchangeInput{Ref: ref, Slowest: time.Second})
		require.NoError(t, err)
		require.Equal(t, 90*time.Second, out.Slowest)
		require.WithinDuration(t, begin, marks[0].Time, time.Second)
		require.Equal(t, 1, marks[0].Sends)
		require.Zero(t, marks[0].Running, "the mark precedes the request")
	})
}
