//go:build unix

package stack

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/parley-run/parley/chaos/internal/account"
	"github.com/parley-run/parley/chaos/internal/plan"
	"github.com/parley-run/parley/chaos/internal/proxy"
	"github.com/parley-run/parley/internal/httpclient"
	"github.com/parley-run/parley/internal/pause"
	"github.com/parley-run/parley/internal/testhook"
	"github.com/parley-run/parley/workflows"
)

// Options describe a stack.
type Options struct {
	Dir           string // for everything; it exists
	Bin           Programs
	Workers       int
	Seed          uint64
	Conversations int
	PassSize      int // conversations that begin at once, every PassEvery
	PassEvery     time.Duration
	MaxOpen       int
	AdoptAfter    time.Duration // zero: nothing is adopted
	DiskBytes     int64         // size of the disk below the Temporal server
}

// Programs are the executables. Self is this program, which is also the peers.
type Programs struct{ Worker, Starter, Simulator, Pulse, Devserver, Self string }

// A Stack is everything that runs.
type Stack struct {
	Options
	Addr     map[string]string // of the services, without a proxy
	Services map[string]*Process
	Workers  []*Process
	Links    []map[string]*proxy.Link // by worker and service
	Project  string
	Agent    string

	faults  *account.Writer
	network *account.Writer
	health  []string
	disk    disk
	// noClocks is why processes have the machine's clock.
	noClocks string
}

// New prepares everything and starts nothing but proxies.
func New(opts Options) (*Stack, error) {
	s := &Stack{Options: opts, Addr: map[string]string{}, Services: map[string]*Process{}}
	var err error
	if s.faults, err = account.Open(s.Path("faults.jsonl")); err != nil {
		return nil, err
	}
	if s.network, err = account.Open(s.Path("network.jsonl")); err != nil {
		return nil, err
	}
	for _, name := range plan.Services {
		if s.Addr[name], err = freeAddr(); err != nil {
			return nil, err
		}
	}
	s.disk = mountDisk(s.Path("disk"), opts.DiskBytes)
	s.Services["temporal"] = s.process("temporal", opts.Bin.Devserver, s.temporalArgs()...)
	s.Services["platform"] = s.process("platform", opts.Bin.Simulator,
		"--addr", s.Addr["platform"], "--api-key", Key, "--env-file", s.Path("platform.env"), "--state", s.Path("platform.jsonl"), "--strict",
		"--conversations", strconv.Itoa(opts.Conversations), "--pass-size", strconv.Itoa(opts.PassSize), "--pass-every", opts.PassEvery.String(),
		"--max-turns", "14", "--latency", "100ms..700ms", "--seed", strconv.FormatUint(opts.Seed%1000+1, 10), "--log-level", "warn")
	s.Services["pulse"] = s.process("pulse", opts.Bin.Pulse, "--addr", s.Addr["pulse"], "--state", s.Path("pulse.jsonl"))
	s.Services["pulse"].Env = append(s.Services["pulse"].Env, "API_KEY="+Key)
	for _, peer := range []string{"model", "tools"} {
		s.Services[peer] = s.process(peer, opts.Bin.Self, "peer", peer, s.Addr[peer], s.Path(peer+".jsonl"))
	}
	return s, nil
}

// Path is a file in the run's folder.
func (s *Stack) Path(name string) string { return filepath.Join(s.Dir, name) }

func (s *Stack) process(name, bin string, args ...string) *Process {
	return &Process{
		Name: name, Bin: bin, Args: args, Dir: s.Dir, Log: s.Path(name + ".log"),
		Env: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.Dir},
	}
}

func (s *Stack) temporalArgs() []string {
	args := []string{"--frontend-address", s.Addr["temporal"], "--ui-address", "", "--db-file", filepath.Join(s.disk.path, "temporal.sqlite"), "--log-level", "error"}
	for _, key := range workflows.SearchAttributes() {
		args = append(args, "--search-attribute", key.GetName()+"="+key.GetValueType().String())
	}
	return args
}

// Start starts the services, then the workers.
func (s *Stack) Start(ctx context.Context, p plan.Plan) error {
	for _, name := range plan.Services {
		if err := s.Services[name].Start(); err != nil {
			return err
		}
	}
	for name, addr := range s.Addr {
		if err := answering(ctx, addr); err != nil {
			return fmt.Errorf("stack: %s: %w; see %s", name, err, s.Services[name].Log)
		}
	}
	if err := s.readEnv(ctx); err != nil {
		return err
	}
	for i := range s.Options.Workers {
		if err := s.addWorker(i); err != nil {
			return err
		}
	}
	if err := s.writeStarter(); err != nil {
		return err
	}
	for i := range s.Workers {
		if err := s.startWorker(p, i, 0); err != nil {
			return err
		}
	}
	return nil
}

// startWorker starts a worker's process with its aim and its clock.
func (s *Stack) startWorker(p plan.Plan, i, life int) error {
	w := s.Workers[i]
	if s.noClocks == "" {
		w.Ahead = p.Clock(i, life)
	}
	var env []string
	if life < len(p.Aims[i]) {
		env = []string{testhook.Variable + "=" + p.Aims[i][life].Hook()}
	}
	err := w.Start(env...)
	var refused clockError
	if errors.As(err, &refused) {
		s.noClocks, w.Ahead = refused.Error(), 0
		s.note(done{Kind: "skip", Target: string(plan.Clock), Effect: refused.Error()})
		err = w.Start(env...)
	}
	if err != nil {
		return err
	}
	s.note(done{Kind: "start", Target: w.Name, Seconds: w.Ahead.Seconds()})
	go s.awaitReady(w, s.health[i])
	return nil
}

// awaitReady records when a worker's process is ready to work.
func (s *Stack) awaitReady(w *Process, addr string) {
	pid, begun := w.PID(), time.Now()
	for pid != 0 && w.PID() == pid {
		res, err := client.Get("http://" + addr + "/readyz")
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				s.note(done{Kind: "ready", Target: w.Name, Seconds: time.Since(begun).Seconds()})
				return
			}
		}
		_ = pause.For(context.Background(), 200*time.Millisecond)
	}
}

func (s *Stack) addWorker(i int) error {
	name := fmt.Sprintf("worker-%d", i)
	links := map[string]*proxy.Link{}
	for service, addr := range s.Addr {
		l, err := proxy.Listen(name+">"+service, addr)
		if err != nil {
			return err
		}
		l.Doubled = func(target string, body []byte) {
			_ = s.network.Write(doubled{At: time.Now().UTC(), Link: l.Name, Target: target, Body: string(body)})
		}
		links[service] = l
	}
	s.Links = append(s.Links, links)
	dir := s.Path(name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("stack: %w", err)
	}
	text := s.setting(func(service string) string { return links[service].Addr() }).text()
	if err := os.WriteFile(filepath.Join(dir, "parley.yaml"), []byte(text), 0o600); err != nil {
		return fmt.Errorf("stack: %w", err)
	}
	health, err := freeAddr()
	if err != nil {
		return err
	}
	s.health = append(s.health, health)
	w := s.process(name, s.Bin.Worker, "--health-addr", health, "--drain-timeout", "8s")
	w.Dir = dir
	w.Env = append(w.Env, "TEMPORAL_ADDRESS="+links["temporal"].Addr(), "ONERUN_API_KEY="+Key, "PULSE_API_KEY="+Key, "MODEL_KEY=test-key")
	s.Workers = append(s.Workers, w)
	return nil
}

func (s *Stack) setting(addr func(service string) string) setting {
	return setting{
		Platform: addr("platform"), Model: addr("model"), Tools: addr("tools"), Pulse: addr("pulse"),
		Project: s.Project, Agent: s.Agent, MaxOpen: s.MaxOpen, AdoptAfter: s.AdoptAfter,
	}
}

// writeStarter writes the configuration that operators use.
func (s *Stack) writeStarter() error {
	text := s.setting(func(service string) string { return s.Addr[service] }).text()
	if err := os.WriteFile(s.Path("parley.yaml"), []byte(text), 0o600); err != nil {
		return fmt.Errorf("stack: %w", err)
	}
	return nil
}

// readEnv reads what the simulator has seeded.
func (s *Stack) readEnv(ctx context.Context) error {
	for {
		if f, err := os.Open(s.Path("platform.env")); err == nil {
			lines := bufio.NewScanner(f)
			for lines.Scan() {
				name, value, _ := strings.Cut(strings.TrimPrefix(lines.Text(), "export "), "=")
				switch name {
				case "ONERUN_PROJECT_ID":
					s.Project = strings.Trim(value, "'")
				case "ONERUN_AGENT_ID":
					s.Agent = strings.Trim(value, "'")
				}
			}
			_ = f.Close()
		}
		if s.Project != "" && s.Agent != "" {
			return nil
		}
		if err := pause.For(ctx, 50*time.Millisecond); err != nil {
			return fmt.Errorf("stack: the simulator has written no environment: %w", err)
		}
	}
}

// Close ends everything.
func (s *Stack) Close() {
	for _, w := range s.Workers {
		w.Kill()
	}
	for _, p := range s.Services {
		p.Kill()
	}
	for _, links := range s.Links {
		for _, l := range links {
			l.Close()
		}
	}
	s.disk.unmount(s.Dir)
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("stack: %w", err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String(), nil
}

func answering(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err == nil {
			return c.Close()
		}
		if err := pause.For(ctx, 50*time.Millisecond); err != nil {
			return fmt.Errorf("it does not answer at %s: %w", addr, err)
		}
	}
}

type doubled struct {
	At     time.Time `json:"at"`
	Link   string    `json:"link"`
	Target string    `json:"target"`
	Body   string    `json:"body"`
}

// client reads what the programs tell.
var client = httpclient.New(httpclient.Config{Timeout: 20 * time.Second})

// metrics reads a number from a worker's metrics page.
func metrics(ctx context.Context, addr, name string) (float64, bool) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/metrics", nil)
	if err != nil {
		return 0, false
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, false
	}
	defer func() { _ = res.Body.Close() }()
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			value, err := strconv.ParseFloat(rest, 64)
			return value, err == nil
		}
	}
	return 0, false
}
