// Package anthropic is an executor that calls a model through the Messages API: the
// vendor's own, or a compatible server at another base URL. It uses the vendor's Go
// SDK with the SDK's retries, tracing and reading of the environment off, so that a
// key in ANTHROPIC_API_KEY is never sent to another server.
//
// Every request carries the conversation, or its newest part if so configured. The
// provider is asked to cache the part that the next request repeats. There is no state
// but what stands beside the messages: the content of a message with tool calls as the
// model wrote it, with its thoughts.
package anthropic

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	sdk "github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"

	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/internal/modelcall"
)

// An Executor calls one model. Create it with [New].
type Executor struct {
	cfg    Config // without its secrets
	hasKey bool
	client sdk.Client
	extra  []option.RequestOption // of requests for answers
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
		return nil, fmt.Errorf("anthropic: %w", err)
	}
	cfg.setDefaults()
	e := &Executor{
		cfg:    cfg,
		hasKey: modelcall.HasKey(cfg.ModelConfig, keyHeader, "Authorization"),
		clean:  modelcall.NewCleaner(cfg.APIKey, cfg.Headers),
	}

	opts := []option.RequestOption{
		option.WithHTTPClient(cfg.HTTPClient),
		option.WithBaseURL(cfg.BaseURL),
		option.WithMaxRetries(0),
		// The SDK has a timeout of its own for whole answers, and rejects a large
		// max_tokens because of it. Our timer replaces it.
		option.WithRequestTimeout(2 * cfg.Timeout),
		// The worker records spans; the SDK's may contain messages.
		option.WithoutOpenTelemetry(),
		option.WithOpenTelemetryPropagation(false),
	}
	if cfg.APIKey != "" {
		opts = append(opts, option.WithAPIKey(cfg.APIKey.Reveal()))
	}
	for name, value := range cfg.Headers {
		opts = append(opts, option.WithHeader(name, value.Reveal()))
	}
	// sdk.NewClient would read keys and addresses from the environment.
	e.client = sdk.Client{Options: opts}
	e.extra = []option.RequestOption{option.WithMiddleware(statusOnly)}
	if *cfg.Stream {
		e.extra = append(e.extra, option.WithJSONSet("stream", true))
	}
	for name, value := range cfg.Extra {
		if value == nil {
			e.extra = append(e.extra, option.WithJSONDel(name))
		} else {
			e.extra = append(e.extra, option.WithJSONSet(name, value))
		}
	}

	e.cfg.APIKey, e.cfg.Headers = "", nil
	return e, nil
}

// String names the model.
func (e *Executor) String() string { return "anthropic model " + e.cfg.Model }

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
	res, err := e.send(ctx, req)
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
// but does not read the response: it skips events without a name, and reads numbers in
// arguments as float64.
func (e *Executor) send(ctx context.Context, req executors.Request) (res *http.Response, err error) {
	params, opts := e.params(req)
	if req.IdempotencyKey != "" {
		opts = append(opts, option.WithHeader("Idempotency-Key", modelcall.IdempotencyKey(req.IdempotencyKey)))
	}
	err = e.client.Post(ctx, "v1/messages", params, &res, slices.Concat(e.extra, opts)...)
	return res, err
}

// params returns the request's body and its changes, which apply after those of
// extra.
func (e *Executor) params(req executors.Request) (sdk.MessageNewParams, []option.RequestOption) {
	p := sdk.MessageNewParams{
		Model:     e.cfg.Model,
		MaxTokens: int64(e.cfg.MaxOutputTokens),
	}
	var forgotten bool
	p.System, p.Messages, forgotten = e.messages(req)
	if t := e.cfg.Temperature; t != nil {
		p.Temperature = sdk.Float(*t)
	}
	var opts []option.RequestOption
	p.Tools, opts = e.offer(req.Tools, p.Messages)
	if forgotten && e.mustThink() {
		opts = append(opts, option.WithJSONDel("thinking"))
	}
	return p, opts
}

// op names the operation in errors.
func (e *Executor) op() string { return fmt.Sprintf("anthropic: ask model %q", e.cfg.Model) }

func (e *Executor) missingKey() error {
	if e.hasKey || !e.cfg.official() {
		return nil
	}
	return modelcall.MissingKey(e.op(), "set api_key, for instance to ${ANTHROPIC_API_KEY}")
}
