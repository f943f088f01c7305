package gemini

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"time"

	"google.golang.org/genai"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/internal/httpclient"
)

// A statusError is a provider's error response.
type statusError struct {
	code       int // the HTTP status, or the one inside an answer
	inside     bool
	retryAfter time.Duration
	status     string // the canonical status: "RESOURCE_EXHAUSTED"
	message    string
	reasons    []string // of google.rpc.ErrorInfo: "API_KEY_INVALID"
	quotas     []quota  // of google.rpc.QuotaFailure
}

// A quota is one that was exceeded.
type quota struct {
	ID     string `json:"quotaId"`
	Metric string `json:"quotaMetric"`
	Value  string `json:"quotaValue"`
}

func (e *statusError) Error() string {
	status := e.code
	if e.inside {
		status = 0
	}
	words := append([]string{e.status}, e.reasons...)
	for _, q := range e.quotas {
		words = append(words, q.ID)
	}
	return modelcall.ErrorText(status, e.message, words...)
}

func newStatusError(res *http.Response, body []byte) error {
	e := parseError(body)
	if e == nil {
		e = &statusError{}
	}
	e.code = res.StatusCode
	if e.retryAfter == 0 {
		e.retryAfter = httpclient.RetryAfter(res.Header)
	}
	return e
}

// errorIn returns the error inside an answer, or nil.
func errorIn(data []byte) *statusError {
	e := parseError(data)
	if e != nil {
		e.inside = true
	}
	return e
}

// parseError reads an error, and returns nil if there is none. Some of Google's
// servers wrap it in a list.
func parseError(body []byte) *statusError {
	var failure struct {
		Error *struct {
			Code    int               `json:"code"`
			Message string            `json:"message"`
			Status  string            `json:"status"`
			Details []json.RawMessage `json:"details"`
		} `json:"error"`
	}
	body = bytes.TrimSpace(body)
	if list := []json.RawMessage(nil); json.Unmarshal(body, &list) == nil && len(list) > 0 {
		body = list[0]
	}
	if json.Unmarshal(body, &failure) != nil || failure.Error == nil {
		return nil
	}
	e := &statusError{code: failure.Error.Code, status: failure.Error.Status, message: failure.Error.Message}
	for _, raw := range failure.Error.Details {
		var d struct {
			Type       string  `json:"@type"`
			Reason     string  `json:"reason"`
			RetryDelay string  `json:"retryDelay"`
			Violations []quota `json:"violations"`
		}
		if json.Unmarshal(raw, &d) != nil {
			continue
		}
		switch d.Type[strings.LastIndexByte(d.Type, '.')+1:] {
		case "ErrorInfo":
			e.reasons = append(e.reasons, d.Reason)
		case "QuotaFailure":
			e.quotas = append(e.quotas, d.Violations...)
		case "RetryInfo":
			if delay, err := time.ParseDuration(d.RetryDelay); err == nil {
				e.retryAfter = min(max(delay, 0), httpclient.MaxRetryAfter)
			}
		}
	}
	return e
}

// Errors that only their message tells apart: their status has several meanings.
var (
	tooLong   = regexp.MustCompile(`(?i)token count.{0,40} exceeds|exceeds the maximum number of (input )?tokens|input context is too long|request payload size exceeds`)
	wrongKey  = regexp.MustCompile(`(?i)api key (not valid|expired|not found)|pass a valid api key`)
	noCredit  = regexp.MustCompile(`(?i)credits? (are|is) depleted|spend(ing)? (cap|limit)|(enable|requires) billing|billing (account|to be enabled)`)
	longRange = regexp.MustCompile(`(?i)per[_ ]?(day|week|month)`)
)

// reasons are those of google.rpc.ErrorInfo that are more precise than the status.
var reasons = map[string]conversation.Kind{
	"API_KEY_INVALID":               conversation.Unauthorized,
	"API_KEY_SERVICE_BLOCKED":       conversation.Unauthorized,
	"API_KEY_IP_ADDRESS_BLOCKED":    conversation.Unauthorized,
	"API_KEY_HTTP_REFERRER_BLOCKED": conversation.Unauthorized,
	"ACCESS_TOKEN_EXPIRED":          conversation.Unauthorized,
	"SERVICE_DISABLED":              conversation.Unauthorized,
	"CONSUMER_SUSPENDED":            conversation.Unauthorized,
	"CONSUMER_INVALID":              conversation.Unauthorized,
	"BILLING_DISABLED":              conversation.QuotaExhausted,
}

// classify returns the kind of the error: by its reasons and canonical status, then
// by the HTTP status.
func (e *statusError) classify() conversation.Kind {
	for _, reason := range e.reasons {
		if kind, ok := reasons[reason]; ok {
			return kind
		}
	}
	switch e.status {
	case "RESOURCE_EXHAUSTED":
		return e.exhausted()
	case "UNAUTHENTICATED":
		return conversation.Unauthorized
	case "PERMISSION_DENIED", "FAILED_PRECONDITION": // for example a country without a free tier
		if noCredit.MatchString(e.message) {
			return conversation.QuotaExhausted
		}
		return conversation.Unauthorized
	case "INVALID_ARGUMENT":
		switch {
		case tooLong.MatchString(e.message):
			return conversation.ContextTooLong
		case wrongKey.MatchString(e.message):
			return conversation.Unauthorized
		}
		return conversation.Invalid
	case "NOT_FOUND", "OUT_OF_RANGE", "UNIMPLEMENTED":
		return conversation.Invalid
	case "UNAVAILABLE", "DEADLINE_EXCEEDED", "INTERNAL", "ABORTED", "CANCELLED", "UNKNOWN":
		return conversation.Unavailable
	}
	switch {
	case e.code == http.StatusTooManyRequests:
		return e.exhausted()
	case e.code == http.StatusBadRequest && tooLong.MatchString(e.message):
		return conversation.ContextTooLong
	case e.code == statusCancelled:
		return conversation.Unavailable
	}
	return modelcall.StatusKind(e.code, e.retryAfter)
}

// statusCancelled is Google's status for cancelled requests.
const statusCancelled = 499

// exhausted distinguishes a limit per minute from a quota that lasts: both have the
// same status, a similar message and a delay.
func (e *statusError) exhausted() conversation.Kind {
	for _, q := range e.quotas {
		if longRange.MatchString(q.ID) || longRange.MatchString(q.Metric) || q.Value == "0" {
			return conversation.QuotaExhausted
		}
	}
	if noCredit.MatchString(e.message) || longRange.MatchString(e.message) {
		return conversation.QuotaExhausted
	}
	return conversation.RateLimited
}

// remedy returns what an operator can do about it.
func (e *statusError) remedy(kind conversation.Kind) string {
	switch kind {
	case conversation.QuotaExhausted:
		return "wait for the quota to be renewed, enable billing or raise the limit at the provider, or set the api_key of another project"
	case conversation.Unauthorized:
		if e.status == "FAILED_PRECONDITION" {
			return "enable billing for the key's project, and check that the API is offered where this machine is"
		}
		return "check api_key, and that its project may use the API and the model"
	case conversation.ContextTooLong:
		return modelcall.RemedyTooLong
	case conversation.Invalid:
		switch {
		case e.status == "NOT_FOUND":
			return "check model, project and location"
		case e.code == http.StatusNotFound:
			return "check model, and that base_url leads to the API, without the /v1beta"
		case strings.Contains(e.message, "function_declarations"):
			return "check the names and schemas of the tools"
		case strings.Contains(e.message, "temperature"):
			return "check temperature"
		case strings.Contains(e.message, "max_output_tokens"), strings.Contains(e.message, "maxOutputTokens"):
			return "check max_output_tokens"
		}
		return modelcall.RemedySettings
	}
	return ""
}

// failed turns any failure of a call into an error with a kind.
func (e *Executor) failed(ctx context.Context, err error, usage conversation.Usage) *conversation.Error {
	var (
		failure  *statusError
		inStream genai.APIError
	)
	if errors.As(err, &inStream) {
		raw, _ := json.Marshal(map[string]any{"error": inStream}) // cannot fail: it was decoded from JSON
		failure = errorIn(raw)
	} else {
		errors.As(err, &failure)
	}
	if failure == nil || ctx.Err() != nil {
		out := modelcall.Failure(ctx, e.op(), err, e.clean)
		if out.Usage = usage; out.Remedy == modelcall.RemedyAPI {
			out.Remedy += ", without the /v1beta"
		}
		return out
	}
	out := &conversation.Error{Kind: failure.classify(), Op: e.op(), RetryAfter: failure.retryAfter, Usage: usage}
	out.Remedy = failure.remedy(out.Kind)
	out.Err = errors.New(e.clean(failure.Error())) // not the error itself: it holds the provider's text unredacted
	return out
}
