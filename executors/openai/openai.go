// Package openai is an executor that calls a model through the Responses API or the
// Chat Completions API: the vendor's own, or a compatible server (Ollama, vLLM,
// llama.cpp, gateways) at another base URL. It uses the vendor's Go SDK with the
// SDK's retries and reading of the environment off, so that a key in OPENAI_API_KEY
// is never sent to another server.
//
// Through Chat Completions, every request carries the conversation. Through
// Responses, the provider keeps the conversation and a request carries the new
// messages, or all of them if the provider does not have the earlier ones. A
// background response is a run at the provider that a later attempt attaches to.
package openai

import (
	"context"
	"fmt"
	"net/http"

	sdk "github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/internal/modelcall"
)

// An Executor calls one model. Create it with [New].
type Executor struct {
	cfg    Config // without its secrets
	hasKey bool
	client sdk.Client
	asking sdk.Client // client with the changes that extra makes to requests
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
		return nil, fmt.Errorf("openai: %w", err)
	}
	cfg.setDefaults()
	e := &Executor{cfg: cfg, hasKey: modelcall.HasKey(cfg.ModelConfig, "Authorization"), clean: modelcall.NewCleaner(cfg.APIKey, cfg.Headers)}

	opts := []option.RequestOption{
		option.WithHTTPClient(cfg.HTTPClient),
		option.WithBaseURL(cfg.BaseURL),
		option.WithMaxRetries(0),
	}
	if cfg.APIKey != "" {
		opts = append(opts, option.WithAPIKey(cfg.APIKey.Reveal()))
	}
	if cfg.Organization != "" {
		opts = append(opts, option.WithOrganization(cfg.Organization))
	}
	if cfg.Project != "" {
		opts = append(opts, option.WithProject(cfg.Project))
	}
	for name, value := range cfg.Headers {
		opts = append(opts, option.WithHeader(name, value.Reveal()))
	}
	// sdk.NewClient would read keys and addresses from the environment.
	e.client = sdk.Client{Options: opts}
	opts = opts[:len(opts):len(opts)]
	for name, value := range cfg.Extra {
		if value == nil {
			opts = append(opts, option.WithJSONDel(name))
		} else {
			opts = append(opts, option.WithJSONSet(name, value))
		}
	}
	e.asking = sdk.Client{Options: opts}

	e.cfg.APIKey, e.cfg.Headers = "", nil
	return e, nil
}

// String names the model.
func (e *Executor) String() string { return "openai model " + e.cfg.Model }

// Execute calls the model for the next reply. Only the Responses API uses State,
// New and Attach.
func (e *Executor) Execute(ctx context.Context, req executors.Request) (executors.Result, error) {
	if ctx.Err() != nil {
		return executors.Result{}, modelcall.Stopped(ctx, e.op())
	}
	if err := e.missingKey(); err != nil {
		return executors.Result{}, err
	}
	var opts []option.RequestOption
	if req.IdempotencyKey != "" {
		opts = append(opts, option.WithHeader("Idempotency-Key", modelcall.IdempotencyKey(req.IdempotencyKey)))
	}
	if len(req.Tools) == 0 {
		opts = append(opts, e.withoutTools()...)
	}
	if e.cfg.API == APIResponses {
		return e.executeResponses(ctx, req, opts)
	}
	return e.executeChat(ctx, req, opts)
}

func (e *Executor) executeChat(ctx context.Context, req executors.Request, opts []option.RequestOption) (executors.Result, error) {
	params, err := e.params(req)
	if err != nil {
		return executors.Result{}, err
	}
	ctx, watch := modelcall.TimersOf(e.cfg.ModelConfig).Watch(ctx, *e.cfg.Stream)
	defer watch.Stop()
	var a answer
	e.reset(&a, req, req.OnDelta)
	if err = e.ask(ctx, watch, params, &a, opts); err != nil {
		return executors.Result{}, e.failed(ctx, err, a.Usage)
	}
	res, err := e.result(ctx, &a, req)
	if err == nil && res.FinishReason == executors.FinishToolCall {
		res.Message.State = e.chatState(&a, res.Message)
	}
	return res, err
}

// ask requests an answer of the Chat Completions API. On an error, a holds the part
// received.
func (e *Executor) ask(ctx context.Context, w *modelcall.Watch, params sdk.ChatCompletionNewParams, a *answer, opts []option.RequestOption) error {
	if *e.cfg.Stream {
		opts = append(opts[:len(opts):len(opts)], streamed...)
	}
	in, err := e.receive(*e.cfg.Stream, 0, func(res **http.Response, more ...option.RequestOption) error {
		return e.asking.Post(ctx, "chat/completions", params, res, append(opts[:len(opts):len(opts)], more...)...)
	})
	switch {
	case err != nil:
		return err
	case in.events != nil:
		return e.stream(ctx, w, in.events, a)
	}
	a.Usage.Calls = 1
	return a.complete(in.whole)
}

func (e *Executor) executeResponses(caller context.Context, req executors.Request, opts []option.RequestOption) (executors.Result, error) {
	tools, err := responseTools(req.Tools)
	if err != nil {
		return executors.Result{}, err
	}
	ctx, watch := modelcall.TimersOf(e.cfg.ModelConfig).Watch(caller, *e.cfg.Stream)
	defer watch.Stop()
	var a answer
	x, err := e.respond(ctx, watch, req, &a, tools, opts)
	if err != nil {
		x.abandon(caller)
		return executors.Result{}, e.failed(ctx, err, a.Usage)
	}
	res, err := e.result(ctx, &a, req)
	if err == nil {
		res.State = x.state(res.Message)
		if res.FinishReason == executors.FinishToolCall {
			res.Message.State = e.keep(state{Items: a.items})
		}
	}
	return res, err
}

func (e *Executor) params(req executors.Request) (sdk.ChatCompletionNewParams, error) {
	tools, err := chatTools(req.Tools)
	if err != nil {
		return sdk.ChatCompletionNewParams{}, err
	}
	p := sdk.ChatCompletionNewParams{
		Model:    e.cfg.Model,
		Messages: e.messages(req),
		Tools:    tools,
	}
	if t := e.cfg.Temperature; t != nil {
		p.Temperature = sdk.Float(*t)
	}
	if n := int64(e.cfg.MaxOutputTokens); n > 0 {
		// The vendor's newer models accept only the new name, many compatible
		// servers only the old one.
		if e.cfg.official() {
			p.MaxCompletionTokens = sdk.Int(n)
		} else {
			p.MaxTokens = sdk.Int(n)
		}
	}
	if *e.cfg.Stream {
		p.StreamOptions.IncludeUsage = sdk.Bool(true)
	}
	return p, nil
}

// op names the operation in errors.
func (e *Executor) op() string { return fmt.Sprintf("openai: ask model %q", e.cfg.Model) }

func (e *Executor) missingKey() error {
	if e.hasKey || !e.cfg.official() {
		return nil
	}
	return modelcall.MissingKey(e.op(), "set api_key, for instance to ${OPENAI_API_KEY}")
}
