package modelstandin

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

const (
	generateParameters = "contents tools toolConfig safetySettings systemInstruction generationConfig cachedContent model store serviceTier"
	// signature signs calls, in base64.
	signature = "c3RhbmRpbg=="
	// unsigned is accepted for calls of other models, in base64.
	unsigned = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="
)

var geminiName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}$`)

func geminiRefusal(code int, status, format string, args ...any) *refusal {
	reason := fmt.Sprintf(format, args...)
	return &refusal{reason, Write(code, JSON(fields{"error": fields{"code": code, "message": reason, "status": status}}))}
}

func checkGenerate(q request, req generateRequest, query url.Values) *refusal {
	bad := func(format string, args ...any) *refusal {
		return geminiRefusal(http.StatusBadRequest, "INVALID_ARGUMENT", format, args...)
	}
	switch {
	case q.header.Get("X-Goog-Api-Key") == "" && query.Get("key") == "" && q.header.Get("Authorization") == "":
		return geminiRefusal(http.StatusForbidden, "PERMISSION_DENIED", "Method doesn't allow unregistered callers (callers without established identity).")
	case len(q.unknown(generateParameters)) > 0:
		return bad("Invalid JSON payload received. Unknown name %q: Cannot find field.", q.unknown(generateParameters)[0])
	case len(req.Contents) == 0:
		return bad("* GenerateContentRequest.contents: contents is not specified")
	}
	declared := 0
	for i, t := range req.Tools {
		for j, f := range t.FunctionDeclarations {
			declared++
			if !geminiName.MatchString(f.Name) {
				return bad("* GenerateContentRequest.tools[%d].function_declarations[%d].name: Invalid function name.", i, j)
			}
		}
	}
	if strings.Contains(string(q.top["toolConfig"]), "functionCallingConfig") && declared == 0 {
		return bad("Function calling config is set without function_declarations.")
	}
	return checkContents(req, bad)
}

// checkContents checks the contents one by one.
func checkContents(req generateRequest, bad func(string, ...any) *refusal) *refusal {
	calls := 0 // of the content before
	for i, c := range req.Contents {
		if c.Role != "user" && c.Role != "model" {
			return bad("Please use a valid role: user, model.")
		}
		if len(c.Parts) == 0 {
			return bad("* GenerateContentRequest.contents[%d].parts: contents.parts must not be empty.", i)
		}
		made, results := 0, 0
		for j, p := range c.Parts {
			switch {
			case p.FunctionCall != nil:
				made++
				switch {
				case c.Role != "model":
					return bad("Please ensure that function call turns have the role model.")
				case i == 0 || req.Contents[i-1].Role == "model":
					return bad("Please ensure that function call turn comes immediately after a user turn or after a function response turn.")
				case made == 1 && p.Signature != signature && p.Signature != unsigned:
					return bad("Function call `%s` in the %d. content block is missing a `thought_signature`.", p.FunctionCall.Name, i+1)
				}
			case p.FunctionResponse != nil:
				results++
				if p.FunctionResponse.Name == "" {
					return bad("* GenerateContentRequest.contents[%d].parts[%d].function_response.name: Name cannot be empty.", i, j)
				}
			case p.Text == "" && p.Signature == "":
				return bad("* GenerateContentRequest.contents[%d].parts[%d].data: required oneof field 'data' must have one initialized field", i, j)
			}
		}
		if results != calls {
			return bad("Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn.")
		}
		calls = made
	}
	if calls > 0 {
		return bad("Please ensure that function call turn is followed by a function response turn.")
	}
	return nil
}

func (Generate) limited() http.HandlerFunc {
	return Write(http.StatusTooManyRequests, JSON(fields{"error": fields{
		"code": http.StatusTooManyRequests, "status": "RESOURCE_EXHAUSTED",
		"message": "You exceeded your current quota, please check your plan and billing details.\nPlease retry in 1s.",
		"details": []any{
			fields{"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": []any{fields{
				"quotaMetric": "generativelanguage.googleapis.com/generate_content_requests",
				"quotaId":     "GenerateRequestsPerMinutePerProjectPerModel", "quotaValue": "3",
			}}},
			fields{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1s"},
		},
	}}))
}

func (Generate) overloaded() http.HandlerFunc {
	return Write(http.StatusServiceUnavailable, JSON(fields{"error": fields{
		"code": http.StatusServiceUnavailable, "status": "UNAVAILABLE", "message": "The model is overloaded. Please try again later.",
	}}))
}
