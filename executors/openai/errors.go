package openai

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/openai/openai-go/v3/packages/ssestream"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/internal/httpclient"
)

// A statusError is a provider's error response.
type statusError struct {
	status     int // 0: the error stood inside an answer
	retryAfter time.Duration
	code       string // error.code
	kind       string // error.type
	param      string
	message    string
}

func (e *statusError) Error() string {
	return modelcall.ErrorText(e.status, e.message, cmp.Or(e.code, e.kind))
}

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
	return errorInside([]byte(raw))
}

// errorInside reads an error in a response with status 2xx. Gateways put the status
// into its code.
func errorInside(raw []byte) *statusError {
	e := parseError(raw)
	if n, err := strconv.Atoi(e.code); err == nil && n >= 400 && n <= 599 {
		e.status = n
	}
	return e
}

// parseError reads the body of an error response. Compatible servers may send a
// number as the code.
func parseError(body []byte) *statusError {
	fields, message := modelcall.ErrorFields(body)
	text := func(key string) string {
		switch v := fields[key].(type) {
		case string:
			return v
		case float64:
			return strconv.FormatFloat(v, 'f', -1, 64)
		}
		return ""
	}
	return &statusError{code: text("code"), kind: text("type"), param: text("param"), message: message}
}

// codes are the kinds of error codes and types that are more precise than the
// status.
var codes = map[string]conversation.Kind{
	"insufficient_quota":         conversation.QuotaExhausted,
	"billing_hard_limit_reached": conversation.QuotaExhausted,
	"billing_not_active":         conversation.QuotaExhausted,
	"quota_exceeded":             conversation.QuotaExhausted,
	"insufficient_balance":       conversation.QuotaExhausted,
	"insufficient_credits":       conversation.QuotaExhausted,
	"access_terminated":          conversation.Unauthorized,
	"account_deactivated":        conversation.Unauthorized,
	"invalid_api_key":            conversation.Unauthorized,
	"context_length_exceeded":    conversation.ContextTooLong,
	"context_window_exceeded":    conversation.ContextTooLong,
	"exceed_context_size_error":  conversation.ContextTooLong,
	"content_filter":             conversation.Refused,
	"content_policy_violation":   conversation.Refused,
	"moderation_blocked":         conversation.Refused,
	"invalid_prompt":             conversation.Refused, // reasoning models report flagged input so
	"bio_policy":                 conversation.Refused,
	"cyber_policy":               conversation.Refused,

	"misalignment_policy_violation": conversation.Refused,
	"data_residency_mismatch":       conversation.Invalid,
	"model_not_found":               conversation.Invalid,
	"rate_limit_exceeded":           conversation.RateLimited,
	"slow_down":                     conversation.RateLimited,
	"server_error":                  conversation.Unavailable,
	"overloaded_error":              conversation.Unavailable,
}

// tooLong matches the message of servers that report an overlong request without a
// code.
var tooLong = regexp.MustCompile(`(?i)(maximum|max) context length|context (window|length|size) (of|is|exceeded)|exceeds? the (available |model's )?context|prompt is too long`)

// classify returns the kind of the error: by its code, then by the status.
func (e *statusError) classify() conversation.Kind {
	for _, code := range []string{e.code, e.kind} {
		if kind, ok := codes[strings.ToLower(code)]; ok {
			return kind
		}
	}
	if (e.status == http.StatusBadRequest || e.status == http.StatusUnprocessableEntity) && tooLong.MatchString(e.message) {
		return conversation.ContextTooLong
	}
	return modelcall.StatusKind(e.status, e.retryAfter)
}

// remedy returns what an operator can do about it.
func (e *statusError) remedy(kind conversation.Kind) string {
	switch kind {
	case conversation.QuotaExhausted:
		return "add credit or raise the limit at the provider, or set the api_key of another account"
	case conversation.Unauthorized:
		return "check api_key, organization and project, and that the key may use the model"
	case conversation.ContextTooLong:
		return modelcall.RemedyTooLong
	case conversation.Invalid:
		switch {
		case e.code == "model_not_found", e.param == "model":
			return "check model"
		case e.status == http.StatusNotFound:
			return "check model, and that base_url leads to the API, usually ending in /v1"
		case setting[e.param] != "":
			return "check " + setting[e.param]
		default:
			return modelcall.RemedySettings
		}
	}
	return ""
}

// setting maps a parameter named in an error to its configuration key.
var setting = map[string]string{
	"temperature":           "temperature",
	"max_tokens":            "max_output_tokens",
	"max_completion_tokens": "max_output_tokens",
	"max_output_tokens":     "max_output_tokens",
	"store":                 "store",
	"background":            "background",
	"stream":                "stream",
	"stream_options":        "stream, or take the field out with extra: {stream_options: null}",
}

// failed turns any failure of a call into an error with a kind.
func (e *Executor) failed(ctx context.Context, err error, usage conversation.Usage) *conversation.Error {
	var (
		failure  *statusError
		inStream *ssestream.StreamError
	)
	if errors.As(err, &inStream) {
		failure = errorInside(inStream.Event.Data)
	} else {
		errors.As(err, &failure)
	}
	out := &conversation.Error{Op: e.op()}
	if failure != nil && ctx.Err() == nil {
		out.Kind = failure.classify()
		out.RetryAfter = failure.retryAfter
		out.Remedy = failure.remedy(out.Kind)
		out.Err = errors.New(e.clean(failure.Error())) // not the error itself: it holds the provider's text unredacted
	} else {
		out = modelcall.Failure(ctx, e.op(), err, e.clean)
	}
	if out.Remedy == modelcall.RemedyAPI {
		out.Remedy += ", usually ending in /v1"
	}
	out.Usage = usage
	return out
}
