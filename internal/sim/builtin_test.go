package sim_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/sim"
)

// agents are scripted agents: what they write turn by turn, repeated from the start.
var agents = map[string][]string{
	"Helpful": {
		"I'm sorry to hear that. Could you give me your order number, please?",
		"Thank you, I have found your order.",
		"I can offer you a full refund or a replacement. Which do you prefer?",
		"I have arranged that; you will get a confirmation by email within the hour.",
		"Yes, that is correct. It will arrive on Friday.",
		"Is there anything else I can help you with?",
	},
	"Polite": {
		"Hello, thank you for contacting us. How can I help you today?",
		"Thank you for the details. Let me check that for you.",
		"I appreciate your patience.",
		"Our team is looking into it.",
	},
	"Stubborn": {"Please consult our website."},
	"Mute":     {""},
}

// talk lets an agent talk to a persona and returns what the persona says.
func talk(t *testing.T, p sim.Persona, agent []string, seed uint64) (lines []string) {
	t.Helper()
	var messages []conversation.Message
	for i := 0; ; i++ {
		text, end, err := sim.ScriptPlayer{}.Reply(t.Context(), sim.PersonaTurn{Persona: p, Messages: messages, Seed: seed})
		require.NoError(t, err)
		lines = append(lines, text)
		if end {
			return lines
		}
		require.Less(t, i, 50, "%s goes on for ever", p.Key)
		require.NotEmpty(t, text, "%s is silent but stays", p.Key)
		messages = append(messages, conversation.Text(conversation.RoleUser, text),
			conversation.Text(conversation.RoleAssistant, agent[min(i, len(agent)-1)]))
	}
}

func TestBuiltinPersonasComeToAnEnd(t *testing.T) {
	t.Parallel()
	for name, agent := range agents {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lengths := map[int]bool{}
			for _, p := range sim.Builtin().Personas {
				for seed := range uint64(5) {
					lines := talk(t, p, agent, seed)
					messages := 2*len(lines) - 1
					lengths[messages] = true
					require.GreaterOrEqual(t, messages, 3, p.Key)
					require.LessOrEqual(t, messages, 19, p.Key)
					require.Equal(t, lines, talk(t, p, agent, seed), "%s is not deterministic", p.Key)
					if testing.Verbose() && seed == 0 {
						t.Logf("%s, %d messages: %s", p.Key, messages, strings.Join(lines, " / "))
					}
				}
			}
			require.Greater(t, len(lengths), 2, "all conversations are of much the same length")
		})
	}
}

func TestBuiltinIsVaried(t *testing.T) {
	t.Parallel()
	s := sim.Builtin()
	require.GreaterOrEqual(t, len(s.Personas), 12)
	require.NoError(t, s.Validate())
	styles := map[string]bool{}
	for _, p := range s.Personas {
		styles[p.Attributes["speech_style"]] = true
		require.NotEmpty(t, p.Story, p.Key)
		require.NotEmpty(t, p.Attributes["age_group"], p.Key)
	}
	require.Len(t, styles, len(s.Personas))
}
