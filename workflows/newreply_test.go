package workflows_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/workflows"
)

// resumeAnew asks for a new reply. then is called with why that was refused, if it was.
func (s *stage) resumeAnew(then func(error)) {
	s.env.UpdateWorkflow(workflows.UpdateResume, "", &testsuite.TestUpdateCallback{
		OnAccept: func() { then(nil) }, OnReject: then, OnComplete: func(any, error) {},
	}, workflows.ResumeRequest{NewReply: true})
}

// A reply that the platform does not take is dropped where it certainly does not have it,
// and another is asked for, under other keys. Its tools are not called again.
func TestNewReply(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	done := &activities.Mark{Time: at, Sends: 3, Answered: true}
	for name, tt := range map[string]struct {
		fails   error
		read    activities.ExchangeResult // of the transcript
		readErr error
		asked   bool // a new reply is
		found   bool // the first one is there
		refused bool
	}{
		"rejected": {
			fails: fails(conversation.Invalid, "NUL cannot be stored", activities.ErrorDetails{}), asked: true,
		},
		"answered with an error, and not there": {
			fails: fails(conversation.Unavailable, "500", activities.ErrorDetails{Ambiguous: true, Mark: done}),
			read:  activities.ExchangeResult{Absent: true}, asked: true,
		},
		"answered with an error, and there": {
			fails: fails(conversation.Unavailable, "500", activities.ErrorDetails{Ambiguous: true, Mark: done}),
			read: activities.ExchangeResult{
				Taken: 1, Count: 3, Messages: []conversation.Message{conversation.Text(conversation.RoleUser, "go on")},
			},
			found: true,
		},
		"answered with an error, there and not answered": {
			fails:   fails(conversation.Unavailable, "500", activities.ErrorDetails{Ambiguous: true, Mark: done}),
			readErr: fails(conversation.Ambiguous, "not shown", activities.ErrorDetails{Ambiguous: true, Mark: done}),
		},
		"lost": {
			fails:   fails(conversation.Unavailable, "timeout", activities.ErrorDetails{Ambiguous: true, Mark: &activities.Mark{Time: at, Sends: 1}}),
			refused: true,
		},
		"ambiguous": {
			fails:   fails(conversation.Ambiguous, "not shown", activities.ErrorDetails{Ambiguous: true, Mark: done}),
			readErr: fails(conversation.Ambiguous, "not shown", activities.ErrorDetails{Ambiguous: true, Mark: done}),
			refused: true,
		},
		"nothing is known": {fails: context.DeadlineExceeded, refused: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			var asked []activities.ReplyInput
			var sent []activities.ExchangeInput
			reads := 0
			s.reply = func(_ context.Context, _ int, in activities.ReplyInput) (activities.ReplyResult, error) {
				if in.Turn > 1 {
					return activities.ReplyResult{End: true}, nil
				}
				asked = append(asked, in)
				if len(asked) == 1 {
					return plans(activities.PlannedCall{CallID: "1", Tool: "find"}), nil
				}
				out := says(fmt.Sprintf("reply %d", len(asked)))
				out.State, out.Usage = []byte(`"kept"`), conversation.Usage{OutputTokens: 5}
				return out, nil
			}
			var want error
			s.exchange = func(_ context.Context, _ int, in activities.ExchangeInput) (activities.ExchangeResult, error) {
				switch {
				case in.ReadOnly:
					reads++
					return tt.read, tt.readErr
				case len(in.Messages) > 0 && len(sent) == 0:
					sent = append(sent, in)
					return activities.ExchangeResult{}, tt.fails
				case len(in.Messages) > 0:
					sent = append(sent, in)
				}
				return answered(in), nil
			}
			s.after(30*time.Second, func() {
				attention := s.status().Attention
				require.Equal(t, !tt.refused, attention.NewReply)
				s.resumeAnew(func(err error) {
					if want = err; err != nil {
						s.update(workflows.UpdateResume, workflows.ResumeRequest{})
					}
				})
			})
			s.after(time.Hour, func() {
				if a := s.status().Attention; a != nil { // it could not be found out
					require.Contains(t, a.Reason, "could not be read")
					require.True(t, a.NewReply)
					s.update(workflows.UpdateResume, workflows.ResumeRequest{})
				}
			})
			in := toolInput()
			in.Policy.PlatformAttempts = 1
			s.run(in)
			require.Equal(t, conversation.OutcomeEnded, s.outcome().Kind)
			require.Equal(t, 1, s.called(activities.CallToolName), "no tool is called again")
			if tt.refused {
				require.ErrorContains(t, want, "it cannot be replaced")
			} else {
				require.NoError(t, want)
			}
			if !tt.asked {
				require.Len(t, asked, 2)
				require.EqualValues(t, 5, s.outcome().Usage.OutputTokens)
				if tt.found {
					require.Len(t, sent, 1)
				} else {
					require.Equal(t, sent[0].Messages, sent[1].Messages)
				}
				return
			}
			require.Len(t, asked, 3)
			anew := asked[2]
			require.Equal(t, asked[0].Turn, anew.Turn)
			require.NotEqual(t, asked[0].Reconciled, anew.Reconciled, "its keys are others")
			require.NotEqual(t, sent[0].Reconciled, sent[1].Reconciled)
			require.Empty(t, anew.State, "what the executor keeps has the dropped reply")
			require.Len(t, anew.New, 3, "the message, the calls, the results")
			require.Equal(t, "reply 2", sent[0].Messages[0].Text())
			require.Equal(t, "reply 3", sent[1].Messages[0].Text())
			require.Equal(t, sent[0].Turn, sent[1].Turn)
			require.EqualValues(t, 10, s.outcome().Usage.OutputTokens, "both were paid for")
			require.Equal(t, 1, s.outcome().Turns)
		})
	}
}

// Without a reply that waits to be sent there is none to ask for anew.
func TestNewReplyOfNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.reply = func(_ context.Context, n int, _ activities.ReplyInput) (activities.ReplyResult, error) {
		if n == 1 {
			return activities.ReplyResult{}, fails(conversation.Invalid, "no", activities.ErrorDetails{})
		}
		return activities.ReplyResult{End: true}, nil
	}
	s.after(time.Minute, func() {
		require.False(t, s.status().Attention.NewReply)
		s.resumeAnew(func(err error) {
			require.ErrorContains(t, err, "not parked with a reply to send")
			s.update(workflows.UpdateResume, workflows.ResumeRequest{})
		})
	})
	s.run(input("mem"))
	require.Equal(t, conversation.OutcomeEnded, s.outcome().Kind)
}
