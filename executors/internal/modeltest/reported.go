package modeltest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/parley-run/parley/conversation"
)

const refused = conversation.Refused

// A Report is an error in some server's shape and words, and what it means.
type Report struct {
	Status int
	Body   string

	Kind   conversation.Kind
	Inside conversation.Kind // under a status of success; empty: Kind
	After  time.Duration
	Text   string // part of the error
}

// Reports are errors that servers and gateways send, whichever API they imitate.
func Reports() map[string]Report {
	said := func(message string) string { return JSON(map[string]any{"error": map[string]any{"message": message}}) }
	return map[string]Report{
		"LongVLLM":       {400, `{"error":{"message":"This model's maximum context length is 8192 tokens. However, you requested 0 output tokens and your prompt contains at least 8193 input tokens.","type":"BadRequestError","param":"input_tokens","code":400}}`, long, "", 0, "maximum context length"},
		"LongSGLang":     {400, `{"object":"error","message":"The input (40210 tokens) is longer than the model's context length (32768 tokens).","type":"BadRequestError","param":null,"code":400}`, long, "", 0, "is longer than"},
		"LongTGI":        {422, "{\"error\":\"Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8193. Given: 9000 `inputs` tokens and 100 `max_new_tokens`\",\"error_type\":\"validation\"}", long, "", 0, "max_new_tokens"},
		"LongLMStudio":   {400, `{"error":"The number of tokens to keep from the initial prompt is greater than the context length. Try to load the model with a larger context length."}`, long, "", 0, ""},
		"LongLlamaCpp":   {500, `{"error":{"code":500,"message":"the request exceeds the available context size. try increasing the context size or enable context shift","type":"server_error"}}`, long, "", 0, "available context size"},
		"LongBedrock":    {400, said("Input is too long for requested model."), long, "", 0, ""},
		"LongMistral":    {400, `{"object":"error","message":"Prompt contains 40010 tokens and 0 draft tokens, too large for model with 32768 maximum context length","type":"invalid_request_prompt","param":null,"code":"too large for model"}`, long, "", 0, "too large for model"},
		"LongAnthropic":  {400, `{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 208310 tokens > 200000 maximum"}}`, long, "", 0, ""},
		"LongGemini":     {400, `[{"error":{"code":400,"message":"The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).","status":"input token count"}}]`, long, "", 0, "input token count"},
		"LongGitHub":     {413, `{"error":{"code":"tokens_limit_reached","message":"Request body too large for gpt-4o model. Max size: 8000 tokens."}}`, long, "", 0, ""},
		"LongOpenRouter": {400, `{"error":{"message":"Provider returned error","code":400,"metadata":{"raw":"{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"prompt is too long: 9 tokens > 8 maximum\"}}","provider_name":"P"}}}`, long, "", 0, "prompt is too long"},
		"LongForMinute":  {429, `{"error":{"message":"Request too large for model x on tokens per minute (TPM): Limit 6000, Requested 7000, please reduce your message size and try again.","type":"tokens","code":"rate_limit_exceeded"}}`, long, "", 0, "Requested 7000"},

		"EmptyMiniMax":    {429, `{"error":{"http_code":"429","message":"insufficient balance (1008)","type":"insufficient_balance_error"}}`, quota, "", 0, ""},
		"EmptyMiniMax2":   {400, `{"base_resp":{"status_code":1008,"status_msg":"insufficient balance"},"choices":null,"id":""}`, quota, "", 0, "insufficient balance"},
		"EmptyZhipu":      {429, `{"error":{"code":"1113","message":"Your account is in arrears, please recharge and try again"}}`, quota, "", 0, ""},
		"EmptyXAI":        {403, `{"code":"The caller does not have permission","error":"Your newly created team doesn't have any credits or licenses yet."}`, quota, "", 0, ""},
		"EmptyDashScope":  {400, `{"error":{"code":"Arrearage","message":"Access denied, please make sure your account is in good standing.","type":"Arrearage"}}`, quota, "", 0, ""},
		"EmptyOpenRouter": {402, `{"error":{"message":"Insufficient credits. Add more at the settings page","code":402}}`, quota, "", 0, ""},
		"EmptyLiteLLM":    {400, `{"error":{"message":"Budget has been exceeded! Current cost: 12.5, Max budget: 10.0","type":"budget_exceeded","param":null,"code":"400"}}`, quota, "", 0, ""},
		"DayAzure":        {429, `{"error":{"code":"429","message":"Requests have exceeded token rate limit of your current OpenAI S0 pricing tier. Please retry after 86400 seconds."}}`, quota, "", 24 * time.Hour, ""},
		"DayBaidu":        {429, `{"error_code":17,"error_msg":"daily request limit reached"}`, quota, "", 0, "daily request limit"},

		"KeyWrong":    {400, said("Incorrect API key provided"), unauth, "", 0, ""},
		"KeyExpired":  {403, `{"message":"API key expired. Please renew the API key."}`, unauth, "", 0, ""},
		"KeyMiniMax":  {401, `{"base_resp":{"status_code":1004,"status_msg":"login fail: carry the API secret key"}}`, unauth, "", 0, ""},
		"KeyAWS":      {403, `{"Message":"User is not authorized to access this resource"}`, unauth, "", 0, "not authorized"},
		"KeyXML":      {403, `<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>not this key</Message></Error>`, unauth, "", 0, "not this key"},
		"FastAPI":     {422, `{"detail":[{"type":"extra_forbidden","loc":["body","stream_options"],"msg":"Extra inputs are not permitted","input":{}}]}`, invalid, "", 0, "Extra inputs"},
		"Cloudflare":  {400, `{"success":false,"errors":[{"code":5007,"message":"No such model @cf/x"}],"result":{}}`, invalid, "", 0, "No such model"},
		"Code":        {400, `{"code":10404,"msg":"not open to you"}`, invalid, down, 0, "not open to you"},
		"Nested":      {400, `{"error":{"error":{"message":"bad stop word"}}}`, invalid, down, 0, "bad stop word"},
		"Apigee":      {429, `{"fault":{"faultstring":"Rate limit quota violation","detail":{"errorcode":"policies.ratelimit.QuotaViolation"}}}`, limited, "", 0, "quota violation"},
		"Wait":        {429, said("Rate limit reached on requests per min (RPM): Limit 3, Used 3, Requested 1. Please try again in 20s."), limited, "", 20 * time.Second, ""},
		"Python":      {500, `{"error":"Error code: 429 - {'error': {'message': 'Too many requests', 'code': None}}"}`, limited, "", 0, "Too many requests"},
		"Replacement": {400, `{"error":{"message":"Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.","type":"invalid_request_error","param":"max_tokens","code":"unsupported_parameter"}}`, invalid, "", 0, "max_completion_tokens"},
		"Filter":      {400, said("The response was filtered due to the prompt triggering Azure OpenAI's content management policy."), refused, "", 0, ""},
		"Loading":     {503, `{"detail":"model is being loaded"}`, down, "", 0, "being loaded"},
		"LoadingWait": {503, `{"error":"Model x is currently loading","estimated_time":20.0}`, down, "", 20 * time.Second, ""},
		"Worker":      {500, `{"object":"error","message":"the worker behind this model is gone","type":"InternalServerError","code":50001}`, down, "", 0, "the worker behind this model"},
		"LiteLLM":     {500, `{"error":{"message":"litellm.InternalServerError: no healthy deployment for this model group","type":null,"param":null,"code":"500"}}`, down, "", 0, "no healthy deployment"},
		"PlainText":   {503, "upstream connect error or disconnect/reset before headers. reset reason: overflow", down, "", 0, "upstream connect error"},
		"TitledPage":  {400, "<html><head><title>400 Request Header Or Cookie Too Large</title></head></html>", down, "", 0, "Header Or Cookie Too Large"},
		"ProxyPage":   {413, "<html><head><title>413 Request Entity Too Large</title></head></html>", down, "", 0, "Request Entity Too Large"},
		"Quoted":      {400, said(`Invalid value for 'messages[3].content': "my card says insufficient balance, please top up"`), invalid, down, 0, ""},
	}
}

// reported tests the reports as responses, and under a status of success: as a whole
// answer, as the first event of a stream, as a named one, and after a piece of an answer.
func (v Vendor) reported(t *testing.T) {
	for name, r := range Reports() {
		v.Rejects(t, name, Response{Status: r.Status, Header: r.Header(), Body: r.Body, Kind: r.Kind, After: r.After, Text: r.Text})
		kind := r.Kind
		if r.Inside != "" {
			kind = r.Inside
		}
		v.Rejects(t, name+"Within", Response{Status: http.StatusOK, Header: r.Header(), Body: r.Body, Kind: kind, After: r.After, Text: r.Text})
		if !strings.HasPrefix(r.Body, "{") {
			continue
		}
		once := conversation.Usage{Calls: 1}
		begun := append(v.Begin[:len(v.Begin):len(v.Begin)], v.Delta("Hello"))
		for how, s := range map[string]Streamed{
			"First": {[]string{"data: " + r.Body}, kind, r.Text, once},
			"Named": {[]string{"event: error\ndata: " + r.Body}, kind, r.Text, once},
			"Later": {append(begun, "data: "+r.Body), kind, r.Text, v.Begun},
		} {
			v.Streams(t, fmt.Sprint(name, how), s)
		}
	}
}

// Header is the header of a response with the body; nil: it is JSON.
func (r Report) Header() http.Header {
	switch r.Body[0] {
	case '<':
		return http.Header{"Content-Type": {"text/html"}}
	case '{', '[':
		return nil
	}
	return http.Header{"Content-Type": {"text/plain"}}
}
