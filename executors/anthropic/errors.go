package anthropic

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"time"

	sdk "github.com/anthropics/anthropic-sdk-go"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/internal/httpclient"
)

// A statusError is a provider's error response.
type statusError struct {
	status     int // 0: the error stood inside an answer
	retryAfter time.Duration
	kind       string // error.type
	message    string
}

func (e *statusError) Error() string { return modelcall.ErrorText(e.status, e.message, e.kind) }

func newStatusError(res *http.Response, body []byte) error {
	e := parseError(body)
	e.status = res.StatusCode
	e.retryAfter = httpclient.RetryAfter(res.Header)
	return e
}

// errorIn returns the error inside an answer, or nil.
func errorIn(raw string) error {
	if !modelcall.HasError(raw) {
		return nil
	}
	return parseError([]byte(raw))
}

// parseError reads the body of an error response.
func parseError(body []byte) *statusError {
	fields, message := modelcall.ErrorFields(body)
	kind, _ := fields["type"].(string)
	return &statusError{kind: kind, message: message}
}

// kinds are the kinds of the API's error types that have a single meaning.
var kinds = map[string]conversation.Kind{
	"authentication_error": conversation.Unauthorized,
	"permission_error":     conversation.Unauthorized,
	"billing_error":        conversation.QuotaExhausted,
	"rate_limit_error":     conversation.RateLimited,
	"overloaded_error":     conversation.Unavailable,
	"api_error":            conversation.Unavailable,
	"timeout_error":        conversation.Unavailable,
	"request_too_large":    conversation.ContextTooLong,
	"not_found_error":      conversation.Invalid,
}

// Errors that only their message tells apart: their type has several meanings.
var (
	tooLong  = regexp.MustCompile(`(?i)prompt is too long|exceeds? (the )?(model's )?context (limit|window|length)|maximum context length|input is too long`)
	noCredit = regexp.MustCompile(`(?i)credit balance is too low|reached your specified (api|workspace api) usage limits|out of (extra )?usage|spend(ing)? limit`)
	disabled = regexp.MustCompile(`(?i)(organization|workspace|account) has been (disabled|suspended|archived)`)
	filtered = regexp.MustCompile(`(?i)blocked by content filtering policy`)
)

// classify returns the kind of the error: by its type and message, then by the
// status.
func (e *statusError) classify() conversation.Kind {
	switch e.kind {
	case "invalid_request_error", "rate_limit_error", "permission_error", "":
		switch {
		case noCredit.MatchString(e.message):
			return conversation.QuotaExhausted
		case disabled.MatchString(e.message):
			return conversation.Unauthorized
		case tooLong.MatchString(e.message):
			return conversation.ContextTooLong
		case filtered.MatchString(e.message):
			return conversation.Refused
		}
	}
	if kind, ok := kinds[e.kind]; ok {
		return kind
	}
	if e.status == 0 && e.kind == "invalid_request_error" {
		return conversation.Invalid
	}
	return modelcall.StatusKind(e.status, e.retryAfter)
}

// remedy returns what an operator can do about it.
func (e *statusError) remedy(kind conversation.Kind) string {
	switch kind {
	case conversation.QuotaExhausted:
		return "add credit or raise the limit in the provider's console, or set the api_key of another organization"
	case conversation.Unauthorized:
		return "check api_key, and that its workspace may use the model"
	case conversation.ContextTooLong:
		return modelcall.RemedyTooLong
	case conversation.Invalid:
		switch {
		case e.kind == "not_found_error":
			return "check model"
		case e.status == http.StatusNotFound:
			return "check model, and that base_url leads to the API, without the /v1"
		}
		for field, key := range setting {
			if strings.HasPrefix(e.message, field) || strings.Contains(e.message, "`"+field+"`") {
				return "check " + key
			}
		}
		return modelcall.RemedySettings
	}
	return ""
}

// setting maps a field named in an error to its configuration key.
var setting = map[string]string{
	"temperature":   "temperature",
	"max_tokens":    "max_output_tokens",
	"system":        "instructions",
	"cache_control": "prompt_cache",
	"tools":         "the names and schemas of the tools",
	"thinking":      "thinking in extra",
}

// failed turns any failure of a call into an error with a kind.
func (e *Executor) failed(ctx context.Context, err error, usage conversation.Usage) *conversation.Error {
	var (
		failure  *statusError
		inStream *sdk.Error
	)
	if errors.As(err, &inStream) {
		failure = parseError([]byte(inStream.RawJSON()))
	} else {
		errors.As(err, &failure)
	}
	if failure == nil || ctx.Err() != nil {
		out := modelcall.Failure(ctx, e.op(), err, e.clean)
		if out.Usage = usage; out.Remedy == modelcall.RemedyAPI {
			out.Remedy += ", without the /v1"
		}
		return out
	}
	out := &conversation.Error{Kind: failure.classify(), Op: e.op(), RetryAfter: failure.retryAfter, Usage: usage}
	out.Remedy = failure.remedy(out.Kind)
	out.Err = errors.New(e.clean(failure.Error())) // not the error itself: it holds the provider's text unredacted
	return out
}
