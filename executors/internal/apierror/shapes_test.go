package apierror_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/executors/internal/apierror"
)

// The shapes of errors, and how they read.
func TestShapes(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"error":{"message":"bad","type":"t","code":"c"}}`:                      "418 I'm a teapot, c: “bad”",
		`{"error":{"message":"bad","type":"t","code":null}}`:                     "418 I'm a teapot, t: “bad”",
		`{"error":{"message":"bad","code":400}}`:                                 "418 I'm a teapot: “bad”",
		`{"error":"bad"}`:                                                        "418 I'm a teapot: “bad”",
		`{"error":"bad","code":"The caller may not"}`:                            "418 I'm a teapot: “The caller may not: bad”",
		`{"error":"invalid_grant","error_description":"bad"}`:                    "418 I'm a teapot, invalid_grant: “bad”",
		`{"error":"Bad Request","message":["a","b"],"statusCode":400}`:           "418 I'm a teapot: “a; b”",
		`{"error":{"error":{"message":"bad"}}}`:                                  "418 I'm a teapot: “bad”",
		`{"error":{"error":{"error":{"message":"bad"}}}}`:                        "418 I'm a teapot: “bad”",
		`{"type":"error","error":{"type":"t","message":"bad"},"request_id":"r"}`: "418 I'm a teapot, t: “bad”",
		`{"object":"error","message":"bad","type":"t","code":40001}`:             "418 I'm a teapot, 40001: “bad”",
		`{"message":"bad"}`:                                                      "418 I'm a teapot: “bad”",
		`{"Message":"bad"}`:                                                      "418 I'm a teapot: “bad”",
		`{"code":10404,"msg":"bad"}`:                                             "418 I'm a teapot, 10404: “bad”",
		`{"error_code":17,"error_msg":"bad"}`:                                    "418 I'm a teapot, 17: “bad”",
		`{"errcode":5,"errmsg":"bad"}`:                                           "418 I'm a teapot, 5: “bad”",
		`{"detail":"bad"}`:                                                       "418 I'm a teapot: “bad”",
		`{"detail":{"message":"bad","code":"c"}}`:                                "418 I'm a teapot, c: “bad”",
		`{"detail":{"error":{"message":"bad"}}}`:                                 "418 I'm a teapot: “bad”",
		`{"detail":[{"type":"missing","loc":["body","messages",0,"role"],"msg":"bad","input":{"content":"what was said"}},{"loc":["query","x"],"msg":"worse"}]}`: "418 I'm a teapot, missing: “messages.0.role: bad; x: worse”",
		`{"success":false,"errors":[{"code":5007,"message":"bad"}],"result":{}}`:                                                                                 "418 I'm a teapot, 5007: “bad”",
		`{"title":"Faults.","status":400,"errors":{"n":["bad"],"model":["bad","worse"]}}`:                                                                        "418 I'm a teapot: “Faults.: model: bad; model: worse; n: bad”",
		`{"errors":["bad","worse"]}`:                                   "418 I'm a teapot: “bad; worse”",
		`{"base_resp":{"status_code":1008,"status_msg":"bad"}}`:        "418 I'm a teapot, 1008: “bad”",
		`{"fault":{"faultstring":"bad","detail":{"errorcode":"p.Q"}}}`: "418 I'm a teapot, p.Q: “bad”",
		`{"error":{"message":"Provider returned error","code":400,"metadata":{"raw":"{\"error\":{\"message\":\"bad\",\"type\":\"t\"}}","provider_name":"P"}}}`: "418 I'm a teapot, t: “Provider returned error: bad”",
		`{"error":{"message":"Provider returned error","metadata":{"raw":"bad"}}}`:                                                                             "418 I'm a teapot: “Provider returned error: bad”",
		`{"error":{"message":"{\"error\":{\"message\":\"bad\",\"code\":\"c\"}}"}}`:                                                                             "418 I'm a teapot, c: “bad”",
		`{"error":"{\"message\":\"bad\"}"}`: "418 I'm a teapot: “bad”",
		`{"error":{"message":"litellm.BadRequestError: XException - {\"type\":\"error\",\"error\":{\"type\":\"t\",\"message\":\"bad\"}}"}}`: "418 I'm a teapot, t: “litellm.BadRequestError: XException: bad”",
		`{"error":"Error code: 400 - {'error': {'message': \"it's bad\", 'code': None, 'type': 't'}}"}`:                                     "418 I'm a teapot, t: “Error code: 400: it's bad”",
		`{"message":"[{'type': 'extra_forbidden', 'loc': ('body', 'seed'), 'msg': 'bad', 'input': 'what was said'}]"}`:                      "418 I'm a teapot, extra_forbidden: “seed: bad”",
		`[{"error":{"code":400,"message":"bad","status":"INVALID_ARGUMENT"}}]`:                                                              "418 I'm a teapot, INVALID_ARGUMENT: “bad”",
		`{"Response":{"Error":{"Code":"C","Message":"bad"},"RequestId":"r"}}`:                                                               "418 I'm a teapot, C: “bad”",
		`{"ResponseMetadata":{"Error":{"Code":"C","Message":"bad"}}}`:                                                                       "418 I'm a teapot, C: “bad”",
		`{"header":{"code":10907,"message":"bad"}}`:                                                                                         "418 I'm a teapot, 10907: “bad”",
		`{"title":"bad","status":400,"type":"about:blank"}`:                                                                                 "418 I'm a teapot, about:blank: “bad”",
		`{"jsonrpc":"2.0","error":{"code":-32603,"message":"bad"}}`:                                                                         "418 I'm a teapot, -32603: “bad”",
		`"bad"`:     "418 I'm a teapot: “bad”",
		`bad thing`: "418 I'm a teapot: “bad thing”",
		"data: {\"error\":{\"message\":\"bad\"}}\n\n":                                                                   "418 I'm a teapot: “bad”",
		"event: error\ndata: {\"message\":\"bad\"}\n\n":                                                                 "418 I'm a teapot: “bad”",
		"{\"error\":{\"message\":\"bad\"}}\n{\"done\":true}":                                                            "418 I'm a teapot: “bad”",
		`<html><head><title>bad &amp; so</title></head>`:                                                                "418 I'm a teapot: “bad & so”",
		`<!DOCTYPE html><body><center><H1>bad</H1></center>`:                                                            "418 I'm a teapot: “bad”",
		`<?xml version="1.0"?><Error><Code>C</Code><Message>bad</Message></Error>`:                                      "418 I'm a teapot, C: “bad”",
		`<soap:Envelope><soap:Body><soap:Fault><faultstring>bad</faultstring></soap:Fault></soap:Body></soap:Envelope>`: "418 I'm a teapot: “bad”",
		"\xef\xbb\xbf{\"error\":\"bad\"}":                                                                               "418 I'm a teapot: “bad”",
		`{"status":"starting","n":1}`:                                                                                   "418 I'm a teapot: “{\"status\":\"starting\",\"n\":1}”",
		`{"detail":[{"loc":["body","n"],"msg":"bad","input":{"messages":[{"content":"` + strings.Repeat("x", 1<<17):     "418 I'm a teapot: “n: bad”",
		`{"error":{"message":"` + strings.Repeat("bad ", 10):                                                            "418 I'm a teapot: “" + strings.TrimSpace(strings.Repeat("bad ", 10)) + "”",
		``:       "418 I'm a teapot",
		"\n\x00": "418 I'm a teapot",
	} {
		e, _ := apierror.Read([]byte(body))
		assert.Equal(t, want, e.Text(418), "%.300s", body)
	}
}

// Errors that came with a status of success.
func TestErrorsWithin(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"error":{"message":"bad"}}`:            "error in the answer: “bad”",
		`{"error":{"message":"bad","code":429}}`: "error in the answer, 429: “bad”",
		`{"error":"bad","choices":[]}`:           "error in the answer: “bad”",
		`{"base_resp":{"status_code":1008,"status_msg":"insufficient balance"},"choices":null,"id":""}`: "error in the answer, 1008: “insufficient balance”",
		`{"object":"error","message":"bad","type":"T","code":50001}`:                                    "error in the answer, 50001: “bad”",
		`{"detail":"model is being loaded"}`:                                                            "error in the answer: “model is being loaded”",
		`{"error_code":17,"error_msg":"bad","id":"as-1"}`:                                               "error in the answer, 17: “bad”",
		`{"code":"Arrearage","message":"bad","request_id":"r"}`:                                         "error in the answer, Arrearage: “bad”",
		`{"message":"bad"}`:                             "error in the answer: “bad”",
		`{"success":false,"message":"bad","data":null}`: "error in the answer: “bad”",
		`{"code":500,"msg":"bad","data":null}`:          "error in the answer, 500: “bad”",
		`{"id":"c","object":"chat.completion.chunk","error":{"code":"server_error","message":"bad"},"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]}`: "error in the answer, server_error: “bad”",
		`{"id":"c","choices":[{"error":{"code":502,"message":"bad"},"finish_reason":"error","message":{"content":"par"}}]}`:                                                  "error in the answer, 502: “bad”",
		`{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`:                                                                                        "error in the answer, overloaded_error: “Overloaded”",
		`{"type":"error","code":"server_error","message":"bad"}`:                                                                                                             "error in the answer, server_error: “bad”",
		`[{"error":{"code":503,"message":"bad","status":"UNAVAILABLE"}}]`:                                                                                                    "error in the answer, UNAVAILABLE: “bad”",
		`Internal Server Error`: "error in the answer: “Internal Server Error”",
	} {
		e, ok := apierror.Within([]byte(body))
		require.True(t, ok, body)
		require.Equal(t, want, e.Text(0), body)
	}
}
