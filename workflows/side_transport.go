package workflows

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/conversation"
)

// transportSide is a conversation whose messages a platform answers, one by one, and of
// which it holds nothing: there is nothing to claim, to read or to end.
type transportSide struct{ platformSide }

var _ side = (*transportSide)(nil)

func (s *transportSide) begin(ctx workflow.Context) (*ending, error) {
	s.open(ctx)
	s.agent.choose(s.about, s.policy.Executors)
	return nil, nil
}

// reconcile ends the conversation: what was sent last is not known, and nothing is sent
// twice by guess.
func (s *transportSide) reconcile(workflow.Context, bool) (*ending, error) {
	return noTranscript(s.in.Ref.Platform), nil
}

func (s *transportSide) end(workflow.Context, *ending) {}

func noTranscript(platform string) *ending {
	return &ending{
		kind: conversation.OutcomeFailed, cause: conversation.Reset,
		detail: fmt.Sprintf("the workflow was reset, and platform %q keeps no transcript to go on from: start a new conversation", platform),
	}
}
