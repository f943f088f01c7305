package activities_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/tools"
)

// A deaf executor has no use for tools.
type deaf struct{ *executortest.Fake }

func (deaf) Toolless() bool { return true }

// A closedShop cannot be asked.
type closedShop struct{ activities.Tools }

func (closedShop) Offer(context.Context, []string) ([]tools.Offered, error) {
	return nil, errors.New("closed")
}

// The servers of tools are not asked for an executor that has no use for them: one
// that is down must not hold up its replies.
func TestToolsAreNotListedForNobody(t *testing.T) {
	t.Parallel()
	ask := func(e oneExecutor) error {
		env := newEnvWith(t, activities.Config{
			Platforms: map[string]platforms.Instance{"fake": {Name: "fake", Platform: &fakePlatform{}}},
			Executors: e, Tools: closedShop{},
		})
		_, err := run[activities.ReplyResult](t, env, env.activities.Reply, activities.ReplyInput{Ref: ref, Turn: 1, Tools: []string{"shop"}})
		return err
	}
	require.ErrorContains(t, ask(oneExecutor{&executortest.Fake{}}), "closed")
	require.NoError(t, ask(oneExecutor{deaf{&executortest.Fake{}}}))
}
