package apierror_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/apierror"
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

// table is like that of a vendor.
var table = apierror.Table{
	Remedies: map[conversation.Kind]string{
		quota: "add credit", unauth: "check api_key", long: "lower max_history_messages", invalid: "check the settings",
	},
	NotFound: "check model and base_url",
	Settings: map[string]string{"model": "model", "temperature": "temperature", "max_tokens": "max_output_tokens", "max_completion_tokens": "max_output_tokens"},
	Extra:    apierror.Extra{Set: "extra: {%s: …}", Remove: "extra: {%s: null}"},
}

// said is a body with the message in the common shape.
func said(message string) string {
	data, err := json.Marshal(map[string]any{"error": map[string]any{"message": message, "type": "invalid_request_error", "code": nil}})
	if err != nil {
		panic(err)
	}
	return string(data)
}

// meanings are messages by what they mean, each under the statuses that servers give them.
var meanings = []struct {
	kind     conversation.Kind
	statuses []int
	messages []string
}{
	{long, []int{400, 413, 422, 500, 0}, []string{
		"This model's maximum context length is 4097 tokens. However, you requested 5360 tokens (1360 in your prompt; 4000 for the completion). Please reduce your prompt; or completion length.",
		"This model's maximum context length is 8192 tokens. However, you requested 0 output tokens and your prompt contains at least 8193 input tokens.",
		"This endpoint's maximum context length is 128000 tokens. However, you requested about 150000 tokens (148000 of text input, 2000 in the output). Please reduce the length of either one, or use the \"middle-out\" transform to compress your prompt automatically.",
		"This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
		"The decoder prompt (length 9000) is longer than the maximum model length of 8192. Make sure that `max_model_len` is no smaller than the number of text tokens.",
		"The input (40210 tokens) is longer than the model's context length (32768 tokens).",
		"Requested token count exceeds the model's maximum context length of 8192 tokens. You requested a total of 9000 tokens",
		"Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8193. Given: 9000 `inputs` tokens and 100 `max_new_tokens`",
		"Input validation error: `inputs` must have less than 1024 tokens. Given: 2000",
		"The number of tokens to keep from the initial prompt is greater than the context length. Try to load the model with a larger context length.",
		"Trying to keep the first 9000 tokens when context the overflows. However, the model is loaded with context length of only 4096 tokens, which is not enough.",
		"Reached context length of 4096 tokens with this model, context overflow policy is stopAtLimit",
		"the request exceeds the available context size. try increasing the context size or enable context shift",
		"request (9000 tokens) exceeds the available context size (8192 tokens), try increasing it",
		"Context size has been exceeded.",
		"Requested tokens (9000) exceed context window of 4096",
		"input is too large to process. increase the physical batch size (current batch size: 512)",
		"Input is too long for requested model.",
		"The model returned the following errors: Input Tokens Exceeded: Number of input tokens exceeds maximum length.",
		"prompt is too long: 208310 tokens > 200000 maximum",
		"input length and `max_tokens` exceed context limit: 199500 + 8192 > 200000, decrease input length or `max_tokens` and try again",
		"Prompt contains 40010 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
		"The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
		"Unable to submit request because the input token count is 50000 but model only supports up to 32768.",
		"Invalid request: Your request exceeded model token limit: 8192",
		"<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 30720]",
		"too many tokens: total number of tokens in the prompt exceeds the limit of 4081. Try using a shorter prompt",
		"The prompt is too long: 9000, model maximum context length: 8191",
		"Please reduce the length of the messages or completion. Current length is 9000 while limit is 8192",
		"AiError: The estimated number of input and maximum output tokens (9000) exceeded this model context window limit (8192).",
		"input length exceeds maximum context length",
		"prompt too long; exceeded max context length by 4 tokens",
		"prompt token count of 150000 exceeds the limit of 128000",
		"Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 280000 tokens. Please reduce the length of the messages.",
		"Your input exceeds the context window of this model. Please adjust your input and try again.",
		"length of prompt_tokens (40000) must be less than max_seq_len (32768).",
		"Input length 9000 exceeds the maximum length 4096",
		"Total message token length exceed model limit (4096 tokens)",
		"Prompt length (9000) exceeds maximum input length (8192).",
		"invalid params, context window exceeds limit (2013)",
		"litellm.ContextWindowExceededError: OpenAIException - too long",
		"'max_tokens' or 'max_completion_tokens' is too large: 1000. This model's maximum context length is 4096 tokens and your request has 4000 input tokens (1000 > 4096 - 4000).",
		"Invalid 'messages[3].content': string too long. Expected a string with maximum length 1048576, but got a string with length 2000000 instead.",
		"Request body too large for gpt-4o model. Max size: 8000 tokens.",
		"输入内容过长，超出模型最大长度",
	}},
	{long, []int{413, 429, 0}, []string{
		"Request too large for model `llama-3.3-70b` in organization `org_x` service tier `on_demand` on tokens per minute (TPM): Limit 6000, Requested 7000, please reduce your message size and try again. Need more tokens? Upgrade to Dev Tier today at https://console.groq.com/settings/billing",
		"Request too large for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Requested 33000. The input or output tokens must be reduced in order to run successfully.",
		"Rate limit reached on tokens per minute (TPM): Limit 6,000, Used 0, Requested 7,100.",
	}},
	{quota, []int{400, 402, 403, 429, 0}, []string{
		"insufficient balance (1008)",
		"Insufficient Balance",
		"Insufficient credits. Add more at https://openrouter.ai/settings/credits",
		"This request requires more credits, or fewer max_tokens. You requested up to 65535 tokens, but can only afford 2000.",
		"Your account is in arrears, please recharge and try again",
		"Your newly created team doesn't have any credits or licenses yet.",
		"Access denied, please make sure your account is in good standing.",
		"Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.",
		"You exceeded your current quota, please check your plan and billing details.",
		"Budget has been exceeded! Current cost: 12.5, Max budget: 10.0",
		"Authentication Error, ExceededTokenBudget: Current spend for token: 12.1; Max Budget for Token: 10.0",
		"Your project has exceeded its monthly spending cap.",
		"Your prepayment credits are depleted. Please go to AI Studio to manage your project and billing.",
		"You have reached your specified API usage limits. You will regain access on 2099-01-01 at 00:00 UTC.",
		"you have used up your daily free allocation of 10,000 neurons, please upgrade to Cloudflare's Workers Paid plan",
		"Billing hard limit has been reached",
		"Key limit exceeded (total limit). Manage it using https://openrouter.ai/settings/keys",
		"Your GLM Coding Plan package has expired and is temporarily unavailable.",
		"The free quota has been exhausted. To continue accessing the model on a paid basis, disable the free tier only mode",
		"Sorry, your account balance is insufficient",
		"账户余额不足，请充值后重试",
		"You have run out of credits.",
		"Your account org-x is suspended due to insufficient balance, please recharge your account or check your plan and billing details",
		"Weekly usage limit reached for Claude models",
	}},
	{quota, []int{429}, []string{
		"Requests have exceeded token rate limit of your current OpenAI S0 pricing tier. Please retry after 86400 seconds.",
		"Rate limit reached for model `x` on tokens per day (TPD): Limit 100000, Used 99999, Requested 500. Please try again in 8h32m.",
		"Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free model requests per day",
		"daily request limit reached",
	}},
	{limited, []int{429, 0}, []string{
		"Rate limit reached for gpt-4 in organization org-x on requests per min (RPM): Limit 3, Used 3, Requested 1. Please try again in 20s. You can increase your rate limit by adding a payment method to your account at https://platform.openai.com/account/billing.",
		"Rate limit reached for model `x` on tokens per minute (TPM): Limit 6000, Used 5000, Requested 2000. Please try again in 10s. Need more tokens? Upgrade to Dev Tier today at https://console.groq.com/settings/billing",
		"Rate limit reached for model `x` on tokens per day (TPD): Limit 100000, Used 99999, Requested 500. Please try again in 7m12s.",
		"This request would exceed your organization's rate limit of 40,000 input tokens per minute.",
		"Rate limit exceeded: free-models-per-min.",
		"Too many requests",
		"Requests rate limit exceeded",
		"请求过于频繁，请稍后再试",
		"You have reached the concurrency limit, too many concurrent requests",
		"Quota exceeded for aiplatform.googleapis.com/generate_content_requests_per_minute_per_project_per_base_model",
		"ThrottlingException: Rate exceeded, request was throttled",
	}},
	{unauth, []int{400, 401, 403, 0}, []string{
		"Incorrect API key provided: sk-xx. You can find your API key at https://platform.openai.com/account/api-keys.",
		"API key not valid. Please pass a valid API key.",
		"API key expired. Please renew the API key.",
		"invalid x-api-key",
		"Authentication Fails (no such user)",
		"Invalid Authentication",
		"No auth credentials found",
		"login fail: Please carry the API secret key in the 'Authorization' field of the request header",
		"The security token included in the request is expired",
		"This organization has been disabled.",
		"invalid api key (2049)",
		"令牌已过期或验证不正确",
		"You didn't provide an API key.",
	}},
	{refused, []int{400, 403, 0}, []string{
		"The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
		"Content Exists Risk",
		"The request was rejected because it was considered high risk",
		"Output blocked by content filtering policy",
		"Input data may contain inappropriate content.",
		"Your chosen model requires moderation and your input was flagged for \"violence/graphic\".",
		"input new_sensitive (1026)",
		"系统检测到输入或生成内容可能包含不安全或敏感内容",
		"Invalid prompt: your prompt was flagged as potentially violating our usage policy.",
	}},
	{down, []int{400, 500, 503, 0}, []string{
		"model is being loaded", "Loading model", "Model deepseek/deepseek-r1 is currently loading",
		"No models loaded. Please load a model in the developer page or use the `lms load` command.",
		"The engine is currently overloaded, please try again later",
		"The model is overloaded. Please try again later.",
		"no healthy upstream",
		"upstream connect error or disconnect/reset before headers. reset reason: overflow",
		"Service is too busy. We advise users to temporarily switch to alternative LLM API service providers.",
		"context deadline exceeded", "context canceled",
		"model requires more system memory (5.6 GiB) than is available (4.1 GiB)",
		"The server is currently experiencing high demand",
	}},
	{invalid, []int{400, 404, 422}, []string{
		"No such model @cf/x", "The model `gpt-9` does not exist or you do not have access to it.", "model \"x\" not found, try pulling it first",
		"anthropic/claude-9 is not a valid model ID", "No endpoints found for x/y.", "Model Not Exist", "invalid model name passed in model=x",
		"Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
		"Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1) value is supported.",
		"Unrecognized request argument supplied: seed", "stream_options: Extra inputs are not permitted", "Invalid JSON payload received. Unknown name \"seed\"",
		"max_tokens is too large: 100000. This model supports at most 16384 completion tokens, whereas you provided 100000.",
		"Invalid max_tokens value, the valid range of max_tokens is [1, 8192]",
		"max_tokens: 9000 > 4096, which is the maximum allowed number of output tokens",
		"the model is not open to you", "bad stop word",
		"'max_tokens' or 'max_completion_tokens' is too large: 5000. This model's maximum context length is 4096 tokens and your request has 100 input tokens (5000 > 4096 - 100).",
	}},
	// Sentences that look like another kind.
	{invalid, []int{400}, []string{
		`Invalid value for 'messages[3].content': "my card says insufficient balance, please top up"`,
		`messages.2.content: text 'the rate limit was exceeded and my api key is invalid' is not allowed here`,
		"context_management: Extra inputs are not permitted",
		"tools.0.input_schema: the conversation context has no such field",
		"The image exceeds the maximum size of 5 MB",
		"Invalid 'tools': array too long. Expected an array with maximum length 128, but got an array with length 200 instead.",
		"messages: roles must alternate between user and assistant",
		"unexpected token in JSON at position 4",
		"previous_response_id: response not found",
		"The stop sequence is too long",
		"Unknown field: quota_project",
	}},
	{quota, []int{429, 400}, []string{
		"You have exhausted your monthly quota; the rate limit of requests does not matter",
		"Insufficient balance: the rate limit of free accounts is 0 requests per minute",
	}},
	{limited, []int{429}, []string{
		"", "slow down", "upstream is busy", "Rate limit quota violation", "Resource has been exhausted (e.g. check quota).",
		"The server is temporarily unavailable", "Your context is fine, but too many requests came",
	}},
	{unauth, []int{400, 401, 403, 0}, []string{"Invalid token", "invalid token."}},
	{unauth, []int{401, 403}, []string{"no", "the model is not open to you", "User is not authorized to access this resource"}},
	{down, []int{500, 502}, []string{"no", "", "model \"x\" not found", "invalid value for temperature", "Provider returned error"}},
}

func TestMeanings(t *testing.T) {
	t.Parallel()
	rows := 0
	for _, m := range meanings {
		for _, message := range m.messages {
			for _, status := range m.statuses {
				rows++
				e, _ := apierror.Read([]byte(said(message)))
				if status == 0 {
					var ok bool
					e, ok = apierror.Within([]byte(said(message)))
					require.True(t, ok, message)
				}
				if kind := e.Kind(status, 0, table); kind != m.kind {
					t.Errorf("%d %q is %s, and not %s", status, message, kind, m.kind)
				}
			}
		}
	}
	require.Greater(t, rows, 300)
}

// Codes that give the kind, whatever the status and the message.
func TestCodes(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]conversation.Kind{
		`{"base_resp":{"status_code":1008,"status_msg":"m"}}`:                                                    quota,
		`{"base_resp":{"status_code":1002,"status_msg":"m"}}`:                                                    limited,
		`{"error":{"message":"No connected db.","type":"no_db_connection","param":null,"code":"400"}}`:           unauth,
		`{"base_resp":{"status_code":1004,"status_msg":"m"}}`:                                                    unauth,
		`{"base_resp":{"status_code":1027,"status_msg":"m"}}`:                                                    refused,
		`{"base_resp":{"status_code":1033,"status_msg":"m"}}`:                                                    down,
		`{"error":{"code":"1113","message":"m"}}`:                                                                quota,
		`{"error":{"code":"1302","message":"m"}}`:                                                                limited,
		`{"error":{"code":"1002","message":"m"}}`:                                                                unauth,
		`{"error":{"code":1261,"message":"m"}}`:                                                                  long,
		`{"error":{"code":"1301","message":"m"}}`:                                                                refused,
		`{"error_code":17,"error_msg":"m"}`:                                                                      quota,
		`{"error_code":18,"error_msg":"m"}`:                                                                      limited,
		`{"error_code":19,"error_msg":"m"}`:                                                                      quota,
		`{"error_code":110,"error_msg":"m"}`:                                                                     unauth,
		`{"error_code":336007,"error_msg":"m"}`:                                                                  long,
		`{"error":{"code":"Arrearage","message":"m"}}`:                                                           quota,
		`{"code":"Arrearage","message":"m","request_id":"r"}`:                                                    quota,
		`{"error":{"type":"budget_exceeded","message":"m","code":"400"}}`:                                        quota,
		`{"error":{"type":"exceeded_current_quota_error","message":"m"}}`:                                        quota,
		`{"error":{"type":"insufficient_quota","message":"m","code":null}}`:                                      quota,
		`{"error":{"code":"tokens_limit_reached","message":"m"}}`:                                                long,
		`{"error":{"code":400,"message":"m","type":"exceed_context_size_error","n_ctx":4096}}`:                   long,
		`{"error":{"code":"content_filter","message":"m","innererror":{"code":"ResponsibleAIPolicyViolation"}}}`: refused,
		`{"code":"DataInspectionFailed","message":"m"}`:                                                          refused,
		`{"__type":"com.amazon.coral.service#UnrecognizedClientException","message":"m"}`:                        unauth,
		`{"error":{"code":"model_not_found","message":"m"}}`:                                                     invalid,
		`{"error":{"status":"RESOURCE_EXHAUSTED","message":"m","details":[{"@type":"x/google.rpc.QuotaFailure","violations":[{"quotaId":"RequestsPerDay"}]}]}}`:                                                         quota,
		`[{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"You exceeded your current quota","details":[{"@type":"x/google.rpc.QuotaFailure","violations":[{"quotaId":"RequestsPerMinutePerProject"}]}]}}]`: limited,
		`{"error":{"code":400,"status":"INVALID_ARGUMENT","message":"m","details":[{"@type":"x/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}]}}`:                                                                    unauth,
	} {
		for _, status := range []int{400, 429, 0} {
			e, ok := apierror.Read([]byte(body))
			require.True(t, ok)
			require.Equal(t, want, e.Kind(status, 0, table), "%d %s", status, body)
		}
	}
}

func TestWaits(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]time.Duration{
		said("Please try again in 20s."):                                       20 * time.Second,
		said("Please try again in 8h32m"):                                      8*time.Hour + 32*time.Minute,
		`{"error":{"message":"m","retry_after":2.5}}`:                          2500 * time.Millisecond,
		`{"error":"Model x is currently loading","estimated_time":20.0}`:       20 * time.Second,
		`[{"error":{"details":[{"@type":"x.RetryInfo","retryDelay":"34s"}]}}]`: 34 * time.Second,
		said("no"): 0,
	} {
		e, _ := apierror.Read([]byte(body))
		require.Equal(t, want, e.RetryAfter, body)
	}
}

func TestRemedies(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]string{
		"Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.":      "leave out max_output_tokens, and set extra: {max_completion_tokens: …}",
		"Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1) value is supported.": "check temperature",
		"Unrecognized request argument supplied: seed":                                                                    "take seed out of extra, or out of the request with extra: {seed: null}",
		"Unknown parameter: 'reasoning_effort'.":                                                                          "extra: {reasoning_effort: null}",
		"stream_options: Extra inputs are not permitted":                                                                  "extra: {stream_options: null}",
		"litellm.UnsupportedParamsError: openai does not support parameters: ['parallel_tool_calls'], for model=x":        "extra: {parallel_tool_calls: null}",
		"max_tokens: 9000 > 4096, which is the maximum allowed number of output tokens":                                   "check max_output_tokens",
		"No such model @cf/x": "check model",
		"bad stop word":       "check the settings",
		"prompt is too long: 208310 tokens > 200000 maximum":          "lower max_history_messages",
		"Insufficient Balance":                                        "add credit",
		"Incorrect API key provided: sk-xx":                           "check api_key",
		"No models loaded. Please load a model in the developer page": "load the model on its server",
	} {
		e, _ := apierror.Read([]byte(said(message)))
		kind := e.Kind(400, 0, table)
		remedy := e.Remedy(kind, 400, table)
		require.Contains(t, remedy, want, fmt.Sprint(kind, ": ", message))
		if kind == invalid {
			require.NotContains(t, remedy, "api_key")
		}
	}
}
