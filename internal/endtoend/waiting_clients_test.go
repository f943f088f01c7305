package endtoend_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/workflows"
)

// Temporal holds ten unanswered updates of a workflow at once. However many clients wait for
// a reply, operators reach the conversation: else it could neither be resumed nor ended.
func TestOperatorsReachAConversationThatManyWaitFor(t *testing.T) {
	t.Parallel()
	r := rig.New(t, localstacktest.Client(t), rig.Options{Executor: &parrot{}})
	r.StartWorker(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	d := directly(r, "waited-for", conversation.Policy{})
	_, err := r.Launcher.Send(ctx, d, say("first", "hello"))
	require.NoError(t, err)
	id := workflows.ConversationID(d.Input.Ref)
	require.NoError(t, r.Update(t, id, workflows.UpdatePause, workflows.PauseRequest{}))
	var clients errgroup.Group
	for i := range 15 {
		clients.Go(func() error {
			_, err := r.Launcher.Send(ctx, d, say(fmt.Sprint("m", i), "hello"))
			return err
		})
	}
	rig.Eventually(t, func() bool { return r.Status(t, id).Queued == 7 }, "seven wait")
	require.NoError(t, r.Update(t, id, workflows.UpdateResume, workflows.ResumeRequest{}))
	require.NoError(t, clients.Wait())
	require.Equal(t, 16, r.Status(t, id).Turn)
}
