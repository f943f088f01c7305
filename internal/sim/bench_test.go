package sim_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/sim"
)

func BenchmarkScriptPlayer(b *testing.B) {
	var messages []conversation.Message
	for _, said := range agents["Helpful"] {
		messages = append(messages, conversation.Text(conversation.RoleUser, "well"), conversation.Text(conversation.RoleAssistant, said))
	}
	turn := sim.PersonaTurn{Persona: sim.Builtin().Personas[0], Messages: messages}
	for b.Loop() {
		_, _, err := sim.ScriptPlayer{}.Reply(b.Context(), turn)
		require.NoError(b, err)
	}
}

// BenchmarkListConversations is a worker's poll of a large simulation.
func BenchmarkListConversations(b *testing.B) {
	bench := setup(b, sim.Config{}, sim.Setup{Conversations: 5000})
	path := bench.sim(0, "/conversations?status=queued&limit=100&offset=2000")
	for b.Loop() {
		bench.get(path)
	}
}

// BenchmarkResponses is an exchange with a state file.
func BenchmarkResponses(b *testing.B) {
	bench := setup(b, sim.Config{Player: chatty, StateFile: b.TempDir() + "/state"}, sim.Setup{Conversations: 2000, MaxTurns: 1 << 16})
	all := bench.conversations(0)
	i := 0
	for b.Loop() {
		bench.post(bench.conv(all[i%len(all)], "/responses"), `{}`)
		i++
	}
}
