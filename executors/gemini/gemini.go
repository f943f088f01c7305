// Package gemini is an executor that calls a model through the Gemini API, or
// through its variant on Google Cloud, Vertex AI. It uses Google's Go SDK with the
// SDK's retries, automatic continuation and reading of the environment off. The
// transport adds the key to each request, and the SDK never receives it.
//
// Every request carries the conversation, or its newest part if so configured. The
// provider caches repeated input without being asked. There is no state but what stands
// beside the messages: the parts of a message with tool calls as the model signed them.
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

	a := answer{}
	a.For(req)
	a.Thoughts, a.OnDelta = modelcall.NewThoughts(e.cfg.Thoughts), req.OnDelta
	res, err := e.send(ctx, e.config(req))
	if err == nil {
		a.Usage.Calls = 1
		err = e.receive(ctx, watch, res, &a)
	}
	if err != nil {
		return executors.Result{}, e.failed(ctx, err, a.Usage)
	}
	return e.result(req, &a)
}

// send sends the request and returns a successful response. The SDK makes the request,
// but does not read the response: it loses digits of numbers, fields and headers.
func (e *Executor) send(ctx context.Context, config *genai.GenerateContentConfig) (*http.Response, error) {
	x := &exchange{}
	ctx = with(ctx, x)
	err := errors.New("the SDK sent no request")
	if *e.cfg.Stream {
		for _, err = range e.models.GenerateContentStream(ctx, e.cfg.Model, nil, config) {
			break
		}
	} else {
		_, err = e.models.GenerateContent(ctx, e.cfg.Model, nil, config)
	}
	if errors.Is(err, errAnswered) {
		return x.response, nil
	}
	return nil, err
}

// config returns the request. The conversation and the tools replace the SDK's, which
// would pass their numbers through float64.
func (e *Executor) config(req executors.Request) *genai.GenerateContentConfig {
	once := false
	c := &genai.GenerateContentConfig{
		AutomaticContinuation: &once, // continuation is a kind of retry
		HTTPOptions:           &genai.HTTPOptions{Headers: http.Header{}},
	}
	system, contents := e.messages(req)
	c.SystemInstruction = system
	if t := e.cfg.Temperature; t != nil {
		c.Temperature = genai.Ptr(float32(*t))
	}
	c.MaxOutputTokens = int32(min(e.cfg.MaxOutputTokens, math.MaxInt32))
	if req.IdempotencyKey != "" {
		c.HTTPOptions.Headers.Set("Idempotency-Key", modelcall.IdempotencyKey(req.IdempotencyKey))
	}
	c.HTTPOptions.ExtrasRequestProvider = func(body map[string]any) map[string]any {
		body["contents"] = contents
		if len(req.Tools) > 0 {
			body["tools"] = offer(req.Tools)
		}
		merge(body, e.cfg.Extra)
		restrict(body)
		return body
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
