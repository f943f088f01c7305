package gemini_test

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
	bad := func(message string, details ...any) string {
		return apiError(400, "INVALID_ARGUMENT", message, details...)
	}
	spent := func(message string, details ...any) string {
		return apiError(429, "RESOURCE_EXHAUSTED", message, details...)
	}
	for name, c := range map[string]said{
		"PerMinute":           {429, nil, spent(exhausted, exceeded(perMinute), retryIn("34.5s")), limited, 34500 * time.Millisecond, "429 Too Many Requests, RESOURCE_EXHAUSTED, " + perMinute + ": “You exceeded"},
		"TokensPerMinute":     {429, nil, spent(exhausted, exceeded("GenerateContentInputTokensPerModelPerMinute-FreeTier")), limited, 0, ""},
		"PerDay":              {429, nil, spent(exhausted, exceeded(perDay), retryIn("12s")), quota, 12 * time.Second, "wait for the quota to be renewed"},
		"PerMinuteAndDay":     {429, nil, spent(exhausted, exceeded(perMinute, perDay)), quota, 0, perDay},
		"NoFreeTier":          {429, nil, strings.Replace(spent(exhausted, exceeded(perMinute)), `"20"`, `"0"`, 1), quota, 0, ""},
		"PerDayByMetric":      {429, nil, `{"error":{"status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaMetric":"aiplatform.googleapis.com/requests_per_day"}]}]}}`, quota, 0, ""},
		"Prepaid":             {429, nil, spent("Your prepayment credits are depleted. Please go to AI Studio to manage your project and billing."), quota, 0, "credits"},
		"SpendCap":            {429, nil, spent("Your project has exceeded its monthly spending cap."), quota, 0, ""},
		"SharedCapacity":      {429, nil, "[" + spent("Resource exhausted. Please try again later.") + "]", limited, 0, "Please try again later"},
		"CheckQuota":          {429, nil, spent("Resource has been exhausted (e.g. check quota)."), limited, 0, ""},
		"LongerWaitCounts":    {429, http.Header{"Retry-After": {"20"}}, spent("no", retryIn("3s")), limited, 20 * time.Second, ""},
		"RetryInfoNonsense":   {429, nil, spent("no", retryIn("soon")), limited, 0, ""},
		"RetryInfoNegative":   {429, nil, spent("no", retryIn("-3s")), limited, 0, ""},
		"RetryInfoHuge":       {429, nil, spent("no", retryIn("900000s")), limited, 7 * 24 * time.Hour, ""},
		"WrongKey":            {400, nil, bad("API key not valid. Please pass a valid API key.", info("API_KEY_INVALID")), unauth, 0, "check api_key"},
		"WrongKeyInWords":     {400, nil, bad("API key expired. Please renew the API key."), unauth, 0, "check api_key"},
		"NoKey":               {403, nil, apiError(403, "PERMISSION_DENIED", "Method doesn't allow unregistered callers"), unauth, 0, "check api_key"},
		"NotEnabled":          {403, nil, apiError(403, "PERMISSION_DENIED", "API has not been used in project 1", info("SERVICE_DISABLED")), unauth, 0, "SERVICE_DISABLED"},
		"NoBilling":           {403, nil, apiError(403, "PERMISSION_DENIED", "This API method requires billing to be enabled.", info("BILLING_DISABLED")), quota, 0, "enable billing"},
		"Token":               {401, nil, apiError(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.", info("ACCESS_TOKEN_EXPIRED")), unauth, 0, "401 Unauthorized"},
		"Country":             {400, nil, apiError(400, "FAILED_PRECONDITION", "User location is not supported for the API use."), unauth, 0, "API is offered where this machine is"},
		"FreeTierCountry":     {400, nil, apiError(400, "FAILED_PRECONDITION", "Gemini API free tier is not available in your country. Please enable billing on your project."), quota, 0, ""},
		"TooManyTokens":       {400, nil, bad("The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."), long, 0, "max_history_messages"},
		"TooManyTokensOld":    {400, nil, bad("The input token count exceeds the maximum number of tokens allowed 1048575."), long, 0, ""},
		"PayloadTooLarge":     {400, nil, bad("Request payload size exceeds the limit: 20971520 bytes."), long, 0, ""},
		"BadTemperature":      {400, nil, bad("* GenerateContentRequest.generation_config.temperature: out of range"), invalid, 0, "(check temperature)"},
		"BadTokens":           {400, nil, bad("max_output_tokens must be positive"), invalid, 0, "(check max_output_tokens)"},
		"BadSomething":        {400, nil, bad("no"), invalid, 0, "400 Bad Request, INVALID_ARGUMENT: “no” (check model, extra"},
		"UnknownModel":        {404, nil, apiError(404, "NOT_FOUND", "models/x is not found for API version v1beta"), invalid, 0, "(check model"},
		"NotFound":            {404, nil, "404 page not found", down, 0, "without the /v1beta"},
		"Internal":            {500, nil, apiError(500, "INTERNAL", "An internal error has occurred."), down, 0, "INTERNAL"},
		"Overloaded":          {503, http.Header{"Retry-After": {"3"}}, apiError(503, "UNAVAILABLE", "The model is overloaded. Please try again later."), down, 3 * time.Second, "overloaded"},
		"CancelledByCode":     {499, nil, "", down, 0, "499"},
		"TooLongInWords":      {400, nil, `{"error":{"message":"The input context is too long."}}`, long, 0, "max_history_messages"},
		"Deadline":            {504, nil, apiError(504, "DEADLINE_EXCEEDED", "Deadline expired"), down, 0, ""},
		"Cancelled":           {499, nil, apiError(499, "CANCELLED", "The operation was cancelled."), down, 0, ""},
		"ErrorWithGoodStatus": {200, nil, spent("no", exceeded(perMinute), retryIn("3s")), limited, 3 * time.Second, "error in the answer, RESOURCE_EXHAUSTED"},
		"NoCandidates":        {200, nil, `{"candidates":[]}`, down, 0, "the answer is empty"},
		"NoContent":           {200, nil, `{"candidates":[{"finishReason":"STOP"}]}`, down, 0, "the answer is empty"},
		"OnlyReasoned":        {200, nil, piece("", "MAX_TOKENS"), invalid, 0, "raise max_output_tokens"},
		"PromptBlocked":       {200, nil, `{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"},"usageMetadata":{"promptTokenCount":12}}`, refused, 0, "the prompt was blocked (PROHIBITED_CONTENT)"},
		"PromptBlockedWhy":    {200, nil, `{"promptFeedback":{"blockReason":"MODEL_ARMOR","blockReasonMessage":"Not this."}}`, refused, 0, "(MODEL_ARMOR): “Not this.”"},
		"Safety":              {200, nil, piece("Well, ", "SAFETY"), refused, 0, "a filter stopped the answer (SAFETY)"},
		"Prohibited":          {200, nil, piece("", "PROHIBITED_CONTENT"), refused, 0, "PROHIBITED_CONTENT"},
		"Recitation":          {200, nil, piece("To be or", "RECITATION"), refused, 0, "RECITATION"},
		"Blocklist":           {200, nil, piece("", "BLOCKLIST"), refused, 0, ""},
		"BrokenOff":           {200, nil, piece("Well, ", "OTHER"), down, 0, "the model broke off (OTHER)"},
		"Malformed":           {200, nil, piece("", "MALFORMED_FUNCTION_CALL"), down, 0, ""},
		"Continuation":        {200, nil, piece("Well, ", "CONTINUATION"), down, 0, ""},
		"NoJSON":              {200, nil, "{]", down, 0, "the answer cannot be read"},
		"BrokenOffJSON":       {200, nil, piece("a", "STOP")[:40], down, 0, "the stream ended before the answer did"},
		"OddShape":            {200, nil, `{"candidates":5}`, down, 0, "the answer is empty"},
	} {
		vendor.Rejects(t, name, modeltest.Response(c))
	}
}

// What may come of a stream.
func TestErrorsInStreams(t *testing.T) {
	t.Parallel()
	hello := event(unfinished("Hello"))
	end := event(piece("!", "STOP"))
	once := conversation.Usage{Calls: 1}
	for name, c := range map[string]streamed{
		"CarriageReturns":  {[]string{hello + "\r\n\r", end + "\r\n\r"}, "", "Hello!", known},
		"OddEnd":           {[]string{hello, end, "data: {]"}, "", "Hello!", known},
		"ErrorAfterTheEnd": {[]string{hello, end, event(apiError(500, "INTERNAL", "late"))}, "", "Hello!", known},
		"ThoughtsAreNot":   {[]string{event(thinking("hm")), hello, end}, "", "Hello!", known},
		"Reasoned":         {[]string{event(thinking("hm")), event(piece("", "MAX_TOKENS"))}, invalid, "raise max_output_tokens", known},
		"Safety":           {[]string{hello, event(piece("", "SAFETY"))}, refused, "a filter stopped the answer (SAFETY)", known},
		"PromptBlocked":    {[]string{event(`{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":12}}`)}, refused, "the prompt was blocked (SAFETY)", conversation.Usage{InputTokens: 12, Calls: 1}},
		"BrokenOff":        {[]string{hello, event(piece("", "OTHER"))}, down, "the model broke off (OTHER)", known},
		"Continuation":     {[]string{hello, event(strings.Replace(piece("", "CONTINUATION"), `"index"`, `"continuationToken":"dG9rZW4=","index"`, 1))}, down, "CONTINUATION", known},
		"CutOffResumable":  {[]string{event(strings.Replace(unfinished("Hello"), `"index"`, `"continuationToken":"dG9rZW4=","index"`, 1))}, down, "the stream ended", begun},
		"Overloaded":       {[]string{hello, event(apiError(503, "UNAVAILABLE", "The model is overloaded."))}, down, "error in the answer, UNAVAILABLE: “The model is overloaded.”", begun},
		"PerMinute":        {[]string{event(apiError(429, "RESOURCE_EXHAUSTED", exhausted, exceeded(perMinute)))}, limited, perMinute, once},
		"PerDay":           {[]string{event(apiError(429, "RESOURCE_EXHAUSTED", exhausted, exceeded(perDay)))}, quota, perDay, once},
		"BareError":        {[]string{hello, apiError(503, "UNAVAILABLE", "The model is overloaded.")}, down, "overloaded", begun},
		"InvalidJSON":      {[]string{hello, "data: {\"secret words\":]"}, down, "the answer cannot be read", begun},
		"NoEvent":          {[]string{hello, "what?"}, down, "what?", begun},
		"OddShape":         {[]string{hello, `data: {"candidates":5}`}, "", "Hello", begun},
	} {
		vendor.Streams(t, name, modeltest.Streamed(c))
	}
}
