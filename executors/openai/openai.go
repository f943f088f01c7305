// Package openai is an executor that asks a model through the Chat Completions
// API: the vendor's own, or any server compatible with it (Ollama, vLLM,
// llama.cpp, gateways) by its base URL. It uses the vendor's Go SDK with the
// SDK's retries off and without the SDK's reading of the environment, so that a
// key in OPENAI_API_KEY never goes to somebody else's server.
//
// It keeps no state: every request carries the conversation, or its newest part
// if so configured.
package openai

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	sdk "github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
)

// An Executor asks one model. Create it with [New].
type Executor struct {
	cfg    Config // without its secrets
	hasKey bool
	client sdk.Client
	chat   sdk.ChatCompletionService
	redact func(string) string
}

var (
	_ executors.Executor = (*Executor)(nil)
	_ executors.Checker  = (*Executor)(nil)
)

// New checks the configuration and reports every fault at once. It does not
// need the key to be there: without one, Check and Execute say so.
func New(cfg Config) (*Executor, error) {
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("openai: %w", err)
	}
	cfg.setDefaults()
	e := &Executor{cfg: cfg, hasKey: cfg.APIKey != "" || hasAuthorization(cfg.Headers), redact: redactor(cfg)}

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
	// Not sdk.NewClient: it takes keys and addresses from the environment.
	e.client = sdk.Client{Options: opts}
	opts = append(opts[:len(opts):len(opts)], option.WithMiddleware(e.guard))
	for name, value := range cfg.Extra {
		if value == nil {
			opts = append(opts, option.WithJSONDel(name))
		} else {
			opts = append(opts, option.WithJSONSet(name, value))
		}
	}
	e.chat = sdk.NewChatCompletionService(opts...)

	e.cfg.APIKey, e.cfg.Headers = "", nil
	return e, nil
}

// String names the model.
func (e *Executor) String() string { return "openai model " + e.cfg.Model }

// Execute asks the model for the next reply. State and New are not needed.
func (e *Executor) Execute(ctx context.Context, req executors.Request) (executors.Result, error) {
	if ctx.Err() != nil {
		return executors.Result{}, e.stopped(ctx)
	}
	if err := e.missingKey(); err != nil {
		return executors.Result{}, err
	}
	ctx, watch := newWatch(ctx, e.cfg)
	defer watch.stop()

	var (
		a      answer
		err    error
		params = e.params(req)
		opts   []option.RequestOption
	)
	if req.IdempotencyKey != "" {
		opts = append(opts, option.WithHeader("Idempotency-Key", idempotencyKey(req.IdempotencyKey)))
	}
	if *e.cfg.Stream {
		err = e.stream(ctx, watch, params, &a, req.OnDelta, opts...)
	} else {
		err = e.whole(ctx, params, &a, opts...)
	}
	var plain *plainAnswer // a whole answer although a stream was asked for
	if errors.As(err, &plain) {
		err = a.fill(plain.completion)
	}
	if err != nil {
		return executors.Result{}, e.failed(ctx, err, a.usage)
	}
	return e.result(&a)
}

func (e *Executor) params(req executors.Request) sdk.ChatCompletionNewParams {
	p := sdk.ChatCompletionNewParams{
		Model:    e.cfg.Model,
		Messages: e.messages(req.Messages),
	}
	if t := e.cfg.Temperature; t != nil {
		p.Temperature = sdk.Float(*t)
	}
	if n := int64(e.cfg.MaxOutputTokens); n > 0 {
		// The vendor's newer models take only the new name, many compatible
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
	return p
}

// whole asks for the reply in one piece.
func (e *Executor) whole(ctx context.Context, params sdk.ChatCompletionNewParams, a *answer, opts ...option.RequestOption) error {
	completion, err := e.chat.New(ctx, params, opts...)
	if err != nil {
		return err
	}
	return a.fill(completion)
}

// idempotencyKey is for servers and gateways that know the header; the vendor's
// own API does not promise anything for it. The hash keeps what the key is made
// of, a conversation's name, from the provider.
func idempotencyKey(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:16])
}

// op says in errors what was tried.
func (e *Executor) op() string { return fmt.Sprintf("openai: ask model %q", e.cfg.Model) }

func (e *Executor) missingKey() error {
	if e.hasKey || !e.cfg.official() {
		return nil
	}
	return &conversation.Error{
		Kind: conversation.Unauthorized, Op: e.op(),
		Err:    errors.New("there is no API key"),
		Remedy: "set api_key, for instance to ${OPENAI_API_KEY}",
	}
}
