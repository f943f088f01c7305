package modeltest

import (
	"fmt"
	"net/http"
	"time"
)

// foreignAnswers come from a proxy or gateway in front of the model. Whatever the
// status, the error is retryable and names that cause.
func foreignAnswers() map[string]Response {
	page := http.Header{"Content-Type": {"text/html; charset=utf-8"}}
	text := http.Header{"Content-Type": {"text/plain; charset=utf-8"}}
	const (
		body   = "<!DOCTYPE html><html><body>Sign in</body></html>"
		aPage  = "a web page; this is not the agent's own answer (check that base_url leads to the API"
		notOwn = "this is not the agent's own answer (check that base_url leads to the API"
	)
	out := map[string]Response{
		"PageAsJSON":       {Status: 200, Body: "\n " + body, Kind: down, Text: aPage},
		"PageAsText":       {Status: 200, Header: text, Body: body, Kind: down, Text: aPage},
		"PageAsEvents":     {Status: 200, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: body + "\n\n", Kind: down, Text: aPage},
		"PageAsJSON403":    {Status: 403, Body: body, Kind: down, Text: "403 Forbidden: " + aPage},
		"AnotherServer":    {Status: 404, Header: text, Body: "404 page not found\n", Kind: down, Text: "404 Not Found: “404 page not found”; " + notOwn},
		"NoRoute":          {Status: 404, Body: `{"message":"no Route matched with those values"}`, Kind: down, Text: notOwn},
		"Framework":        {Status: 404, Body: `{"detail":"Not Found"}`, Kind: down, Text: notOwn},
		"BareStatus":       {Status: 404, Body: `{"status":404,"error":"Not Found","path":"/"}`, Kind: down, Text: notOwn},
		"OtherJSON":        {Status: 400, Body: `{"status":"starting"}`, Kind: down, Text: notOwn},
		"NoWords":          {Status: 401, Body: `{}`, Kind: down, Text: notOwn},
		"TextUnauthorized": {Status: 401, Header: text, Body: "Unauthorized", Kind: down, Text: notOwn},
		"ProxyAsks":        {Status: 401, Header: http.Header{"Www-Authenticate": {"Basic realm=proxy"}}, Kind: down, Text: notOwn},
		"RetryAfter":       {Status: 403, Header: http.Header{"Content-Type": page["Content-Type"], "Retry-After": {"7"}}, Body: body, Kind: down, After: 7 * time.Second, Text: aPage},
		"LoginElsewhere":   {Status: 302, Header: http.Header{"Content-Type": page["Content-Type"], "Location": {"https://login.example/"}}, Body: body, Kind: down, Text: "set base_url to where the server redirects"},
	}
	for _, status := range []int{200, 400, 401, 403, 404, 405, 410, 418, 422, 451} {
		out[fmt.Sprintf("Page%d", status)] = Response{Status: status, Header: page, Body: body, Kind: down, Text: aPage}
	}
	for _, status := range []int{400, 401, 403, 404, 405, 422} {
		out[fmt.Sprintf("Empty%d", status)] = Response{Status: status, Kind: down, Text: fmt.Sprintf("%d %s: an empty body; %s", status, http.StatusText(status), notOwn)}
	}
	return out
}
