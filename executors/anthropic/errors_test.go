package anthropic_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/modeltest"
)

const (
	limited = conversation.RateLimited
	quota   = conversation.QuotaExhausted
	unauth  = conversation.Unauthorized
	down    = conversation.Unavailable
	long    = conversation.ContextTooLong
	refused = conversation.Refused
	invalid = conversation.Invalid
)

// As types of this package, so that rows go without the names of fields.
type (
	said     modeltest.Response
	streamed modeltest.Streamed
)

// What a server may say instead of an answer, and what that means.
func TestErrorsByStatus(t *testing.T) {
	t.Parallel()
	bad := func(message string) string { return apiError("invalid_request_error", message) }
	for name, c := range map[string]said{
		"RateLimit":           {429, http.Header{"Retry-After": {"20"}}, apiError("rate_limit_error", "This request would exceed the rate limit"), limited, 20 * time.Second, "429 Too Many Requests, rate_limit_error: “This request"},
		"Overloaded":          {529, http.Header{"Retry-After": {"3"}}, apiError("overloaded_error", "Overloaded"), down, 3 * time.Second, "529 Overloaded, overloaded_error: “Overloaded”"},
		"Credit":              {400, nil, bad("Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits."), quota, 0, "add credit"},
		"UsageLimits":         {400, nil, bad("You have reached your specified API usage limits. You will regain access on 2026-01-01 at 00:00 UTC."), quota, 0, "raise the limit"},
		"UsageLimitsAs429":    {429, nil, apiError("rate_limit_error", "You have reached your specified workspace API usage limits."), quota, 0, ""},
		"Billing":             {402, nil, apiError("billing_error", "Please check your payment method"), quota, 0, "402 Payment Required"},
		"WrongKey":            {401, nil, apiError("authentication_error", "invalid x-api-key"), unauth, 0, "check api_key"},
		"Permission":          {403, nil, apiError("permission_error", "Your API key does not have permission"), unauth, 0, ""},
		"Disabled":            {400, nil, bad("This organization has been disabled."), unauth, 0, ""},
		"PromptTooLong":       {400, nil, bad("prompt is too long: 208310 tokens > 200000 maximum"), long, 0, "max_history_messages"},
		"WithAnswerTooLong":   {400, nil, bad("input length and `max_tokens` exceed context limit: 199000 + 4096 > 200000, decrease input length or `max_tokens` and try again"), long, 0, ""},
		"TooLarge":            {413, nil, apiError("request_too_large", "Request exceeds the maximum size"), long, 0, "413"},
		"OutputBlocked":       {400, nil, bad("Output blocked by content filtering policy"), refused, 0, "content filtering policy"},
		"BadTemperature":      {400, nil, bad("temperature: range: 0..1"), invalid, 0, "(check temperature)"},
		"BadTokens":           {400, nil, bad("max_tokens: 9000 > 4096, which is the maximum allowed number of output tokens"), invalid, 0, "(check max_output_tokens)"},
		"BadSomething":        {400, nil, bad("top_k: no"), invalid, 0, "400 Bad Request, invalid_request_error: “top_k: no” (check model, extra"},
		"UnknownModel":        {404, nil, apiError("not_found_error", "model: claude-typo"), invalid, 0, "(check model)"},
		"NotFound":            {404, nil, "404 page not found", down, 0, "without the /v1"},
		"Unprocessable":       {422, nil, `{"detail":"no"}`, invalid, 0, "422 Unprocessable Entity: “no”"},
		"ServerError":         {500, nil, apiError("api_error", "Internal server error"), down, 0, "Internal server error"},
		"TimeoutError":        {504, nil, apiError("timeout_error", "Request timed out"), down, 0, "timeout_error"},
		"TextInPlaceOfError":  {400, nil, `{"error":"unknown field"}`, invalid, 0, "unknown field"},
		"LongMessage":         {500, nil, apiError("api_error", strings.Repeat("é", 1000)), down, 0, "é…"},
		"ErrorWithGoodStatus": {200, nil, apiError("overloaded_error", "Overloaded"), down, 0, "error in the answer, overloaded_error: “Overloaded”"},
		"QuotaWithGoodStatus": {200, nil, bad("Your credit balance is too low"), quota, 0, "credit"},
		"BadWithGoodStatus":   {200, nil, bad("no"), invalid, 0, ""},
		"NoContent":           {200, nil, `{"type":"message","content":[],"stop_reason":"end_turn"}`, down, 0, "the answer is empty"},
		"OnlyReasoned":        {200, nil, message("", "max_tokens"), invalid, 0, "raise max_output_tokens"},
		"NoTokensLeft":        {200, nil, message("", "model_context_window_exceeded"), long, 0, "max_history_messages"},
		"Refused":             {200, nil, message("Well, ", "refusal"), refused, 0, "the model declined"},
		"RefusedWithReason":   {200, nil, strings.Replace(message("", "refusal"), `"stop_sequence"`, `"stop_details":{"type":"refusal","category":"bio","explanation":"Not this."},"stop_sequence"`, 1), refused, 0, "the model declined: “Not this.”"},
	} {
		vendor.Rejects(t, name, modeltest.Response(c))
	}
}

// What may come of a stream.
func TestErrorsInStreams(t *testing.T) {
	t.Parallel()
	hello := []string{start, blockStart, delta("Hello")}
	then := func(events ...string) []string { return append(hello[:3:3], events...) }
	once := conversation.Usage{Calls: 1}
	refusal := event("message_delta", map[string]any{
		"delta": map[string]any{"stop_reason": "refusal", "stop_details": map[string]any{"type": "refusal", "category": "cyber", "explanation": "Not this."}},
		"usage": map[string]any{"output_tokens": 5},
	})
	oops := func(kind, message string) string {
		return "event: error\ndata: " + apiError(kind, message)
	}
	for name, c := range map[string]streamed{
		"NoMessageStop":    {then(messageDelta("end_turn")), "", "Hello", known},
		"OddEnd":           {then(messageDelta("end_turn"), "event: message_stop\ndata: {]"), "", "Hello", known},
		"ErrorAfterTheEnd": {then(messageDelta("end_turn"), oops("api_error", "late")), "", "Hello", known},
		"UnknownEvents":    {then(event("something_new", map[string]any{"x": 1}), ": a comment", messageDelta("end_turn")), "", "Hello", known},
		"OnlyStarted":      {[]string{start}, down, "the stream ended before the answer did", begun},
		"Reasoned":         {[]string{start, thinking("hm"), messageDelta("max_tokens")}, invalid, "raise max_output_tokens", known},
		"NoTokensLeft":     {[]string{start, messageDelta("model_context_window_exceeded")}, long, "no tokens for an answer", known},
		"Refused":          {then(refusal), refused, "the model declined: “Not this.”", known},
		"Overloaded":       {then(oops("overloaded_error", "Overloaded")), down, "error in the answer, overloaded_error: “Overloaded”", begun},
		"OverloadedAtOnce": {[]string{oops("overloaded_error", "Overloaded")}, down, "Overloaded", once},
		"RateLimited":      {[]string{oops("rate_limit_error", "slow down")}, limited, "slow down", once},
		"Credit":           {then(oops("invalid_request_error", "Your credit balance is too low")), quota, "add credit", begun},
		"OddError":         {then("event: error\ndata: {]"), down, "", begun},
		"InvalidJSON":      {then("event: content_block_delta\ndata: {]"), down, "", begun},
	} {
		vendor.Streams(t, name, modeltest.Streamed(c))
	}
}
