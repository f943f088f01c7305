package examples_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	common "go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/logtest"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/workflows"
)

// The program of another module, as a process: it leads conversations to their end with
// parts of its own, and no payload of them is readable in Temporal.
func TestEmbed(t *testing.T) {
	t.Parallel()
	temporal := localstacktest.Client(t)
	dir := t.TempDir()
	binary := filepath.Join(dir, "embed")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Dir = "embed"
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)

	desk := filepath.Join(dir, "desk")
	require.NoError(t, os.Mkdir(desk, 0o700))
	const conversations = 3
	for i := range conversations {
		line := fmt.Sprintf(`{"customer": ["Where is order 1042?", "It was paid with 4111 1111 1111 111%d.", "Thanks."]}`, i)
		require.NoError(t, os.WriteFile(filepath.Join(desk, fmt.Sprintf("c%d.json", i)), []byte(line), 0o600))
	}

	var log logtest.Buffer
	cmd := exec.Command(binary)
	cmd.Dir, cmd.Stderr = "embed", &log
	cmd.Env = []string{
		"TEMPORAL_ADDRESS=" + localstacktest.Address(t), "TEMPORAL_CONFIG_FILE=" + filepath.Join(dir, "none.toml"),
		"EMBED_KEY=" + strings.Repeat("1f", 32), "EMBED_FOLDER=" + dir, "EMBED_BUILD_ID=7", "EMBED_HEALTH_ADDRESS=off",
	}
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	// A version gets work once an operator makes it current.
	rig.Eventually(t, func() bool {
		_, err := temporal.WorkerDeploymentClient().GetHandle("embed").SetCurrentVersion(t.Context(),
			client.WorkerDeploymentSetCurrentVersionOptions{BuildID: "7"})
		return err == nil
	}, "%s", &log)

	for i := range conversations {
		ref := conversation.Ref{Platform: "folder", Agent: "desk", ID: fmt.Sprintf("c%d", i)}
		var file struct {
			EndedBy  conversation.EndedBy   `json:"ended_by"`
			Messages []conversation.Message `json:"messages"`
		}
		rig.Eventually(t, func() bool {
			text, err := os.ReadFile(filepath.Join(desk, ref.ID+".json"))
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(text, &file))
			return file.EndedBy != ""
		}, "%s", &log)
		require.Equal(t, conversation.EndedByPersona, file.EndedBy)
		require.Len(t, file.Messages, 6)
		require.Equal(t, "I have looked it up: order 1042: a monstera, arrives tomorrow", file.Messages[1].Text(), "its tool")
		require.Equal(t, "You wrote: It was paid with [card number].", file.Messages[3].Text(), "its executor")

		id := workflows.ConversationID(ref)
		require.NoError(t, temporal.GetWorkflow(t.Context(), id, "").Get(t.Context(), nil))
		requireEncrypted(t, temporal, id)
		described, err := temporal.DescribeWorkflowExecution(t.Context(), id, "")
		require.NoError(t, err)
		require.Equal(t, "7", described.GetWorkflowExecutionInfo().GetVersioningInfo().GetDeploymentVersion().GetBuildId())
	}
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, cmd.Wait(), "%s", &log)
	require.Contains(t, log.String(), `msg="attempt ended" activity=conversation.Reply attempt=1`)
	require.Contains(t, log.String(), `msg="workflow starts" workflow_id=folder//c0`)
}

// requireEncrypted looks at every payload of a history.
func requireEncrypted(t *testing.T, temporal client.Client, id string) {
	t.Helper()
	seen := 0
	check := func(payloads ...*common.Payload) {
		for _, p := range payloads {
			require.Equal(t, "binary/encrypted", string(p.GetMetadata()[converter.MetadataEncoding]))
			require.False(t, bytes.Contains(p.GetData(), []byte("1042")))
			seen++
		}
	}
	events := temporal.GetWorkflowHistory(t.Context(), id, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		require.NoError(t, err)
		check(event.GetWorkflowExecutionStartedEventAttributes().GetInput().GetPayloads()...)
		check(event.GetActivityTaskScheduledEventAttributes().GetInput().GetPayloads()...)
		check(event.GetActivityTaskCompletedEventAttributes().GetResult().GetPayloads()...)
		check(event.GetWorkflowExecutionCompletedEventAttributes().GetResult().GetPayloads()...)
	}
	require.Greater(t, seen, 10)
}
