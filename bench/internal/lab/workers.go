package lab

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/parley-run/parley/internal/httpclient"
	"github.com/parley-run/parley/internal/pause"
	"github.com/parley-run/parley/internal/process"
)

// pages reads the workers' own.
var pages = httpclient.New(httpclient.Config{Timeout: 10 * time.Second})

// WorkerOptions describe a worker of ours.
type WorkerOptions struct {
	// TaskQueue of a worker that continues another's work. Empty: one of its own.
	TaskQueue string
	// Platform may be nil: the worker serves direct conversations only.
	Platform *Platform
	// Model is how long each reply takes. Size is its length in bytes.
	Model time.Duration
	Size  int
	// MaxOpen is how many conversations may be open.
	MaxOpen int
	// MaxActivities is how many activities run at once. Zero: the default.
	MaxActivities int
	// NoInbox leaves it to the caller to start conversations.
	NoInbox bool
	// StickyCache is how many conversations stay in the worker's memory. Zero: the default.
	StickyCache int
}

// Executor is its name in the workers' configuration.
const Executor = "model"

// StartWorker starts a worker of ours and returns when it is ready.
func (l *Lab) StartWorker(ctx context.Context, opts WorkerOptions) (*Process, error) {
	name := l.Name("worker")
	if opts.TaskQueue == "" {
		opts.TaskQueue = name
	}
	script, config := filepath.Join(l.Dir, name+"-script.yaml"), filepath.Join(l.Dir, name+".yaml")
	if err := os.WriteFile(script, []byte("fallback: "+strconv.Quote(text(opts.Size, "agent", 0))+"\n"), 0o600); err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	if err := os.WriteFile(config, []byte(configuration(opts, script)), 0o600); err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	health, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(l.worker, "--config", config, "--temporal-address", l.Stack.Address, "--health-addr", health,
		"--sticky-cache", strconv.Itoa(opts.StickyCache),
		"--max-activities", strconv.Itoa(cmp.Or(opts.MaxActivities, process.DefaultMaxActivities)), "--log-level", "warn", "--no-inbox="+strconv.FormatBool(opts.NoInbox))
	cmd.Env = append(environment(), "ONERUN_API_KEY="+key)
	p, err := l.run(name, cmd)
	if err != nil {
		return nil, err
	}
	p.health = health
	if err := p.ready(ctx); err != nil {
		p.Kill()
		return nil, err
	}
	return p, nil
}

func configuration(opts WorkerOptions, script string) string {
	out := fmt.Sprintf("task_queue: %s\nexecutors:\n  %s:\n    type: scripted\n    script: %s\n    latency: %s\n", opts.TaskQueue, Executor, script, opts.Model)
	if opts.Platform == nil {
		return out + fmt.Sprintf("agents:\n  desk:\n    executor: %s\n", Executor)
	}
	return out + fmt.Sprintf(`platforms:
  %[1]s:
    type: onerun
    base_url: %[2]s
    api_key: ${ONERUN_API_KEY}
    max_open: %[3]d
agents:
  desk:
    platform: %[1]s
    project: %[4]s
    agent: %[5]s
    executor: %[6]s
`, opts.Platform.Name, opts.Platform.URL, opts.MaxOpen, opts.Platform.Project, opts.Platform.Agent, Executor)
}

// BareOptions describe a worker with nothing but the activities.
type BareOptions struct {
	TaskQueue string
	Platform  *Platform
	Model     time.Duration
	Size      int
	// MaxActivities is how many activities run at once. Zero: as many as in a worker of ours.
	MaxActivities int
}

// BareCommand is the first argument with which this program is a bare worker.
const BareCommand = "bare-worker"

// StartBareWorker starts the bare worker, which bench/internal/bare has, in a process of
// its own.
func (l *Lab) StartBareWorker(opts BareOptions) (*Process, error) {
	cmd := exec.Command(l.self, BareCommand, "--temporal-address", l.Stack.Address, "--task-queue", opts.TaskQueue,
		"--max-activities", strconv.Itoa(opts.MaxActivities), "--platform", opts.Platform.URL, "--model", opts.Model.String(), "--reply", text(opts.Size, "agent", 0))
	cmd.Env = append(environment(), "ONERUN_API_KEY="+key)
	return l.run(l.Name("bare"), cmd)
}

// StartPythonWorker starts OneRun's Python SDK's own worker with an agent that takes a
// fixed time.
func (l *Lab) StartPythonWorker(opts WorkerOptions, source string) (*Process, error) {
	cmd := exec.Command("python3", filepath.Join(source, "bench", "onerun_python", "serve.py"))
	cmd.Env = append(environment(), "ONERUN_API_KEY="+key, "ONERUN_API_BASE_URL="+opts.Platform.URL,
		"PROJECT_ID="+opts.Platform.Project, "AGENT_ID="+opts.Platform.Agent,
		"MODEL_SECONDS="+strconv.FormatFloat(opts.Model.Seconds(), 'f', -1, 64), "REPLY="+text(opts.Size, "agent", 0),
		"MAX_OPEN="+strconv.Itoa(opts.MaxOpen))
	return l.run(l.Name("python"), cmd)
}

// environment is what programs need of this one's: no settings that change what they do.
func environment() []string {
	var out []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "XDG_CACHE_HOME"} {
		if value, ok := os.LookupEnv(name); ok {
			out = append(out, name+"="+value)
		}
	}
	return out
}

// Heartbeats is how many the worker has sent to Temporal.
func (p *Process) Heartbeats(ctx context.Context) (int64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.health+"/metrics", http.NoBody)
	if err != nil {
		return 0, fmt.Errorf("lab: %w", err)
	}
	res, err := pages.Do(req)
	if err != nil {
		return 0, fmt.Errorf("lab: metrics of %s: %w", p.Name, err)
	}
	defer func() { _ = res.Body.Close() }()
	page, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, fmt.Errorf("lab: metrics of %s: %w", p.Name, err)
	}
	sum := 0.0
	for line := range strings.Lines(string(page)) {
		if strings.HasPrefix(line, "temporal_request_total{") && strings.Contains(line, `operation="RecordActivityTaskHeartbeat"`) {
			n, err := strconv.ParseFloat(strings.TrimSpace(line[strings.LastIndexByte(line, ' ')+1:]), 64)
			if err != nil {
				return 0, fmt.Errorf("lab: metrics of %s: %w", p.Name, err)
			}
			sum += n
		}
	}
	if !strings.Contains(string(page), "temporal_request_total{") {
		return 0, fmt.Errorf("lab: %s counts no requests to Temporal", p.Name)
	}
	return int64(sum), nil
}

// ready waits until the worker says that it is.
func (p *Process) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.health+"/readyz", http.NoBody)
		if err != nil {
			return fmt.Errorf("lab: %w", err)
		}
		if res, err := pages.Do(req); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		if err := p.Ended(); err != nil {
			return err
		}
		if err := pause.For(ctx, 50*time.Millisecond); err != nil {
			return fmt.Errorf("lab: %s is not ready: %w; %s", p.Name, err, p.logged())
		}
	}
}

func freeAddress(ctx context.Context) (string, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("lab: %w", err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String(), nil
}
