package openai_test

import (
	"net/http"
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
	for name, c := range map[string]said{
		"RateLimit":           {429, nil, apiError("Rate limit reached", "rate_limit_exceeded"), limited, 0, "429 Too Many Requests, rate_limit_exceeded: “Rate limit reached”"},
		"Quota":               {429, nil, apiError("You exceeded your current quota", "insufficient_quota"), quota, 0, "add credit"},
		"QuotaInType":         {429, nil, `{"error":{"message":"m","type":"insufficient_quota","code":null}}`, quota, 0, ""},
		"HardLimit":           {400, nil, apiError("Billing hard limit has been reached", "billing_hard_limit_reached"), quota, 0, "raise the limit"},
		"PaymentRequired":     {402, nil, `{"error":{"message":"Insufficient credits","code":402}}`, quota, 0, "Insufficient credits"},
		"WrongKey":            {401, nil, apiError("Incorrect API key provided", "invalid_api_key"), unauth, 0, "check api_key"},
		"Forbidden":           {403, nil, apiError("Country not supported", "unsupported_country_region_territory"), unauth, 0, ""},
		"ContextTooLong":      {400, nil, apiError("too long", "context_length_exceeded"), long, 0, "max_history_messages"},
		"ContextInWords":      {400, nil, `{"object":"error","message":"This model's maximum context length is 4096 tokens.","type":"BadRequestError","code":400}`, long, 0, ""},
		"ContextLlamaCpp":     {400, nil, `{"error":{"code":400,"message":"request exceeds the available context size","type":"exceed_context_size_error"}}`, long, 0, ""},
		"ContentFilter":       {400, nil, apiError("filtered", "content_filter"), refused, 0, "filtered"},
		"FlaggedPrompt":       {400, nil, apiError("flagged", "invalid_prompt"), refused, 0, ""},
		"BadRequest":          {400, nil, `{"error":{"message":"bad value","param":"temperature","code":"invalid_value"}}`, invalid, 0, "(check temperature)"},
		"BadTokens":           {400, nil, `{"error":{"message":"use max_completion_tokens","param":"max_tokens","code":"unsupported_parameter"}}`, invalid, 0, "(leave out max_output_tokens, and set extra: {max_completion_tokens: …})"},
		"BadStreamOptions":    {422, nil, `{"error":{"message":"extra inputs","param":"stream_options"}}`, invalid, 0, "extra: {stream_options: null}"},
		"BadSomething":        {400, nil, `{"detail":"no"}`, invalid, 0, "400 Bad Request: “no” (check model, extra"},
		"UnknownModel":        {404, nil, apiError("The model does not exist", "model_not_found"), invalid, 0, "(check model)"},
		"UnknownModelInText":  {404, nil, `{"error":"model \"x\" not found, try pulling it first"}`, invalid, 0, "try pulling it first” (check model, and that base_url"},
		"NotFound":            {404, nil, "404 page not found", down, 0, "base_url"},
		"ServerError":         {500, nil, apiError("oops", "server_error"), down, 0, "oops"},
		"Overloaded":          {503, http.Header{"Retry-After": {"3"}}, apiError("busy", ""), down, 3 * time.Second, ""},
		"ErrorWithGoodStatus": {200, nil, `{"error":{"message":"Provider returned error","code":429}}`, limited, 0, "Provider returned error"},
		"ErrorWithoutStatus":  {200, nil, `{"error":{"message":"hm"}}`, down, 0, "error in the answer: “hm”"},
		"NoChoices":           {200, nil, `{"choices":[]}`, down, 0, "the answer is empty"},
		"OnlyReasoned":        {200, nil, completion("", "length"), invalid, 0, "raise max_output_tokens"},
		"Filtered":            {200, nil, completion("Well, ", "content_filter"), refused, 0, "content filter"},
		"Declined":            {200, nil, `{"choices":[{"finish_reason":"stop","message":{"content":null,"refusal":"I can't help with that."}}]}`, refused, 0, "I can't help with that."},
	} {
		chat.Rejects(t, name, modeltest.Response(c))
	}
}

// What may come of a stream.
func TestErrorsInStreams(t *testing.T) {
	t.Parallel()
	hello := chunk(map[string]any{"content": "Hello"}, "")
	for name, c := range map[string]streamed{
		"NoDone":           {[]string{hello, chunk(nil, "stop"), usageChunk}, "", "Hello", known},
		"NoUsage":          {[]string{hello, chunk(nil, "stop"), "[DONE]"}, "", "Hello", once},
		"OddEnd":           {[]string{hello, chunk(nil, "stop"), "{]"}, "", "Hello", once},
		"FinishWithText":   {[]string{chunk(map[string]any{"content": "Hello"}, "eos"), "[DONE]"}, "", "Hello", once},
		"OnlyDone":         {[]string{"[DONE]"}, down, "the stream ended before the answer did", once},
		"UsageIsTheEnd":    {[]string{hello, usageChunk}, "", "Hello", known},
		"Filtered":         {[]string{hello, chunk(nil, "content_filter"), usageChunk, "[DONE]"}, refused, "content filter", known},
		"Declined":         {[]string{chunk(map[string]any{"refusal": "No, "}, ""), chunk(map[string]any{"refusal": "sorry."}, "stop"), usageChunk}, refused, "No, sorry.", known},
		"Reasoned":         {[]string{chunk(map[string]any{"reasoning_content": "hm"}, ""), chunk(nil, "length"), usageChunk}, invalid, "raise max_output_tokens", known},
		"ErrorEvent":       {[]string{hello, `{"error":{"message":"The server had an error","type":"server_error"}}`}, down, "The server had an error", once},
		"QuotaEvent":       {[]string{hello, apiError("pay up", "insufficient_quota")}, quota, "pay up", once},
		"NumberedEvent":    {[]string{`{"error":{"code":429,"message":"upstream is busy"}}`}, limited, "upstream is busy", once},
		"InvalidJSON":      {[]string{hello, "{]"}, down, "", once},
		"CommentsAreFine":  {[]string{": OPENROUTER PROCESSING", hello, chunk(nil, "stop")}, "", "Hello", once},
		"ManyTinyIsNoHarm": {append(modeltest.Repeat(chunk(map[string]any{"content": "y "}, ""), 50_000), chunk(nil, "stop")), "", "y ", once},
	} {
		c.Events = modeltest.Events(c.Events...)
		chat.Streams(t, name, modeltest.Streamed(c))
	}
}
