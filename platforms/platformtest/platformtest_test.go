package platformtest_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms/platformtest"
)

// refs names one conversation after the other.
func refs(add func(conversation.Ref)) func(testing.TB) conversation.Ref {
	var n atomic.Int64
	return func(testing.TB) conversation.Ref {
		i := n.Add(1)
		ref := conversation.Ref{
			Platform: "fake", Project: "p", Agent: "a", Simulation: fmt.Sprint("s", i), ID: fmt.Sprint("c", i),
		}
		add(ref)
		return ref
	}
}

var unknown = conversation.Ref{Platform: "fake", Project: "p", Agent: "a", Simulation: "s", ID: "none"}

func TestFakeConversations(t *testing.T) {
	t.Parallel()
	for _, agentFirst := range []bool{false, true} {
		t.Run(fmt.Sprint("AgentFirst=", agentFirst), func(t *testing.T) {
			t.Parallel()
			platformtest.RunConversations(t, func(testing.TB) platformtest.ConversationsFixture {
				f := &platformtest.FakeConversations{Project: "p", Agent: "a", AgentFirst: agentFirst}
				return platformtest.ConversationsFixture{
					Platform: f, Fresh: refs(f.Add), Unknown: unknown, Project: "p", Agent: "a", AgentFirst: agentFirst,
					Limit: 4, TakesKeys: true,
					LoseAnswer: func(testing.TB) { f.LoseAnswers(1) },
					BadRow:     func(testing.TB) { f.AddBadRow() },
				}
			})
		})
	}
}

func TestFakeTasks(t *testing.T) {
	t.Parallel()
	platformtest.RunTasks(t, func(testing.TB) platformtest.TasksFixture {
		f := &platformtest.FakeTasks{}
		return platformtest.TasksFixture{
			Platform: f, Unknown: unknown,
			Fresh:        refs(func(ref conversation.Ref) { f.Add(ref, conversation.Task{}) }),
			Cancel:       func(_ testing.TB, ref conversation.Ref) { f.Cancel(ref) },
			Acknowledged: func(_ testing.TB, ref conversation.Ref) int { return len(f.Reports(ref)) },
			BadRow:       func(testing.TB) { f.AddBadRow() },
		}
	})
}

func TestFakeTransport(t *testing.T) {
	t.Parallel()
	platformtest.RunTransport(t, func(testing.TB) platformtest.TransportFixture {
		f := &platformtest.FakeTransport{}
		return platformtest.TransportFixture{
			Platform: f, Fresh: refs(func(conversation.Ref) {}),
			EndNext:    func(_ testing.TB, ref conversation.Ref) { f.EndNext(ref) },
			LoseAnswer: func(testing.TB) { f.LoseAnswers(1) },
			Asked:      func(_ testing.TB, ref conversation.Ref) int { return len(f.Sends(ref)) },
		}
	})
}
