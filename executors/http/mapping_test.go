package http_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
	agent "github.com/parley-run/parley/executors/http"
	"github.com/parley-run/parley/executors/internal/modeltest"
	"github.com/parley-run/parley/executors/wire"
)

// mapped is an agent that says one thing, in its own words.
func mapped(t *testing.T, handler http.HandlerFunc, change func(*agent.Config)) *agent.Executor {
	t.Helper()
	return newExecutor(t, modeltest.NewServer(t, handler), change)
}

// What a template makes of a request.
func TestRequestMapping(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body string
		want string
	}{
		"Input":    {`{"input": {{json .Input}}}`, `{"input": "Any \"news\"?"}`},
		"Piped":    {`{"input": {{.Input | json}}}`, `{"input": "Any \"news\"?"}`},
		"Key":      {`{"thread": {{json .Conversation.ID}}, "key": {{json .IdempotencyKey}}, "turn": {{json .Turn}}}`, `{"thread": "c1", "key": "test/p1/c1/1", "turn": 1}`},
		"Uuid":     {`{"thread": {{json (uuid .Conversation.ID)}}}`, ""},
		"Joined":   {`{"session": {{json (printf "%s-%d" .Conversation.ID .Turn)}}}`, `{"session": "c1-1"}`},
		"Messages": {`{"messages": {{json .Messages}}}`, ""},
		"Range": {`{"m": [{{range $i, $m := .Messages}}{{if $i}},{{end}}
			{"type": {{if eq .Role "assistant"}}"ai"{{else}}"human"{{end}}, "content": {{json .Text}}}{{end}}]}`,
			`{"m": [{"type": "human", "content": "Hi"}, {"type": "ai", "content": "Hello"}, {"type": "human", "content": "Any \"news\"?"}]}`},
		"State":   {`{ {{with .State}}"id": {{json .thread}},{{end}} "new": {{json (len .NewMessages)}} }`, `{"id": 7, "new": 1}`},
		"Defined": {`{{define "x"}}{{json .Input}}{{end}}[{{template "x" .}}]`, `["Any \"news\"?"]`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bodies := make(chan string, 1)
			e := mapped(t, func(w http.ResponseWriter, r *http.Request) {
				data, _ := io.ReadAll(r.Body)
				bodies <- string(data)
				modeltest.WriteJSON(w, http.StatusOK, `{"message": "ok"}`)
			}, func(cfg *agent.Config) { cfg.Request.Body = c.body })
			req := executortest.Request("c1", "Hi")
			req.State = json.RawMessage(`{"thread": 7}`)
			req.Messages = append(req.Messages, conversation.Text(conversation.RoleAssistant, "Hello"), conversation.Text(conversation.RoleUser, `Any "news"?`))
			_, err := e.Execute(t.Context(), req)
			require.NoError(t, err)
			got := <-bodies
			require.True(t, json.Valid([]byte(got)))
			switch name {
			case "Uuid":
				require.Regexp(t, `^\{"thread":"[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"\}$`, got)
			case "Messages":
				require.Contains(t, got, `"text":"Any \"news\"?"`)
			default:
				require.JSONEq(t, c.want, got)
			}
		})
	}
}

// A template that could make something other than JSON stops the worker at its
// start.
func TestRequestMappingFaults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ body, want string }{
		"Syntax":       {`{{json .Input}`, "request.body is no template: body:1: "},
		"UnknownField": {`{"a": {{json .Imput}}}`, "can't evaluate field Imput"},
		"NoJSON":       {`{"a": {{json .Input}}`, "request.body cannot be used where the agent speaks first: the output is not JSON"},
		"Unescaped":    {`{"a": "{{.Input}}"}`, "is not safe in line 1: {{.Input}}"},
		"InRange":      {"{\n{{range .Messages}}{{.Text}}{{end}}}", "is not safe in line 2: {{.Text}}"},
		"InIf":         {`{{if .State}}1{{else}}{{.Turn}}{{end}}`, ": {{.Turn}}: write {{json"},
		"InWith":       {`{{with .State}}{{.}}{{end}}1`, ": {{.}}: write {{json"},
		"InDefine":     {`{{define "x"}}{{.Turn}}{{end}}1`, ": {{.Turn}}: write {{json"},
		"NotLast":      {`{{json .Input | printf "%s"}}`, "is not safe"},
		"NoOpening":    {`{"a": {{json (index .Messages 0).Text}}}`, "where the agent speaks first"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := agent.New(agent.Config{URL: "http://agent/", Request: wire.RequestMapping{Body: c.body}})
			require.ErrorContains(t, err, c.want)
		})
	}
}

var chain = agent.ResponseMapping{
	ResponseMapping: wire.ResponseMapping{
		Text: "output.content", State: "metadata.run_id", InputTokens: "output.usage.in", OutputTokens: "output.usage.out",
		CachedInputTokens: "output.usage.cached", Model: "output.model", FinishReason: "output.stop", End: "output.bye",
		Error: "fault", ErrorMessage: "fault.text", ErrorCode: "fault.code",
		ErrorKinds: map[string]conversation.Kind{"E42": "rate_limited"},
	},
}

// What a foreign agent answers, and what that means.
func TestResponseMapping(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		body   string
		want   conversation.Kind // empty: an answer
		text   string
	}{
		"Text":         {200, `{"output": {"content": "Hello"}}`, "", "Hello"},
		"Blocks":       {200, `{"output": {"content": [{"type": "text", "text": "Hel"}, {"type": "tool_use"}, "lo"]}}`, "", "Hello"},
		"Nowhere":      {200, `{"result": "Hello"}`, down, `this may not be the agent's own answer: the answer is not where response says: at response.text, "output.content", is nothing (check response, and that url leads to the agent)`},
		"Object":       {200, `{"output": {"content": {"a": 1}}}`, invalid, "is an object, and no text"},
		"Number":       {200, `{"output": {"content": 7}}`, invalid, "is a number, and no text"},
		"Null":         {200, `{"output": {"content": null}}`, down, "the answer is empty"},
		"NoError":      {200, `{"fault": null, "output": {"content": "Hello"}}`, "", "Hello"},
		"Error":        {200, `{"fault": {"text": "slow down", "code": "E42"}}`, limited, "the agent reports: “slow down”"},
		"ErrorAsText":  {200, `{"fault": "broken"}`, down, "broken"},
		"ErrorStatus":  {400, `{"fault": {"text": "slow down", "code": "E42"}}`, limited, "400 Bad Request: “slow down”"},
		"PlainStatus":  {503, `{"detail": "loading"}`, down, "503 Service Unavailable: “loading”"},
		"NoJSON":       {200, `Hello`, down, "not a JSON object"},
		"BrokenOff":    {200, `{"output": {"con`, down, "ended before"},
		"InvalidUTF8":  {200, "{\"output\": {\"content\": \"\xff\"}}", down, "UTF-8"},
		"TwentyMegabs": {200, `{"output": {"content": "` + strings.Repeat("x", 20<<20) + `"}}`, invalid, "larger than allowed"},
		"OurOwnWords":  {429, `{"error": {"kind": "QuotaExhausted", "message": "m"}}`, quota, "m"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := mapped(t, func(w http.ResponseWriter, _ *http.Request) { modeltest.WriteJSON(w, c.status, c.body) },
				func(cfg *agent.Config) { cfg.Response = chain })
			res, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
			if c.want == "" {
				require.NoError(t, err)
				require.Equal(t, c.text, res.Message.Text())
				return
			}
			require.Equal(t, c.want, conversation.KindOf(err), "%v", err)
			require.ErrorContains(t, err, c.text)
		})
	}
}

func TestResponseMappingOfEverything(t *testing.T) {
	t.Parallel()
	e := mapped(t, func(w http.ResponseWriter, _ *http.Request) {
		modeltest.WriteJSON(w, http.StatusOK, `{"output": {"content": "Bye", "usage": {"in": 10, "out": 2, "cached": 1}, "model": "m", "stop": "length", "bye": true}, "metadata": {"run_id": "r-1"}}`)
	}, func(cfg *agent.Config) { cfg.Response = chain; cfg.Provider = "langserve" })
	res, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
	require.NoError(t, err)
	require.Equal(t, executors.Result{
		Message: conversation.Text(conversation.RoleAssistant, "Bye"), State: json.RawMessage(`"r-1"`),
		Usage:    conversation.Usage{InputTokens: 10, OutputTokens: 2, CachedInputTokens: 1, Calls: 1},
		Provider: "langserve", Model: "m", FinishReason: executors.FinishLength, End: true,
	}, res)
}

// What a foreign agent streams, and what that means.
func TestStreamMapping(t *testing.T) {
	t.Parallel()
	langserve := agent.StreamMapping{Events: []string{"data"}, Delta: "content", DoneEvent: "end", ErrorEvent: "error"}
	snapshots := agent.StreamMapping{Events: []string{"values"}, Text: "messages.@reverse.0.content", ErrorEvent: "error"}
	marked := agent.StreamMapping{Delta: "choices.0.delta.content", Done: "[DONE]"}
	for name, c := range map[string]struct {
		mapping agent.StreamMapping
		events  []string
		want    conversation.Kind
		text    string
	}{
		"Deltas": {langserve, []string{
			"event: metadata\ndata: {\"run_id\": \"1\"}", "event: data\ndata: {\"content\": \"Hel\"}", ": ping",
			"event: data\ndata: {\"content\": [{\"type\":\"text\",\"text\":\"lo\"}]}", "event: data\ndata: {\"other\": 1}", "event: end",
		}, "", "Hello"},
		"DeltasCutOff":    {langserve, []string{"event: data\ndata: {\"content\": \"Hel\"}"}, down, "ended before"},
		"ErrorEvent":      {langserve, []string{"event: error\ndata: {\"status_code\": 500, \"message\": \"Internal Server Error\"}"}, down, "Internal Server Error"},
		"ErrorNoJSON":     {langserve, []string{"event: error\ndata: boom"}, down, "boom"},
		"NoText":          {langserve, []string{"event: data\ndata: {\"content\": 7}"}, invalid, "response.stream.delta"},
		"OddOtherEvent":   {langserve, []string{"event: log\ndata: not JSON", "event: data\ndata: {\"content\": \"Hello\"}", "event: end\ndata: x"}, "", "Hello"},
		"OddEvent":        {langserve, []string{"event: data\ndata: not JSON"}, invalid, "not a JSON object"},
		"Snapshots":       {snapshots, []string{"event: values\ndata: {\"messages\": [{\"content\": \"Hi\"}]}", "event: values\ndata: {\"messages\": [{\"content\": \"Hi\"}, {\"content\": \"Hello\"}]}"}, "", "Hello"},
		"SnapshotNoText":  {snapshots, []string{"event: values\ndata: {\"messages\": [{\"content\": {\"a\": 1}}]}"}, invalid, "response.stream.text"},
		"NothingCame":     {snapshots, nil, down, "the answer is empty"},
		"NothingFound":    {langserve, []string{"event: data\ndata: {\"text\": \"Hello\"}", "event: end"}, invalid, `at response.stream.delta, "content", is nothing in any event`},
		"DoneMarker":      {marked, []string{`{"choices":[{"delta":{"role":"assistant"}}]}`, `{"choices":[{"delta":{"content":"Hello"}}]}`, "[DONE]"}, "", "Hello"},
		"DoneNotExpected": {agent.StreamMapping{Delta: "d"}, []string{`{"d": "Hello"}`, "[DONE]"}, "", "Hello"},
		"WholeText":       {agent.StreamMapping{Delta: "@this"}, []string{`"Hel"`, `"lo"`}, "", "Hello"},
		"NotSaidWhere":    {agent.StreamMapping{}, []string{`{"d": "Hello"}`}, invalid, "the agent streams"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := mapped(t, func(w http.ResponseWriter, _ *http.Request) {
				modeltest.WriteEvents(w, modeltest.Events(c.events...)...)
			}, func(cfg *agent.Config) {
				cfg.Stream, cfg.Response.Text, cfg.Response.Stream = true, "output.content", c.mapping
			})
			var deltas strings.Builder
			req := executortest.Request("c1", "Hi")
			req.OnDelta = func(s string) { deltas.WriteString(s) }
			res, err := e.Execute(t.Context(), req)
			if c.want == "" {
				require.NoError(t, err)
				require.Equal(t, c.text, res.Message.Text())
				if c.mapping.Delta != "" {
					require.Equal(t, c.text, deltas.String())
				}
				return
			}
			require.Equal(t, c.want, conversation.KindOf(err), "%v", err)
			require.ErrorContains(t, err, c.text)
		})
	}
}
