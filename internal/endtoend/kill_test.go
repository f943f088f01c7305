package endtoend_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/converter"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/logtest"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/internal/sim"
	"github.com/parley-run/parley/workflows"
)

// Two worker processes, one of which is killed at random moments, again and again,
// while fifty conversations run against a platform that takes no idempotency keys.
func TestKilledWorkers(t *testing.T) {
	t.Parallel()
	const kills, conversations = 24, 50
	r := rig.New(t, localstacktest.Client(t), rig.Options{
		Sim:   sim.Config{Latency: sim.Latency{Min: 50 * time.Millisecond, Max: 400 * time.Millisecond}},
		Setup: sim.Setup{Conversations: conversations, MaxTurns: 11},
	})
	pair := [2]*workerProcess{newProcess(t, r), newProcess(t, r)}
	for _, p := range pair {
		p.start(t)
	}
	pollers := map[string]bool{}
	random := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano())))
	killed, spoken := 0, 0
	deadline := time.After(8 * time.Minute)
	next := time.NewTimer(2 * time.Second)
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for done := false; !done; {
		select {
		case <-deadline:
			t.Fatalf("conversations still going on: %+v\n%s", r.Sim.Report().Simulations, pair[0].log())
		case <-r.Sim.Done():
			done = true
		case <-look.C:
			if name := poller(t, r); name != "" {
				pollers[name] = true
			}
		case <-next.C:
			if killed == kills {
				continue
			}
			// Only when the conversations have gone on since the last kill: on a busy machine a
			// process needs longer to begin than it is left alive.
			if now := messages(r); now > spoken {
				spoken = now
			} else {
				next.Reset(100 * time.Millisecond)
				continue
			}
			victim := pair[random.IntN(2)]
			victim.kill(t)
			victim.start(t)
			killed++
			next.Reset(time.Duration(200+random.IntN(1200)) * time.Millisecond)
		}
	}
	require.GreaterOrEqual(t, killed, 20, "kills while conversations ran")
	r.RequireOnce(t)
	report := r.Sim.Report()
	require.Len(t, report.Conversations, conversations)
	for _, c := range report.Conversations {
		if c.EndReason == "max_turns_reached" {
			require.Equal(t, c.AgentMessages+1, c.PersonaMessages, "conversation %s: order", c.ID)
		}
	}
	require.GreaterOrEqual(t, len(pollers), 2, "the inbox has never moved: %v", pollers)
	t.Logf("%d kills while conversations ran; the inbox was polled by %d processes", killed, len(pollers))
}

// messages counts what has been said in all conversations.
func messages(r *rig.Rig) int {
	n := 0
	for _, c := range r.Sim.Report().Conversations {
		n += c.AgentMessages + c.PersonaMessages
	}
	return n
}

// poller is the worker that polls now, by the heartbeat of its activity.
func poller(t *testing.T, r *rig.Rig) string {
	t.Helper()
	in := r.InboxInput()
	desc, err := r.Client.DescribeWorkflowExecution(t.Context(), workflows.InboxID(in.Platform, in.Project, in.Agent), "")
	if err != nil {
		return "" // not started yet
	}
	for _, pending := range desc.GetPendingActivities() {
		var status activities.PollStatus
		if pending.GetHeartbeatDetails() != nil &&
			converter.GetDefaultDataConverter().FromPayloads(pending.GetHeartbeatDetails(), &status) == nil {
			return status.Worker
		}
	}
	return ""
}

// A workerProcess is a worker on its own.
type workerProcess struct {
	// bin is the program. Empty: the worker command, without health pages.
	bin  string
	args []string
	dir  string
	env  []string
	cmd  *exec.Cmd
	out  logtest.Buffer
	gone chan struct{}
}

var workerBinary = sync.OnceValues(func() (string, error) { return built("worker") })

// binaries is a folder that is removed after the tests.
var binaries = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "parley-programs-") })

// built is one of this module's programs.
func built(name string) (string, error) { return builtAs(name, name, "-ldflags", "-s -w") }

// builtAs is a program under another name, built with flags.
func builtAs(as, name string, flags ...string) (string, error) {
	dir, err := binaries()
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, as)
	args := append(append([]string{"build"}, flags...), "-o", bin, "github.com/parley-run/parley/"+name)
	out, err := exec.Command("go", args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build %s: %w\n%s", name, err, out)
	}
	return bin, nil
}

const processConfig = `task_queue: %s
platforms:
  %s:
    type: onerun
    base_url: %s
    api_key: ${ONERUN_API_KEY}
    settle: 2s
    max_open: 20
    poll_interval: 500ms
executors:
  agent:
    type: scripted
    latency: 100ms
agents:
  desk:
    platform: %s
    project: %s
    agent: %s
    executor: agent
    # A kill right before a send leaves it in doubt: personas here answer well within settle.
    on_ambiguous: resend
`

func newProcess(t *testing.T, r *rig.Rig) *workerProcess {
	t.Helper()
	return configured(t, r, fmt.Sprintf(processConfig, r.TaskQueue, r.Name, r.URL, r.Name, r.Seeded.ProjectID, r.Seeded.AgentID),
		"ONERUN_API_KEY="+rig.APIKey)
}

// configured is a process with that parley.yaml.
func configured(t *testing.T, r *rig.Rig, text string, env ...string) *workerProcess {
	t.Helper()
	p := &workerProcess{dir: t.TempDir()}
	require.NoError(t, os.WriteFile(filepath.Join(p.dir, "parley.yaml"), []byte(text), 0o600))
	p.env = append([]string{
		"TEMPORAL_ADDRESS=" + localstacktest.Address(t), "HOME=" + p.dir, "PATH=" + os.Getenv("PATH"),
	}, env...)
	t.Cleanup(func() {
		p.kill(t)
		in := r.InboxInput()
		_ = r.Client.TerminateWorkflow(t.Context(), workflows.InboxID(in.Platform, in.Project, in.Agent), "", "test over")
	})
	return p
}

func (p *workerProcess) start(t *testing.T) {
	t.Helper()
	if p.bin == "" {
		bin, err := workerBinary()
		require.NoError(t, err)
		p.bin, p.args = bin, []string{"--health-addr", ""}
	}
	p.cmd = exec.Command(p.bin, p.args...)
	p.cmd.Dir, p.cmd.Env = p.dir, p.env
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	require.NoError(t, p.cmd.Start())
	p.gone = make(chan struct{})
	go func(cmd *exec.Cmd, gone chan struct{}) {
		defer close(gone)
		_ = cmd.Wait()
	}(p.cmd, p.gone)
}

// kill gives the process no chance to say goodbye.
func (p *workerProcess) kill(t *testing.T) {
	t.Helper()
	if p.cmd == nil {
		return
	}
	select {
	case <-p.gone:
		t.Errorf("the worker ended by itself:\n%s", p.log())
	default:
	}
	_ = p.cmd.Process.Kill()
	<-p.gone
	p.cmd = nil
}

func (p *workerProcess) log() string { return p.out.String() }
