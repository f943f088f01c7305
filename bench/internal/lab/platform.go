package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/pause"
	"github.com/parley-run/parley/internal/sim"
	"github.com/parley-run/parley/platforms/onerun"
)

// key is the platforms'.
const key = "bench-key"

// A Platform is a simulator of OneRun behind HTTP, with one agent.
type Platform struct {
	Name     string
	URL      string
	Personas *Personas
	Project  string
	Agent    string

	sim      *sim.Simulator
	server   *httptest.Server
	requests atomic.Int64
	polls    atomic.Int64
}

// PlatformOptions describe a platform.
type PlatformOptions struct {
	Personas *Personas
	// Simulations and Conversations in each are made at once. Zero simulations: none.
	Simulations   int
	Conversations int
}

// NewPlatform starts a platform. Only its capacity is better than OneRun's: stock OneRun
// answers 15 messages at once.
func (l *Lab) NewPlatform(ctx context.Context, opts PlatformOptions) (*Platform, error) {
	p := &Platform{Name: l.Name("platform"), Personas: opts.Personas}
	var err error
	p.sim, err = sim.New(sim.Config{APIKey: key, Player: opts.Personas, Lenient: sim.Lenient{Capacity: true}})
	if err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	p.server = httptest.NewUnstartedServer(nil)
	p.server.Config = p.sim.Server()
	serve := p.server.Config.Handler
	p.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.requests.Add(1)
		if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/simulations") {
			p.polls.Add(1)
		}
		serve.ServeHTTP(w, r)
	})
	p.server.Start()
	p.URL = p.server.URL
	seeded, err := p.sim.Seed(ctx, p.setup(opts.Simulations, opts.Conversations))
	if err != nil {
		p.Close()
		return nil, fmt.Errorf("lab: %w", err)
	}
	p.Project, p.Agent = seeded.ProjectID, seeded.AgentID
	return p, nil
}

// Add makes more simulations for the same agent, also while others have not ended, and
// returns when.
func (p *Platform) Add(ctx context.Context, simulations, conversations int) (time.Time, error) {
	body, err := json.Marshal(map[string]any{
		"agent_id": p.Agent, "name": "more", "scenario": "more", "auto_approve": true, "objective_ids": []string{},
		"target_conversations": conversations, "target_personas": 1, "max_turns": p.maxTurns(),
	})
	at := time.Now()
	if err != nil {
		return at, fmt.Errorf("lab: %w", err)
	}
	for range simulations {
		if err := p.create(ctx, body); err != nil {
			return at, err
		}
	}
	return at, nil
}

func (p *Platform) create(ctx context.Context, simulation []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL+"/v1/simulations?project_id="+p.Project, bytes.NewReader(simulation))
	if err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	req.Header.Set("X-Api-Key", key)
	req.Header.Set("Content-Type", "application/json")
	res, err := pages.Do(req)
	if err != nil {
		return fmt.Errorf("lab: create simulation: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode >= 300 {
		said, _ := io.ReadAll(io.LimitReader(res.Body, 1000))
		return fmt.Errorf("lab: create simulation: %s: %s", res.Status, said)
	}
	return nil
}

func (p *Platform) setup(simulations, conversations int) sim.Setup {
	return sim.Setup{
		Simulations: simulations, Conversations: conversations, NoSimulations: simulations == 0,
		MaxTurns: p.maxTurns(),
	}
}

// maxTurns is above what the personas need to say goodbye.
func (p *Platform) maxTurns() int { return 2*p.Personas.Turns + 4 }

// Queued are the conversations that no worker has claimed yet.
func (p *Platform) Queued(ctx context.Context) ([]conversation.Ref, error) {
	client, err := onerun.New(onerun.Config{Name: p.Name, BaseURL: p.URL, APIKey: key})
	if err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	assigned, err := client.Assigned(ctx, p.Project, p.Agent)
	if err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	var refs []conversation.Ref
	for _, one := range assigned {
		refs = append(refs, one.Ref)
	}
	return refs, nil
}

// Polled waits until the agent's conversations have been asked for n times more.
func (p *Platform) Polled(ctx context.Context, n int64, alive func() error) error {
	until := p.polls.Load() + n
	return await(ctx, alive, func() bool { return p.polls.Load() >= until })
}

// Asked waits until n answers of personas have been asked for.
func (p *Platform) Asked(ctx context.Context, n int, alive func() error) error {
	return await(ctx, alive, func() bool { return p.Personas.Asked() >= n })
}

func await(ctx context.Context, alive func() error, done func() bool) error {
	for !done() {
		if err := alive(); err != nil {
			return err
		}
		if err := pause.For(ctx, 20*time.Millisecond); err != nil {
			return fmt.Errorf("lab: %w", err)
		}
	}
	return nil
}

// Requests is how many there have been.
func (p *Platform) Requests() int64 { return p.requests.Load() }

// Made is how many conversations there are and have been.
func (p *Platform) Made() int {
	n := 0
	for _, one := range p.sim.Report().Simulations {
		for _, conversations := range one.Conversations {
			n += conversations
		}
	}
	return n
}

// Open are the conversations that have not ended, whether a worker has claimed them or
// not.
func (p *Platform) Open() []conversation.Ref {
	var out []conversation.Ref
	for _, one := range p.sim.Report().Conversations {
		if one.Status == "queued" || one.Status == "in_progress" {
			out = append(out, conversation.Ref{Platform: p.Name, Project: p.Project, Simulation: one.SimulationID, Agent: p.Agent, ID: one.ID})
		}
	}
	return out
}

// Close stops the platform.
func (p *Platform) Close() {
	p.server.CloseClientConnections()
	_ = p.sim.Close() // before the server, which waits for the calls under way
	p.server.Close()
}
