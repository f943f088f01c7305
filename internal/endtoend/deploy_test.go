package endtoend_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/worker"

	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/logtest"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/internal/sim"
	"github.com/parley-run/parley/workflows"
)

// Conversations outlive a roll to another build, a ramp, three builds at once, a build whose
// workers are gone, and the way back; a build that cannot continue them gets none, by its own
// start or by starter deploy.
func TestDeploys(t *testing.T) {
	t.Parallel()
	d := newDeploys(t)
	a := d.worker(t, workerBinary, "a")
	d.starter(t, 0, "deploy", "--deployment-name", d.name, "--build-id", "a")
	ids := d.conversations(t, 6)
	first := d.starter(t, 0, "send", "desk", "Hello", "--id", "idle-"+d.Name)
	require.NotEmpty(t, first)

	// A plain roll: A's workers go, and all conversations continue.
	b := d.worker(t, otherBinary, "b")
	b.until(t, "this build can continue open workflows")
	out := d.starter(t, 0, "deploy", "--build-id", "b", "--wait")
	require.Contains(t, out, "before it: "+d.name+":a")
	a.stop(t)
	d.requireTurns(t, ids)
	require.NotEmpty(t, d.starter(t, 0, "send", "desk", "Still there?", "--resume", "idle-"+d.Name), "the idle one has moved too")

	// A build that cannot continue them does not start, and is not known to Temporal then.
	c := d.worker(t, changedBinary, "c")
	require.Equal(t, 3, c.wait(t), c.log())
	require.Contains(t, c.log(), "cannot continue open workflows")
	require.Contains(t, c.log(), "--replay-check=false")
	described, err := d.deployment().Describe(t.Context(), client.WorkerDeploymentDescribeOptions{})
	require.NoError(t, err)
	for _, v := range described.Info.VersionSummaries {
		require.NotEqual(t, "c", v.Version.BuildID)
	}
	// With the check off it starts, and starter deploy refuses it.
	c = d.worker(t, changedBinary, "c", "--replay-check=false")
	var refused struct {
		State   string
		Current string
		Replay  struct{ Failures []struct{ ID, Reason string } }
	}
	require.NoError(t, json.Unmarshal([]byte(d.starter(t, 3, "deploy", "--build-id", "c", "--output", "json")), &refused))
	require.Equal(t, "refused", refused.State)
	require.Equal(t, d.name+":b", refused.Current)
	require.GreaterOrEqual(t, len(refused.Replay.Failures), 6)
	require.Contains(t, refused.Replay.Failures[0].Reason, "this build")
	c.stop(t)

	// Three builds: one conversation is pinned to B, and an interrupted ramp stays where it is.
	e := d.worker(t, workerBinary, "e")
	_, err = d.Client.UpdateWorkflowExecutionOptions(t.Context(), client.UpdateWorkflowExecutionOptionsRequest{
		WorkflowId: ids[0],
		WorkflowExecutionOptionsChanges: client.WorkflowExecutionOptionsChanges{VersioningOverride: &client.VersioningOverrideChange{
			Value: &client.PinnedVersioningOverride{Version: worker.WorkerDeploymentVersion{DeploymentName: d.name, BuildID: "b"}},
		}},
	})
	require.NoError(t, err)
	d.interruptRamp(t, "e")
	d.requireTurns(t, ids)
	out = d.starter(t, 0, "deploy", "--build-id", "e", "--ramp", "50", "--hold", "100ms")
	require.Contains(t, out, fmt.Sprintf("pinned to %s:b: 1", d.name))

	// B is gone for good: what is pinned to it waits until it is moved.
	b.stop(t)
	d.requireTurns(t, ids[1:])
	require.Equal(t, "moving "+ids[0]+"\n", d.starter(t, 0, "move", ids[0], "--as", "ada", "--reason", "b is gone"))
	d.requireTurns(t, ids)
	act := d.act(t, ids[0])
	require.Equal(t, []string{"move", "ada"}, []string{act.Action, act.By})
	require.Contains(t, act.Detail, "b is gone")

	// Back to A.
	a = d.worker(t, workerBinary, "a")
	d.starter(t, 0, "deploy", "--build-id", "a", "--wait")
	e.stop(t)
	d.requireTurns(t, ids)
	a.stop(t)
}

// deploys is an agent on a deployment of its own.
type deploys struct {
	*rig.Rig
	name    string
	dir     string
	environ []string
}

const deploysConfig = `task_queue: %s
platforms:
  %[2]s: {type: onerun, base_url: %[3]s, api_key: "${ONERUN_API_KEY}", max_open: 6, poll_interval: 500ms}
executors:
  agent: {type: scripted, latency: 500ms}
agents:
  desk: {platform: %[2]s, project: %[4]s, agent: %[5]s, executor: agent}
`

func newDeploys(t *testing.T) deploys {
	t.Helper()
	r := rig.New(t, localstacktest.Client(t), rig.Options{
		Sim: sim.Config{Player: rig.Endless{}}, Setup: sim.Setup{Conversations: 6, MaxTurns: 1000},
	})
	d := deploys{Rig: r, name: "deploys-" + r.Name, dir: t.TempDir()}
	text := fmt.Sprintf(deploysConfig, r.TaskQueue, r.Name, r.URL, r.Seeded.ProjectID, r.Seeded.AgentID)
	require.NoError(t, os.WriteFile(filepath.Join(d.dir, "parley.yaml"), []byte(text), 0o600))
	d.environ = []string{
		"TEMPORAL_ADDRESS=" + localstacktest.Address(t), "HOME=" + d.dir, "PATH=" + os.Getenv("PATH"), "ONERUN_API_KEY=" + rig.APIKey,
	}
	t.Cleanup(func() {
		in := r.InboxInput()
		ids := []string{workflows.InboxID(in.Platform, in.Project, in.Agent), "direct/desk/idle-" + d.Name}
		for _, c := range r.Sim.Report().Conversations {
			ids = append(ids, strings.Join([]string{r.Name, r.Seeded.ProjectID, c.ID}, "/"))
		}
		for _, id := range ids {
			_ = r.Client.TerminateWorkflow(t.Context(), id, "", "test over")
		}
	})
	return d
}

func (d deploys) deployment() client.WorkerDeploymentHandle {
	return d.Client.WorkerDeploymentClient().GetHandle(d.name)
}

// worker starts a worker of a build.
func (d deploys) worker(t *testing.T, binary func() (string, error), build string, args ...string) *versionedWorker {
	t.Helper()
	bin, err := binary()
	require.NoError(t, err)
	w := &versionedWorker{cmd: exec.Command(bin, append([]string{"--health-addr", "", "--deployment-name", d.name, "--build-id", build}, args...)...)}
	w.cmd.Dir, w.cmd.Env, w.cmd.Stdout, w.cmd.Stderr = d.dir, d.environ, &w.out, &w.out
	require.NoError(t, w.cmd.Start())
	w.end = sync.OnceValue(func() int {
		_ = w.cmd.Wait()
		return w.cmd.ProcessState.ExitCode()
	})
	t.Cleanup(func() {
		_ = w.cmd.Process.Kill()
		w.end()
		if t.Failed() {
			t.Logf("worker of build %s:\n%s", build, w.log())
		}
	})
	return w
}

// A versionedWorker is a process of one build.
type versionedWorker struct {
	cmd *exec.Cmd
	out logtest.Buffer
	end func() int
}

func (w *versionedWorker) log() string { return w.out.String() }

func (w *versionedWorker) until(t *testing.T, text string) {
	t.Helper()
	rig.Eventually(t, func() bool { return strings.Contains(w.log(), text) }, "the log has %q", text)
}

// wait returns the exit code of a worker that ends by itself.
func (w *versionedWorker) wait(t *testing.T) (code int) {
	t.Helper()
	over := make(chan int, 1)
	go func() { over <- w.end() }()
	select {
	case code = <-over:
	case <-time.After(rig.Patience):
		t.Fatalf("the worker does not end:\n%s", w.log())
	}
	return code
}

// stop is what an orchestrator does to a worker of an old build.
func (w *versionedWorker) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, w.cmd.Process.Signal(syscall.SIGTERM))
	require.Zero(t, w.wait(t), w.log())
}

func (d deploys) command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	bin, err := starterBinary()
	require.NoError(t, err)
	cmd := exec.Command(bin, args...)
	cmd.Dir, cmd.Env = d.dir, d.environ
	return cmd
}

// starter runs the command of that name.
func (d deploys) starter(t *testing.T, code int, args ...string) string {
	t.Helper()
	cmd := d.command(t, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	_ = cmd.Run()
	require.Equal(t, code, cmd.ProcessState.ExitCode(), "starter %v\n%s%s", args, &stdout, &stderr)
	return stdout.String()
}

// interruptRamp begins a ramp and presses Ctrl-C in its first step.
func (d deploys) interruptRamp(t *testing.T, build string) {
	t.Helper()
	cmd := d.command(t, "deploy", "--build-id", build, "--ramp", "10,50", "--hold", "1h")
	var out logtest.Buffer
	cmd.Stderr = &out
	require.NoError(t, cmd.Start())
	rig.Eventually(t, func() bool {
		described, err := d.deployment().Describe(t.Context(), client.WorkerDeploymentDescribeOptions{})
		return err == nil && described.Info.RoutingConfig.RampingVersionPercentage == 10
	}, "the build ramps\n%s", &out)
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	_ = cmd.Wait()
	require.Equal(t, 130, cmd.ProcessState.ExitCode(), "%s", &out)
	require.Contains(t, out.String(), fmt.Sprintf("current: %[1]s:b; %[1]s:%[2]s ramps at 10 %%", d.name, build))
	require.Contains(t, out.String(), fmt.Sprintf("to go back: starter deploy --deployment-name %s --build-id b", d.name))
}

// act is what an operator's act has left in a history.
func (d deploys) act(t *testing.T, id string) (act workflows.ActRecord) {
	t.Helper()
	events := d.Client.GetWorkflowHistory(t.Context(), id, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		e, err := events.Next()
		require.NoError(t, err)
		if signal := e.GetWorkflowExecutionSignaledEventAttributes(); signal.GetSignalName() == workflows.SignalAct {
			require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(signal.GetInput(), &act))
		}
	}
	return act
}

// conversations waits until the inbox has opened that many, and returns their workflow ids.
func (d deploys) conversations(t *testing.T, n int) []string {
	t.Helper()
	var ids []string
	rig.Eventually(t, func() bool {
		ids = nil
		for _, c := range d.Sim.Report().Conversations {
			if c.AgentMessages > 0 {
				ids = append(ids, strings.Join([]string{d.Name, d.Seeded.ProjectID, c.ID}, "/"))
			}
		}
		return len(ids) == n
	}, "%d conversations talk", n)
	return ids
}

func (d deploys) messages() map[string]int {
	said := map[string]int{}
	for _, c := range d.Sim.Report().Conversations {
		said[strings.Join([]string{d.Name, d.Seeded.ProjectID, c.ID}, "/")] = c.AgentMessages
	}
	return said
}

// requireTurns waits until each of the conversations has had two more turns.
func (d deploys) requireTurns(t *testing.T, ids []string) {
	t.Helper()
	before := d.messages()
	var standing []string
	rig.Eventually(t, func() bool {
		standing = nil
		now := d.messages()
		for _, id := range ids {
			if now[id] < before[id]+2 {
				standing = append(standing, id)
			}
		}
		return len(standing) == 0
	}, "conversations stand still: %v", &standing)
}

// otherBinary is another build of the same source.
var otherBinary = sync.OnceValues(func() (string, error) {
	return builtAs("worker-other", "worker", "-ldflags", "-s -w -X github.com/parley-run/parley/internal/version.linked=v0.0.0-other")
})

// changedBinary is a build whose conversations begin with a timer that no history has.
var changedBinary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "parley-changed-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	folder, err := filepath.Abs("../../workflows")
	if err != nil {
		return "", err
	}
	register, err := os.ReadFile(filepath.Join(folder, "register.go"))
	if err != nil {
		return "", err
	}
	changed := strings.Replace(string(register), "RegisterWorkflowWithOptions(Conversation,", "RegisterWorkflowWithOptions(changedConversation,", 1)
	if changed == string(register) {
		return "", fmt.Errorf("workflows/register.go registers no Conversation")
	}
	overlay := map[string]map[string]string{"Replace": {}}
	for name, text := range map[string]string{"register.go": changed, "changed.go": `package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/conversation"
)

func changedConversation(ctx workflow.Context, in ConversationInput) (conversation.Outcome, error) {
	_ = workflow.Sleep(ctx, time.Millisecond)
	return Conversation(ctx, in)
}
`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return "", err
		}
		overlay["Replace"][filepath.Join(folder, name)] = filepath.Join(dir, name)
	}
	data, err := json.Marshal(overlay)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return "", err
	}
	return builtAs("worker-changed", "worker", "-ldflags", "-s -w", "-overlay", path)
})
