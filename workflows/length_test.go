package workflows_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/workflows"
)

// A narrowModel takes so many bytes, and answers like the activity: it has the whole
// conversation and sends the part of it that it is asked for.
type narrowModel struct {
	takes int
	all   []conversation.Message
	asked []activities.ReplyInput
	state bool // it keeps the conversation on its side
}

func (m *narrowModel) reply(_ context.Context, _ int, in activities.ReplyInput) (activities.ReplyResult, error) {
	m.asked = append(m.asked, in)
	m.all = append(m.all[:in.Before:in.Before], in.New...)
	w := conversation.Bounds{Bytes: in.LimitBytes}.Window(m.all)
	size := w.Size()
	continued := len(in.State) > 0 && !in.Anew
	if continued {
		size = conversation.Window{Messages: m.all}.Size()
	}
	if size > m.takes {
		return activities.ReplyResult{}, fails(conversation.ContextTooLong, "too long", activities.ErrorDetails{
			Sent: &activities.SentMessages{Messages: len(w.Messages), Bytes: w.Size(), Least: w.Least, Continued: continued},
		})
	}
	out := says("answer")
	if m.state {
		out.State = []byte(`"kept"`)
	}
	if in.LimitBytes > 0 {
		out.Sent = &activities.SentMessages{Bytes: w.Size()}
	}
	m.all = append(m.all, out.Message)
	return out, nil
}

func (m *narrowModel) limits() []int {
	var out []int
	for _, in := range m.asked {
		out = append(out, in.LimitBytes)
	}
	return out
}

// continued is the input of the run that follows.
func (s *stage) continued() workflows.ConversationInput {
	s.t.Helper()
	var again *workflow.ContinueAsNewError
	require.ErrorAs(s.t, s.env.GetWorkflowError(), &again)
	var in workflows.ConversationInput
	require.NoError(s.t, converter.GetDefaultDataConverter().FromPayloads(again.Input, &in))
	return in
}

// What does not fit is halved until it fits, however often, and what fitted is remembered:
// later turns, also those after continuing as new, are asked once.
func TestContextTooLong(t *testing.T) {
	t.Parallel()
	for name, state := range map[string]bool{"stateless": false, "with a record on its side": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			model := &narrowModel{takes: 1000, state: state}
			for range 20 {
				model.all = append(model.all, conversation.Text(conversation.RoleUser, strings.Repeat("u", 300)), conversation.Text(conversation.RoleAssistant, strings.Repeat("a", 300)))
			}
			s.context = func(int, activities.ContextInput) (activities.ContextResult, error) {
				out := holds(20, 1)
				out.Messages = []conversation.Message{conversation.Text(conversation.RoleUser, "hello")}
				return out, nil
			}
			s.reply = model.reply
			s.exchange = func(_ context.Context, _ int, in activities.ExchangeInput) (activities.ExchangeResult, error) {
				out := answered(in)
				out.Ended = false
				return out, nil
			}
			in := input("mem")
			in.Policy.RunTurns = 23
			s.run(in)
			next := s.continued()
			limits := model.limits()
			require.Greater(t, len(limits), 4)
			require.Zero(t, limits[0])
			last := limits[len(limits)-1]
			require.LessOrEqual(t, last, 1000)
			require.Equal(t, last, next.Carried.LimitBytes, "it survives continue-as-new")
			turns := map[int]int{}
			for _, in := range model.asked {
				turns[in.Turn]++
			}
			if !state {
				require.Equal(t, 1, turns[22], "a refused call is paid once")
			} else {
				require.LessOrEqual(t, turns[22], 2, "its own record is begun anew once")
			}
		})
	}
}

// Where the newest message alone does not fit, the conversation parks, or ends as its policy
// says. An operator who resumes it has made it fit.
func TestNewestMessageTooLong(t *testing.T) {
	t.Parallel()
	for name, onExhausted := range map[string]conversation.OnExhausted{"parks": conversation.Park, "ends": conversation.EndConversation} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			model := &narrowModel{takes: 50}
			s.context = func(int, activities.ContextInput) (activities.ContextResult, error) { return holds(3, 7), nil }
			s.reply = model.reply
			s.after(time.Hour, func() {
				if onExhausted == conversation.Park {
					status := s.status()
					require.Equal(t, workflows.StateNeedsAttention, status.State)
					require.Equal(t, conversation.ContextTooLong, status.Attention.Kind)
					model.takes = 10_000
					s.update(workflows.UpdateResume, workflows.ResumeRequest{})
				}
			})
			in := input("mem")
			in.Policy.OnExhausted = onExhausted
			s.run(in)
			refused := 0
			for i, in := range model.asked {
				if i > 0 && in.LimitBytes == 0 {
					break
				}
				refused++
			}
			require.LessOrEqual(t, refused, 4)
			if onExhausted == conversation.EndConversation {
				require.ErrorContains(t, s.env.GetWorkflowError(), "too long")
				return
			}
			require.Equal(t, conversation.OutcomeEnded, s.outcome().Kind)
			require.Zero(t, model.asked[refused].LimitBytes, "everything is tried again")
		})
	}
}

// A talkative model says a word at a time, and is cut off after each but the last.
func talkative(words ...string) func(context.Context, int, activities.ReplyInput) (activities.ReplyResult, error) {
	return func(_ context.Context, _ int, in activities.ReplyInput) (activities.ReplyResult, error) {
		out := says(strings.Join(words[:in.Part+1], " "))
		out.Usage = conversation.Usage{OutputTokens: 1}
		if in.Part+1 < len(words) {
			out.FinishReason, out.Message.CutOff = executors.FinishLength, true
		}
		return out, nil
	}
}

// A reply that is cut off is sent, continued or refused, as the policy says. What was said
// so far is sent where no more can be had.
func TestOnLength(t *testing.T) {
	t.Parallel()
	words := []string{"one", "two", "three"}
	for name, tt := range map[string]struct {
		on     conversation.OnLength
		words  []string
		tokens int64 // max_tokens
		fails  func(in activities.ReplyInput) error
		want   string
		cutOff bool
		asked  int
	}{
		"of an earlier version": {words: words, want: "one", cutOff: true, asked: 1},
		"sent":                  {on: conversation.SendCutOff, words: words, want: "one", cutOff: true, asked: 1},
		"continued":             {on: conversation.ContinueCutOff, words: words, want: "one two three", asked: 3},
		"whole":                 {on: conversation.ContinueCutOff, words: words[:1], want: "one", asked: 1},
		"without an end":        {on: conversation.ContinueCutOff, words: strings.Fields("1 2 3 4 5 6 7 8"), want: "1 2 3 4 5", cutOff: true, asked: 5},
		"the budget ends":       {on: conversation.ContinueCutOff, words: words, tokens: 2, want: "one two", cutOff: true, asked: 2},
		"the rest does not fit": {
			on: conversation.ContinueCutOff, words: words, want: "one two", cutOff: true, asked: 3,
			fails: func(in activities.ReplyInput) error {
				if in.Part < 2 {
					return nil
				}
				return fails(conversation.ContextTooLong, "too long", activities.ErrorDetails{Sent: &activities.SentMessages{Messages: 3, Bytes: 300, Least: true}})
			},
		},
		"fails once": {
			on: conversation.ContinueCutOff, words: words, want: "one two three", asked: 4,
			fails: func() func(in activities.ReplyInput) error {
				n := 0
				return func(in activities.ReplyInput) error {
					if n++; n != 2 {
						return nil
					}
					return fails(conversation.ContextTooLong, "too long", activities.ErrorDetails{Sent: &activities.SentMessages{Messages: 3, Bytes: 300}})
				}
			}(),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			talks := talkative(tt.words...)
			var asked []activities.ReplyInput
			s.reply = func(ctx context.Context, n int, in activities.ReplyInput) (activities.ReplyResult, error) {
				if in.Turn > 1 {
					return activities.ReplyResult{End: true}, nil
				}
				asked = append(asked, in)
				if tt.fails != nil {
					if err := tt.fails(in); err != nil {
						return activities.ReplyResult{}, err
					}
				}
				return talks(ctx, n, in)
			}
			var sent conversation.Message
			s.exchange = func(_ context.Context, _ int, in activities.ExchangeInput) (activities.ExchangeResult, error) {
				if in.Turn == 1 && len(in.Messages) > 0 {
					sent = in.Messages[0]
				}
				return answered(in), nil
			}
			in := input("mem")
			in.Policy.OnLength, in.Policy.MaxTokens = tt.on, tt.tokens
			in.Policy.OnSpent = conversation.EndConversation
			s.run(in)
			require.Equal(t, tt.want, sent.Text())
			require.Equal(t, tt.cutOff, sent.CutOff)
			require.Len(t, asked, tt.asked)
			for _, in := range asked {
				require.Equal(t, asked[0].New, in.New)
				require.Equal(t, in.Part > 0, in.Partial != nil)
				require.False(t, in.Part > 0 && len(in.Tools) > 0)
			}
			if tt.tokens == 0 {
				require.Equal(t, conversation.OutcomeEnded, s.outcome().Kind)
			}
			require.EqualValues(t, len(strings.Fields(tt.want)), s.outcome().Usage.OutputTokens, "each part is counted")
		})
	}
}

// What an operator or the policy says in the agent's name is cleaned like a reply.
func TestOwnTextsAreCleaned(t *testing.T) {
	t.Parallel()
	for name, byOperator := range map[string]bool{"takeover": true, "refusal text": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.reply = func(context.Context, int, activities.ReplyInput) (activities.ReplyResult, error) {
				kind := conversation.Refused
				if byOperator {
					kind = conversation.Invalid
				}
				return activities.ReplyResult{}, fails(kind, "no", activities.ErrorDetails{})
			}
			if byOperator {
				s.after(time.Hour, func() {
					s.update(workflows.UpdateTakeover, workflows.TakeoverRequest{Text: "I\x00 cannot say.", End: true})
				})
			}
			var sent conversation.Message
			s.exchange = func(_ context.Context, _ int, in activities.ExchangeInput) (activities.ExchangeResult, error) {
				if len(in.Messages) > 0 {
					sent = in.Messages[0]
				}
				out := answered(in)
				out.Ended = len(in.Messages) > 0
				return out, nil
			}
			in := input("mem")
			in.Policy.RefusalText = "I\x00 cannot say."
			s.run(in)
			require.Equal(t, "I cannot say.", sent.Text())
			require.Equal(t, 1, sent.Cleaned)
		})
	}
}
