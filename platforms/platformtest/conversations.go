package platformtest

import (
	"testing"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
)

// A ConversationsFixture is a platform of conversations, with a service behind it.
type ConversationsFixture struct {
	Platform platforms.Conversations
	// Fresh makes a conversation that is waiting to be claimed. Every call makes
	// another one, or finds one that no other call has returned.
	Fresh func(testing.TB) conversation.Ref
	// Unknown names a conversation that the platform does not know.
	Unknown conversation.Ref
	// Project and Agent are those of the conversations, for Check and the Source.
	// Empty where the platform has none.
	Project, Agent string
	// AgentFirst is what Context says, and how the suite opens conversations.
	AgentFirst bool
	// Limit is the number of Sends after which a conversation has surely ended.
	Limit int
	// Secrets are what no error may contain.
	Secrets []string
	// TakesKeys means that the platform takes note of Send's IdempotencyKey.
	TakesKeys bool
	// LoseAnswer, if not nil, makes the answer to the next Send get lost after the
	// platform has stored it.
	LoseAnswer func(testing.TB)
	// Front stands before the service that the platform asks by HTTP. Nil: it does not
	// speak HTTP, and the cases about foreign answers and the right to act have nothing
	// to check.
	Front *Front
	// BadRow adds to each list of conversations, from now on, a row that
	// cannot be read. Nil: the platform lists none, or the lists are its own.
	BadRow func(testing.TB)
}

// RunConversations runs the suite of platforms.Conversations. It calls setup for every case, from parallel tests.
func RunConversations(t *testing.T, setup func(testing.TB) ConversationsFixture) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(*testing.T, *bundle)
	}{
		{"Shape", testConversationsShape},
		{"Check", testCheck},
		{"ClaimOnce", testClaimOnce},
		{"ClaimRace", testClaimRace},
		{"Context", testContext},
		{"Opening", testOpening},
		{"States", testStates},
		{"TranscriptGrowsByWhatWasSaid", testTranscriptGrows},
		{"LastWords", testLastWords},
		{"SendAfterEnd", testSendAfterEnd},
		{"EndTwice", testEndTwice},
		{"UnknownConversation", testUnknown},
		{"CancelledContext", testCancelled},
		{"ConcurrentUse", testConcurrentUse},
		{"SameKeyTwice", testSameKeyTwice},
		{"LostAnswer", testLostAnswer},
		{"Source", testSource},
		{"ForeignAnswers", testForeignAnswers},
		{"LostRight", testLostRight},
		{"BadRow", testBadRow},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			c.test(t, &bundle{f, f.Secrets})
		})
	}
}
