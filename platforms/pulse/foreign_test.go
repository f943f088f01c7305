package pulse_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/pulsetest"
	"github.com/parley-run/parley/platforms"
)

// Another worker that claims the same tasks is named, whether it was met in a race, is
// at work, or was done a moment ago. Parleys know each other.
func TestForeignWorkers(t *testing.T) {
	t.Parallel()
	const builtIn = "agent-executor-0badcafe"
	for name, do := range map[string]func(b *bundle, id string){
		"at work": func(b *bundle, id string) { b.ClaimAs(id, builtIn) },
		"done": func(b *bundle, id string) {
			execution, _ := b.ClaimAs(id, builtIn)
			b.AckAs(id, builtIn, execution)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, pulsetest.Config{})
			id := b.Add(pulsetest.Schedule{})
			do(b, id)
			require.Empty(t, b.platform.Advice())
			require.Empty(t, b.assigned(t))
			advice := b.platform.Advice()
			require.Len(t, advice, 1)
			require.Contains(t, advice[0], `worker "agent-executor-0badcafe" also claims run_agent and execute_agent tasks`)
			require.Contains(t, advice[0], "a type of their own")
			lists := b.Requests(pulsetest.OpList)
			b.assigned(t)
			require.Equal(t, lists+2, b.Requests(pulsetest.OpList), "it is looked for once a minute")
			require.Equal(t, advice, b.platform.Advice(), "the same words")

			e := isKind(t, conversation.Unavailable, b.another(t).Check(t.Context(), "", ""))
			require.ErrorContains(t, e, builtIn+" also claims tasks")
			require.Contains(t, e.Remedy, "types")

			b.clock.Advance(time.Hour)
			b.assigned(t)
			require.Empty(t, b.platform.Advice(), "it has gone")
			require.NoError(t, b.another(t).Check(t.Context(), "", ""))
		})
	}
	t.Run("in a race", func(t *testing.T) {
		t.Parallel()
		b := setup(t, pulsetest.Config{})
		b.Add(pulsetest.Schedule{})
		ref := b.due(t)
		b.Compete(pulsetest.Rival{Worker: builtIn, After: true})
		_, err := b.platform.Claim(t.Context(), ref, platforms.Claim{Worker: "w"})
		isKind(t, conversation.Claimed, err)
		require.Len(t, b.platform.Advice(), 1)
	})
	t.Run("a Parley", func(t *testing.T) {
		t.Parallel()
		b := setup(t, pulsetest.Config{})
		b.ClaimAs(b.Add(pulsetest.Schedule{}), "parley-other")
		b.assigned(t)
		require.Empty(t, b.platform.Advice())
		require.NoError(t, b.another(t).Check(t.Context(), "", ""))
	})
}
