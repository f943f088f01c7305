package onerun

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/httpclient"
	"github.com/parley-run/parley/platforms/internal/rest"
)

// A Client calls the OneRun API. Its methods are safe for concurrent use. They
// make one request each (lists: one a page) and never retry. Failures are
// [conversation.Error] values. Lists report a row that cannot be read as a
// [platforms.RowError] and go on; any other error of a list is its last.
//
// Fields of an unexpected type are zero, unless nothing works without them.
type Client struct {
	api             *rest.Client
	responseTimeout time.Duration
}

// NewClient checks the configuration, reporting every fault at once, and makes
// no request.
func NewClient(cfg ClientConfig) (*Client, error) {
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("onerun: %w", err)
	}
	base, err := parseBaseURL(cfg.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("onerun: %w", err)
	}
	header := http.Header{}
	for name, value := range cfg.Header {
		header.Set(name, value)
	}
	key := strings.TrimSpace(cfg.APIKey)
	header.Set("x-api-key", key)
	header.Set("User-Agent", cmp.Or(cfg.UserAgent, "parley"))
	return &Client{
		api: &rest.Client{
			Words: words(), Base: base.String(), Header: header,
			// Servers that speak OneRun's API differ in the slash.
			HTTP:    rest.NewHTTPClient(httpclient.Config{Client: cfg.HTTPClient, FollowSlash: true}),
			Secrets: secrets(key, slices.Collect(maps.Values(cfg.Header))),
			Timeout: cmp.Or(cfg.Timeout, DefaultTimeout),
			Own:     rest.FastAPI, Judge: judge, PageRemedy: func() string { return pageRemedy(base) },
		},
		responseTimeout: cmp.Or(cfg.ResponseTimeout, DefaultResponseTimeout),
	}, nil
}

// What an answer of OneRun's about one thing has at least.
var (
	identified = []string{"id"}
	stated     = []string{"id", "status"}
)

// CloseIdleConnections closes connections that no request is using.
func (c *Client) CloseIdleConnections() { c.api.HTTP.CloseIdleConnections() }

// Health asks whether the API is up. It needs no key.
func (c *Client) Health(ctx context.Context) error {
	return c.call(ctx, rest.Request{Op: "health", Method: http.MethodGet, Path: rest.Path("health")}, nil)
}

// Projects lists all projects, newest first.
func (c *Client) Projects(ctx context.Context) iter.Seq2[Project, error] {
	return pages(ctx, c, rest.Request{Op: "list projects", Path: rest.Path("v1", "projects")},
		func(p Project) string { return p.ID })
}

// Project gets one project.
func (c *Client) Project(ctx context.Context, id string) (Project, error) {
	return one(ctx, c, rest.Request{
		Op: fmt.Sprintf("get project %q", id), IDs: []string{id},
		Method: http.MethodGet, Path: rest.Path("v1", "projects", id), Requires: identified,
	}, func(p Project) string { return lacking("id", p.ID) })
}

// Agents lists all agents of a project, newest first.
func (c *Client) Agents(ctx context.Context, project string) iter.Seq2[Agent, error] {
	return pages(ctx, c, rest.Request{
		Op: "list agents", Path: rest.Path("v1", "agents"), Query: inProject(project),
	}, func(a Agent) string { return a.ID })
}

// Agent gets one agent.
func (c *Client) Agent(ctx context.Context, project, id string) (Agent, error) {
	return one(ctx, c, rest.Request{
		Op: fmt.Sprintf("get agent %q", id), IDs: []string{id},
		Method: http.MethodGet, Path: rest.Path("v1", "agents", id), Query: inProject(project), Requires: identified,
	}, func(a Agent) string { return lacking("id", a.ID) })
}

// Simulations lists all simulations of a project, oldest first. An empty agent
// or status means any.
func (c *Client) Simulations(ctx context.Context, project, agent, status string) iter.Seq2[Simulation, error] {
	return pages(ctx, c, listSimulations(project, agent, status), func(s Simulation) string { return s.ID })
}

func listSimulations(project, agent, status string) rest.Request {
	q := inProject(project)
	// Ascending order also keeps new simulations from moving the others about
	// while the pages are read.
	q.Set("sort_by", "created_at")
	q.Set("sort_dir", "asc")
	if agent != "" {
		q.Set("agent_id", agent)
	}
	if status != "" {
		q.Set("status", status)
	}
	return rest.Request{Op: "list simulations", Path: rest.Path("v1", "simulations"), Query: q}
}

// Simulation gets one simulation with its objectives. OneRun answers 500 where
// there is no such simulation; it takes a second request to tell that from a
// real failure, and then it is kind NotFound.
func (c *Client) Simulation(ctx context.Context, project, id string) (Simulation, error) {
	s, err := one(ctx, c, rest.Request{
		Op: fmt.Sprintf("get simulation %q", id), IDs: []string{id},
		Method: http.MethodGet, Path: rest.Path("v1", "simulations", id), Query: inProject(project), Requires: identified,
	}, func(s Simulation) string { return lacking("id", s.ID) })
	if rest.StatusOf(err) == http.StatusInternalServerError {
		for _, listErr := range c.Conversations(ctx, project, id, "") {
			if conversation.IsKind(listErr, conversation.NotFound) {
				return s, listErr
			}
			break
		}
	}
	return s, err
}

// Conversations lists all conversations of a simulation, newest first. An empty
// status means any.
func (c *Client) Conversations(ctx context.Context, project, simulation, status string) iter.Seq2[Conversation, error] {
	return pages(ctx, c, listConversations(project, simulation, status), func(cv Conversation) string { return cv.ID })
}

func listConversations(project, simulation, status string) rest.Request {
	q := inProject(project)
	if status != "" {
		q.Set("status", status)
	}
	return rest.Request{
		Op: fmt.Sprintf("list conversations of simulation %q", simulation), IDs: []string{simulation},
		Path: rest.Path("v1", "simulations", simulation, "conversations"), Query: q,
	}
}

// Conversation gets one conversation.
func (c *Client) Conversation(ctx context.Context, at Location) (Conversation, error) {
	r := c.on(at, "get", http.MethodGet, "")
	r.Requires = stated
	return one(ctx, c, r, func(cv Conversation) string { return lacking("id", cv.ID, "status", cv.Status) })
}

// Start claims a conversation that is queued. Kind Claimed: it is not queued.
func (c *Client) Start(ctx context.Context, at Location) error {
	r := c.on(at, "start", http.MethodPost, "start")
	r.Writes, r.Conflict = true, conversation.Claimed
	return c.call(ctx, r, nil)
}

// Respond sends the agent's messages, none for the persona to speak, and waits
// for the persona's answer. It is not idempotent, unless the server takes note of
// the key, which goes out as Idempotency-Key.
func (c *Client) Respond(ctx context.Context, at Location, input []WireMessage, idempotencyKey string) (Response, error) {
	r := c.on(at, "send to", http.MethodPost, "responses")
	r.Writes, r.Conflict, r.Timeout, r.IdempotencyKey = true, conversation.Unavailable, c.responseTimeout, idempotencyKey
	body := struct {
		Input []WireMessage `json:"input"`
	}{input}
	if len(input) == 0 {
		body.Input = nil
	}
	r.Body = body
	var answer struct {
		Ended  bool          `json:"ended"`
		Output []WireMessage `json:"output"`
	}
	r.Requires = []string{"ended", "output"}
	if err := c.call(ctx, r, &answer); err != nil {
		return Response{}, err
	}
	return Response{Ended: answer.Ended, Output: answer.Output}, nil
}

// End ends a conversation from the agent's side. It is an error, of kind
// Invalid, where the conversation is not in progress.
func (c *Client) End(ctx context.Context, at Location) error {
	r := c.on(at, "end", http.MethodPost, "end")
	r.Writes, r.Conflict = true, conversation.Unavailable
	return c.call(ctx, r, nil)
}

// on is a request about one conversation.
func (c *Client) on(at Location, verb, method, action string) rest.Request {
	segments := []string{"v1", "simulations", at.Simulation, "conversations", at.Conversation}
	if action != "" {
		segments = append(segments, action)
	}
	return rest.Request{
		Op:     fmt.Sprintf("%s conversation %q", verb, at.Conversation),
		IDs:    []string{at.Simulation, at.Conversation},
		Method: method, Path: rest.Path(segments...), Query: inProject(at.Project),
	}
}

// inProject is the query that every route but health and projects asks for.
func inProject(project string) url.Values {
	if project == "" {
		return url.Values{}
	}
	return url.Values{"project_id": {project}}
}
