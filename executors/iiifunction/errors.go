package iiifunction

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"strings"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/executors/wire"
	"github.com/parley-run/parley/iii"
	"github.com/parley-run/parley/secret"
)

// codes are the error codes of engines and their clients. Any other code is the
// function's own.
var codes = map[string]struct {
	kind      conversation.Kind
	ambiguous bool // the function may have run
	remedy    string
}{
	iii.CodeFunctionNotFound:  {conversation.Unavailable, false, "start the worker that serves it, or check function and namespace"},
	"function_not_invokable":  {conversation.Invalid, false, "check function: the engine does not call it for workers"},
	iii.CodeInvocationStopped: {conversation.Unavailable, true, ""},
	"invocation_error":        {conversation.Unavailable, true, ""},
	"channel_send_failed":     {conversation.Unavailable, true, ""},
	"TIMEOUT":                 {conversation.Unavailable, true, ""},
	iii.CodeForbidden:         {conversation.Unauthorized, false, "have the engine's access rules allow it, or check headers and query"},
	iii.CodeAuth:              {conversation.Unauthorized, false, "check headers and query: the engine refuses them"},
	"INVALID_NAMESPACE":       {conversation.Invalid, false, "check namespace"},
	iii.CodeInvalidRequest:    {conversation.Invalid, false, "check dialect and request: the function expects other fields"},
	"deserialization_error":   {conversation.Invalid, false, "check dialect and request: the function expects other fields"},
	"serialization_error":     {conversation.Invalid, false, "check dialect and request: the function expects other fields"},
	"url_validation_failed":   {conversation.Invalid, false, "check the address that the function was registered with"},
	"http_error":              {conversation.Unavailable, true, ""},
	"http_request_failed":     {conversation.Unavailable, true, ""},
	"http_response_failed":    {conversation.Unavailable, true, ""},
	"invalid_response":        {conversation.Invalid, true, "check the function's log: the engine cannot read its answer"},
}

// remedies are the defaults by kind.
var remedies = map[conversation.Kind]string{
	conversation.Unauthorized:   "check the agent's permissions, and the keys of its worker",
	conversation.QuotaExhausted: "raise the agent's budget or quota, or add credit at the model's provider",
	conversation.ContextTooLong: "have the agent shorten its requests to the model, or begin a new conversation",
	conversation.Invalid:        "check function and dialect with its settings, and the function's log",
}

// failed classifies the error of a call.
func (e *Executor) failed(ctx context.Context, function string, err error) *conversation.Error {
	var (
		out      = &conversation.Error{Kind: conversation.Unavailable, Op: e.op(function), Ambiguous: !errors.Is(err, iii.ErrNotSent)}
		timeout  *modelcall.TimeoutError
		reported *iii.Error
		noLink   *unreachable
		given    *conversation.Error
	)
	switch {
	case errors.As(err, &given): // the attempt may not act any more
		out.Kind, out.Remedy, out.Ambiguous = given.Kind, given.Remedy, false
		out.Err = errors.New(e.clean(err.Error()))
	case ctx.Err() != nil && !errors.As(context.Cause(ctx), &timeout):
		out.Err = ctx.Err()
	case errors.As(err, &reported):
		e.reported(out, reported)
		if reported.Code == iii.CodeAuth && e.link.knownGood() {
			// An engine checks credentials with a function, which may start after it.
			out.Kind = conversation.Unavailable
		}
	case timeout != nil:
		out.Err = timeout
	case errors.As(err, &noLink):
		out.Remedy = "check url, and that the engine is running"
		out.Err = errors.New(e.clean(noLink.Error()))
	default:
		out.Err = errors.New(e.clean(err.Error()))
	}
	if out.Ambiguous {
		out.Usage = conversation.Usage{Calls: 1}
	}
	return out
}

// reported classifies an error that the engine or the function answered with.
func (e *Executor) reported(out *conversation.Error, answer *iii.Error) {
	known, ok := codes[answer.Code]
	kind, named := wire.ParseKind(cmp.Or(string(e.cfg.Response.ErrorKinds[answer.Code]), answer.Code))
	var refused *refusal
	if e.cfg.Dialect != DialectPlain {
		refused = parseRefusal(answer.Message)
	}
	out.RetryAfter = retryAfter(answer.Message)
	out.Err = errors.New(e.clean(cmp.Or(conversation.Quote(answer.Message), "the function failed without a message")))
	out.Answered = true
	switch {
	case named: // the function's author has chosen it
		out.Kind, out.Ambiguous = kind, kind == conversation.Unavailable
	case ok:
		out.Kind, out.Ambiguous, out.Remedy = known.kind, known.ambiguous, known.remedy
		out.Answered = !known.ambiguous
		out.Err = errors.New(e.clean(fmt.Sprintf("%s: %s", answer.Code, conversation.Quote(answer.Message))))
	case refused != nil:
		out.Kind, out.Ambiguous = refused.kind, refused.unknown
		if strings.HasPrefix(strings.ToLower(refused.text), "unknown provider") {
			out.Remedy = "check provider and shape"
		}
	default: // the function's own error, at an unknown point
		out.Kind, out.Ambiguous = conversation.Unavailable, true
	}
	out.Remedy = cmp.Or(out.Remedy, remedies[out.Kind])
}

// A requestError is a request that could not be encoded.
type requestError struct{ error }

// unusable classifies a request that cannot be encoded and an answer that cannot be used.
func (e *Executor) unusable(err error) *conversation.Error {
	var (
		failure = wire.Failure{Op: e.op(e.cfg.Function), Clean: e.clean, Remedies: remedies}
		given   *wire.Error
		refused *refusal
		request *requestError
		out     *conversation.Error
	)
	switch {
	case errors.As(err, &given):
		return failure.Reported(given, 0, 0)
	case errors.As(err, &refused):
		return &conversation.Error{
			Kind: refused.kind, Op: failure.Op, RetryAfter: refused.retryAfter,
			Err: errors.New(e.clean(conversation.Quote(refused.text))), Remedy: remedies[refused.kind],
		}
	}
	out = failure.Broken(err)
	switch {
	case errors.As(err, &request):
		out.Kind, out.Remedy = conversation.Invalid, "check request.body"
	case errors.Is(err, errPath):
		out.Kind, out.Remedy = conversation.Invalid, "check function and dialect"
		if e.cfg.Dialect == DialectPlain {
			out.Remedy = "check response"
		}
	case errors.Is(err, wire.ErrNotJSON), errors.Is(err, wire.ErrOffContract):
		out.Remedy = "set response.text to the path of the reply in the function's answer"
	}
	return out
}

// minSecret is the length from which a value in an address counts as a key: to redact
// every "1" or "true" would make texts unreadable.
const minSecret = 8

// cleaner returns a function that redacts secrets in texts of the peer.
func cleaner(cfg Config) func(string) string {
	secrets := maps.Clone(cfg.Headers)
	if secrets == nil {
		secrets = map[string]secret.String{}
	}
	for name, value := range cfg.Headers {
		// The secret may be a part of a header's value: "Bearer …".
		for i, word := range strings.Fields(value.Reveal()) {
			if i > 0 {
				secrets[fmt.Sprintf("%s %d", name, i)] = secret.String(word)
			}
		}
	}
	add := func(name, value string) {
		if len(value) >= minSecret {
			secrets["query "+name] = secret.String(value)
			secrets["query "+name+" escaped"] = secret.String(url.QueryEscape(value))
		}
	}
	for name, value := range cfg.Query {
		add(name, value.Reveal())
	}
	if u, err := url.Parse(cfg.URL); err == nil {
		for name, values := range u.Query() {
			for i, value := range values {
				add(fmt.Sprintf("url %s %d", name, i), value)
			}
		}
	}
	return modelcall.NewCleaner("", secrets)
}
