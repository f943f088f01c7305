package command

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/workflows"
)

// An agent whose platform cannot be asked for work has no inbox to start.
func TestAgentsWithoutInbox(t *testing.T) {
	t.Parallel()
	agents := []config.Agent{{Name: "desk", Platform: "main", Project: "p", Agent: "a"}, {Name: "talker", Platform: "direct"}}
	ids, without := withInbox(agents, map[string]workflows.InboxInput{workflows.InboxID("main", "p", "a"): {}})
	require.Equal(t, []string{"inbox/main/p/a"}, ids)
	require.Equal(t, []string{`agent "talker"`}, without)
}
