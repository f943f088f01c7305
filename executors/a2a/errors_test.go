package a2a_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/a2a"
	"github.com/parley-run/parley/executors/executortest"
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

// said is a type of this package, so that rows go without the names of fields.
type said modeltest.Response

// What an agent may answer, and what that means.
func TestErrors(t *testing.T) { eachVersion(t, testErrors) }

func testErrors(t *testing.T, v version) {
	t.Parallel()
	rpc := func(code int, message string) string { return fault(code, message, "") }
	for name, c := range map[string]said{
		"WrongKey":           {401, nil, `{"detail": "bad ` + token + `"}`, unauth, 0, "401 Unauthorized: “bad [redacted]” (check bearer_token and headers"},
		"Forbidden":          {403, nil, rpc(-32000, "no"), unauth, 0, "403 Forbidden"},
		"Challenge":          {401, http.Header{"Www-Authenticate": {"Bearer"}}, "", unauth, 0, "401 Unauthorized"},
		"TooManyRequests":    {429, nil, "", limited, 0, "429 Too Many Requests"},
		"RetryAfterSeconds":  {429, http.Header{"Retry-After": {"20"}}, "", limited, 20 * time.Second, ""},
		"RetryAfterInData":   {429, nil, fault(-32000, "slow down", `{"retry_after": 2.5}`), limited, 2500 * time.Millisecond, "slow down"},
		"RetryAfterHuge":     {429, http.Header{"Retry-After": {"1e300"}}, "", limited, 7 * 24 * time.Hour, ""},
		"PaymentRequired":    {402, nil, "", quota, 0, "(add credit"},
		"TooLong":            {413, nil, "", long, 0, ""},
		"NotFound":           {404, nil, rpc(-32000, "no such path"), invalid, 0, "no POST is accepted there"},
		"NoRoute":            {404, nil, `{"message": "Not Found"}`, down, 0, "this is not the agent's own answer (check that url leads to the agent)"},
		"AnotherServer":      {404, nil, "404 page not found", down, 0, "“404 page not found”; this is not"},
		"Page403":            {403, nil, "<html>", down, 0, "403 Forbidden: a web page"},
		"Empty401":           {401, nil, "", down, 0, "401 Unauthorized: an empty body"},
		"NoPost":             {405, nil, "", down, 0, "405 Method Not Allowed: an empty body"},
		"BadRequestInWords":  {400, nil, rpc(-32602, "no parts"), invalid, 0, "400 Bad Request: “no parts”"},
		"Redirect":           {302, http.Header{"Location": {"/other"}}, "", down, 0, "where the server redirects"},
		"ServerError":        {500, nil, "Internal Server Error", down, 0, "500 Internal Server Error"},
		"Overloaded":         {503, http.Header{"Retry-After": {"3"}}, "", down, 3 * time.Second, "503"},
		"ServerErrorInWords": {500, nil, rpc(-32603, "boom"), down, 0, "500 Internal Server Error: “boom”"},
		"HugeErrorBody":      {500, nil, `{"message":"` + strings.Repeat("x", 1<<20) + `"}`, down, 0, "500"},
		"LongMessage":        {500, nil, `{"message":"` + strings.Repeat("é", 1000) + `"}`, down, 0, "é…"},

		"ParseError":        {200, nil, rpc(-32700, "bad JSON"), invalid, 0, "error -32700: “bad JSON”"},
		"InvalidRequest":    {200, nil, rpc(-32600, "m"), invalid, 0, "-32600"},
		"MethodNotFound":    {200, nil, rpc(-32601, "m"), invalid, 0, "must know message/send"},
		"InvalidParams":     {200, nil, rpc(-32602, "m"), invalid, 0, "-32602: “m” (check url"},
		"InternalError":     {200, nil, rpc(-32603, "boom"), down, 0, "error -32603: “boom”"},
		"ServerCode":        {200, nil, rpc(-32050, "busy"), down, 0, "busy"},
		"UnknownCode":       {200, nil, rpc(7, "odd"), down, 0, "error 7: “odd”"},
		"TaskNotFound":      {200, nil, rpc(-32001, "Task not found"), down, 0, "Task not found"},
		"NotCancelable":     {200, nil, rpc(-32002, "m"), invalid, 0, "-32002"},
		"Unsupported":       {200, nil, rpc(-32004, "m"), invalid, 0, "must know message/send"},
		"ContentType":       {200, nil, rpc(-32005, "m"), invalid, 0, "(check accept"},
		"InvalidAgent":      {200, nil, rpc(-32006, "m"), down, 0, "-32006"},
		"ErrorWithText":     {200, nil, fault(-32603, "internal error", `"the model is away"`), down, 0, "internal error: the model is away"},
		"ErrorWithCause":    {200, nil, fault(-32603, "internal error", `{"error": "the model is away"}`), down, 0, "internal error: the model is away"},
		"ErrorWithList":     {200, nil, fault(-32602, "m", `[{"loc": ["message"]}]`), invalid, 0, "-32602: “m”"},
		"ErrorWithKind":     {200, nil, fault(-32603, "nothing left", `{"kind": "quota_exhausted"}`), quota, 0, "nothing left” (add credit"},
		"ErrorWithStatus":   {200, nil, fault(-32603, "slow", `{"code": 429, "retry_after": 4}`), limited, 4 * time.Second, "slow"},
		"ErrorEchoesSecret": {200, nil, rpc(-32603, headerKey), down, 0, "[redacted]"},

		"WebPage":         {200, http.Header{"Content-Type": {"text/html"}}, "<html>", down, 0, "a web page; this is not the agent's own answer (check that url"},
		"EmptyBody":       {200, nil, "", down, 0, "the answer is empty"},
		"NoContent":       {204, nil, "", down, 0, "the answer is empty"},
		"EmptyMessage":    {200, nil, result(reply(" ")), down, 0, "the answer is empty"},
		"EmptyTask":       {200, nil, result(task("completed", "")), down, 0, "the answer is empty"},
		"OnlyFiles":       {200, nil, result(`{"kind": "message", "messageId": "m", "role": "agent", "parts": [{"kind": "file", "file": {"bytes": "AAAA"}}]}`), invalid, 0, "nothing but files"},
		"NoJSON":          {200, nil, "Hello!", down, 0, "not a JSON object"},
		"BrokenJSON":      {200, nil, "{]", down, 0, "not a JSON object"},
		"BrokenOffJSON":   {200, nil, `{"jsonrpc": "2.0", "result": {`, down, 0, "ended before"},
		"NoResult":        {200, nil, `{"jsonrpc": "2.0", "id": 1}`, down, 0, "neither result nor error"},
		"ForeignWords":    {200, nil, result(`{"output": "Hi"}`), invalid, 0, "neither a message nor a task"},
		"TaskWithoutID":   {200, nil, result(`{"kind": "task", "status": {"state": "working"}}`), invalid, 0, "a task has no id"},
		"TaskWithoutWord": {200, nil, result(`{"kind": "task", "id": "t1"}`), invalid, 0, "a task has no status"},
		"WrongType":       {200, nil, result(`{"kind": "message", "parts": "Hi"}`), invalid, 0, "parts is of the wrong type"},
		"InvalidUTF8":     {200, nil, result("{\"kind\": \"message\", \"parts\": [{\"kind\": \"text\", \"text\": \"a\xff\xfe\"}]}"), down, 0, "not valid UTF-8"},
		"TwentyMegabytes": {200, nil, result(reply(strings.Repeat("x", 20<<20))), invalid, 0, "larger than allowed (have the agent answer with less)"},
		"SlightlyTooLong": {200, nil, result(reply(strings.Repeat("x", 1<<20+1))), invalid, 0, "larger than allowed"},

		"Failed":           {200, nil, result(task("failed", "no luck")), down, 0, "the task has failed: “no luck”"},
		"FailedInvalid":    {200, nil, result(`{"kind": "task", "id": "t1", "status": {"state": "failed", "message": {"parts": [{"kind": "text", "text": "no"}, {"kind": "data", "data": {"code": 400}}]}}}`), invalid, 0, "the task has failed: “no”"},
		"FailedByMetadata": {200, nil, result(`{"kind": "task", "id": "t1", "status": {"state": "failed"}, "metadata": {"kind": "Invalid"}}`), invalid, 0, "the task has failed"},
		"FailedLimited":    {200, nil, result(`{"kind": "task", "id": "t1", "status": {"state": "failed", "message": {"metadata": {"kind": "RateLimited", "retry_after": 3}, "parts": []}}}`), limited, 3 * time.Second, "the task has failed"},
		"Canceled":         {200, nil, result(task("canceled", "")), down, 0, "the task was cancelled"},
		"Rejected":         {200, nil, result(task("rejected", "not that")), refused, 0, "the agent has rejected the task: “not that”"},
		"NeedsLogin":       {200, nil, result(task("auth-required", "Log in to the shop.")), unauth, 0, "requires a login: “Log in to the shop.” (log in at the agent"},
	} {
		for mode, streaming := range map[string]bool{"Streaming": true, "Whole": false} {
			t.Run(name+mode, func(t *testing.T) {
				t.Parallel()
				said := modeltest.Response(c)
				e := newExecutor(t, v.serveRaw(t, streaming, func(w http.ResponseWriter, r *http.Request, _ call) { said.ServeHTTP(w, r) }))
				_, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
				said.Require(t, err)
				require.ErrorContains(t, err, "a2a: ask the agent at 127.0.0.1:")
				require.NotContains(t, err.Error(), token)
				require.NotContains(t, err.Error(), headerKey)
			})
		}
	}
}

// What may come of a stream.
func TestErrorsInStreams(t *testing.T) { eachVersion(t, testErrorsInStreams) }

func testErrorsInStreams(t *testing.T, v version) {
	t.Parallel()
	var large []string
	for range 8 {
		large = append(large, piece("a", strings.Repeat("x", 1<<18), true))
	}
	for name, c := range map[string]struct {
		events []string
		want   conversation.Kind
		text   string
	}{
		"Nothing":      {nil, down, "the stream ended before the answer did"},
		"Fault":        {[]string{task("working", ""), fault(-32603, "boom", "")}, down, "boom"},
		"Rejected":     {[]string{task("submitted", ""), status("rejected", "no")}, refused, "rejected the task: “no”"},
		"InvalidJSON":  {[]string{task("working", ""), "!{]"}, invalid, "not a JSON object"},
		"InvalidUTF8":  {[]string{task("working", ""), "!{\"a\": \"\xff\"}"}, down, "not valid UTF-8"},
		"OneHugeEvent": {[]string{reply(strings.Repeat("x", 20<<20))}, invalid, "larger than allowed"},
		"EndlessEvent": {[]string{"!" + strings.Repeat("x\ndata: ", 8<<20)}, invalid, "larger than allowed"},
		"ManyLarge":    {large, invalid, "larger than allowed"},
		"Empty":        {[]string{task("working", ""), status("completed", "")}, down, "the answer is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newExecutor(t, v.serveRaw(t, true, func(w http.ResponseWriter, _ *http.Request, asked call) {
				if asked.Method != "message/stream" {
					t.Errorf("asked for %s", asked.Method)
				}
				writeEvents(w, c.events...)
			}))
			_, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
			require.EqualValues(t, 1, modeltest.RequireError(t, err, c.want, c.text).Usage.Calls, "the agent was asked")
		})
	}
}

// A connection that breaks says nothing about the answer: another try may help.
func TestBrokenConnections(t *testing.T) { eachVersion(t, testBrokenConnections) }

func testBrokenConnections(t *testing.T, v version) {
	t.Parallel()
	for mode, streaming := range map[string]bool{"Streaming": true, "Whole": false} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int64
			e := newExecutor(t, v.serveRaw(t, streaming, func(http.ResponseWriter, *http.Request, call) {
				asked.Add(1)
				panic(http.ErrAbortHandler)
			}))
			_, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
			require.True(t, conversation.IsKind(err, down), "%v", err)
			require.NotContains(t, err.Error(), "http://", "no addresses: they may hold secrets")
			require.EqualValues(t, 1, asked.Load(), "a message is sent once")
		})
	}
	modeltest.Unreachable(t, "check url, and that the agent is running",
		func(t *testing.T, server *httptest.Server, client *http.Client) executors.Executor {
			return newExecutor(t, server, func(c *a2a.Config) { c.HTTPClient = client })
		})
}
