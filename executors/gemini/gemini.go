// Package gemini is an executor that calls a model through the Gemini API, or
// through its variant on Google Cloud, Vertex AI. It uses Google's Go SDK with the
// SDK's retries, automatic continuation and reading of the environment off. The
// transport adds the key to each request, and the SDK never receives it.
//
// Every request carries the conversation, or its newest part if so configured. The
// provider caches repeated input without being asked. The only state is the model's
// signatures of its tool calls.
package gemini

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"

	"google.golang.org/genai"

	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/internal/modelcall"
)

// An Executor calls one model. Create it with [New].
type Executor struct {
	cfg    Config // without its secrets
	hasKey bool
	models *genai.Models
	clean  func(string) string
}

var (
	_ executors.Executor = (*Executor)(nil)
	_ executors.Checker  = (*Executor)(nil)
)

// New validates the configuration and reports all faults at once. A missing key is
// no fault: Check and Execute report it.
func New(cfg Config) (*Executor, error) {
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("gemini: %w", err)
	}
	cfg.setDefaults()
	e := &Executor{
		hasKey: modelcall.HasKey(cfg.ModelConfig, keyHeader, "Authorization"),
		clean:  modelcall.NewCleaner(cfg.APIKey, cfg.Headers),
	}
	client := *cfg.HTTPClient // a copy: the caller may use the configuration's client too
	client.Transport = newTransport(cfg)
	backend := genai.BackendGeminiAPI
	if cfg.API == VertexAPI {
		backend = genai.BackendVertexAI
	}
	// Every field is set, so that the SDK reads nothing from the environment. The
	// transport replaces the placeholder key.
	c, err := genai.NewClient(context.Background(), &genai.ClientConfig{
		Backend: backend, APIKey: standIn, Project: cfg.Project, Location: cfg.Location,
		HTTPClient:  &client,
		HTTPOptions: genai.HTTPOptions{BaseURL: cfg.BaseURL},
	})
	if err != nil {
		return nil, errors.New("gemini: the SDK does not take the configuration") // the SDK's error would show the whole configuration
	}
	e.models = c.Models
	e.cfg = cfg
	e.cfg.APIKey, e.cfg.Headers, e.cfg.HTTPClient = "", nil, nil
	return e, nil
}

// String names the model.
func (e *Executor) String() string { return "gemini model " + e.cfg.Model }

// Execute calls the model for the next reply. It ignores the request's New.
func (e *Executor) Execute(ctx context.Context, req executors.Request) (executors.Result, error) {
	if ctx.Err() != nil {
		return executors.Result{}, modelcall.Stopped(ctx, e.op())
	}
	if err := e.missingKey(); err != nil {
		return executors.Result{}, err
	}
	ctx, watch := modelcall.TimersOf(e.cfg.ModelConfig).Watch(ctx, *e.cfg.Stream)
	defer watch.Stop()

	var (
		a        answer
		err      error
		sent     = &exchange{stream: *e.cfg.Stream}
		contents []*genai.Content
		config   = e.config(req)
	)
	config.SystemInstruction, contents = e.messages(req, e.signatures(req.State))
	a.Key = modelcall.CallKey(req)
	if sent.stream {
		err = e.stream(with(ctx, sent), watch, contents, config, &a, req.OnDelta)
	} else {
		err = e.whole(with(ctx, sent), contents, config, &a)
	}
	if sent.answered {
		a.Usage.Calls = 1
	}
	if err != nil {
		return executors.Result{}, e.failed(ctx, err, a.Usage)
	}
	return e.result(req, &a)
}

func (e *Executor) config(req executors.Request) *genai.GenerateContentConfig {
	once := false
	c := &genai.GenerateContentConfig{
		AutomaticContinuation: &once, // continuation is a kind of retry
		Tools:                 offer(req.Tools),
		HTTPOptions:           &genai.HTTPOptions{Headers: http.Header{}},
	}
	if t := e.cfg.Temperature; t != nil {
		c.Temperature = genai.Ptr(float32(*t))
	}
	c.MaxOutputTokens = int32(min(e.cfg.MaxOutputTokens, math.MaxInt32))
	if req.IdempotencyKey != "" {
		c.HTTPOptions.Headers.Set("Idempotency-Key", modelcall.IdempotencyKey(req.IdempotencyKey))
	}
	if len(e.cfg.Extra) > 0 {
		c.HTTPOptions.ExtrasRequestProvider = func(body map[string]any) map[string]any {
			merge(body, e.cfg.Extra)
			restrict(body)
			return body
		}
	}
	return c
}

// merge merges fields of extra into a body made by the SDK. Null removes a field.
func merge(body, extra map[string]any) {
	for name, value := range extra {
		inner, ok := value.(map[string]any)
		have, both := body[name].(map[string]any)
		switch {
		case value == nil:
			delete(body, name)
		case ok && both:
			merge(have, inner)
		case ok: // a copy, to remove nulls from and to merge into
			have = map[string]any{}
			merge(have, inner)
			body[name] = have
		default:
			body[name] = value
		}
	}
}

// op names the operation in errors.
func (e *Executor) op() string { return fmt.Sprintf("gemini: ask model %q", e.cfg.Model) }

func (e *Executor) missingKey() error {
	if e.hasKey || !e.cfg.official() {
		return nil
	}
	remedy := "set api_key, for instance to ${GEMINI_API_KEY}"
	if e.cfg.API == VertexAPI {
		remedy = "set api_key to one for express mode, or an access token with headers: {Authorization: Bearer …}"
	}
	return modelcall.MissingKey(e.op(), remedy)
}
