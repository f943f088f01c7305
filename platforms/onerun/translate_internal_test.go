package onerun

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What a server calls a role or a reason reaches records: it is short and printable.
func TestNamesAreBounded(t *testing.T) {
	t.Parallel()
	long := "\x1b" + strings.Repeat("m", 2_500_000)
	by, detail := ending(Conversation{Status: ConversationEnded, EndReason: long})
	require.Empty(t, by)
	require.LessOrEqual(t, len(detail), 300)
	_, detail = ending(Conversation{Status: long})
	require.LessOrEqual(t, len(detail), 300)
	require.LessOrEqual(t, len(role(long)), 300)
	require.NotContains(t, string(role(long)), "\x1b")
}
