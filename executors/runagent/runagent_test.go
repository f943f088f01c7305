package runagent_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/executors/runagent"
	"github.com/parley-run/parley/internal/runagenttest"
)

func TestContract(t *testing.T) {
	t.Parallel()
	statuses := map[conversation.Kind]int{
		conversation.RateLimited: http.StatusTooManyRequests, conversation.QuotaExhausted: http.StatusPaymentRequired,
		conversation.Unauthorized: http.StatusForbidden, conversation.Unavailable: http.StatusServiceUnavailable,
		conversation.ContextTooLong: http.StatusRequestEntityTooLarge, conversation.Refused: http.StatusUnavailableForLegalReasons,
		conversation.Invalid: http.StatusUnprocessableEntity,
	}
	for name, change := range map[string]func(*runagent.Config){"Whole": nil, "Streaming": entrypoint("chat_stream")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			executortest.Run(t, executortest.Fixture{
				Secrets: []string{key, "ra-very%2Fsecret%2Bkey-0123456789"},
				Model:   true,
				New: func(t *testing.T) executors.Executor {
					return cloud(t, runagenttest.Start(t, harbour()), change)
				},
				Stall: func(t *testing.T) executors.Executor {
					server := runagenttest.Start(t, harbour())
					server.Fail(runagenttest.Fault{Stall: true})
					return cloud(t, server, change)
				},
				Fail: func(t *testing.T, want executortest.Failure) executors.Executor {
					server := runagenttest.Start(t, harbour())
					fault := runagenttest.Fault{Status: statuses[want.Kind], Body: `{"detail": "no: ` + key + `"}`}
					if want.RetryAfter > 0 {
						fault.RetryAfter = "7"
					}
					server.Fail(fault)
					return cloud(t, server, change)
				},
			})
		})
	}
}

// What goes to the entrypoint: the request as RunAgent knows it.
func TestRequest(t *testing.T) {
	t.Parallel()
	talk := executortest.Request("c1", "Hi")
	later := executortest.Next(talk, executors.Result{Message: conversation.Text(conversation.RoleAssistant, "Hello.")}, "High tide?")
	for name, c := range map[string]struct {
		change func(*runagent.Config)
		req    executors.Request
		want   string
	}{
		"Conversation": {nil, talk, `{"entrypoint_tag": "chat", "input_args": [], "input_kwargs": {"message": "Hi"},
			"timeout_seconds": 600, "async_execution": false}`},
		"OnlyWhatIsNew": {nil, later, `{"entrypoint_tag": "chat", "input_args": [], "input_kwargs": {"message": "High tide?"},
			"timeout_seconds": 600, "async_execution": false}`},
		"History": {func(c *runagent.Config) {
			c.MessageKey, c.HistoryKey, c.UserID, c.PersistentMemory, c.Timeout = "query", "history", "u1", true, 1500*time.Millisecond
		}, later, `{"entrypoint_tag": "chat", "input_args": [], "input_kwargs": {"query": "High tide?", "history": [
			{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}, {"role": "user", "content": "High tide?"}]},
			"timeout_seconds": 2, "async_execution": false, "user_id": "u1", "persistent_memory": true}`},
		"Task": {nil, task(`{"entrypoint_tag": "echo", "params": {"topic": "tides"}, "args": [1, "two"],
			"user_id": "u2", "persistent_memory": true, "timeout_seconds": 30}`),
			`{"entrypoint_tag": "echo", "input_args": [1, "two"], "input_kwargs": {"topic": "tides"},
			"timeout_seconds": 30, "async_execution": false, "user_id": "u2", "persistent_memory": true}`},
		"TaskLeavesMuchOut": {func(c *runagent.Config) { c.UserID = "u3" }, task(`{"params": null, "user_id": null}`),
			`{"entrypoint_tag": "chat", "input_args": [], "input_kwargs": {}, "timeout_seconds": 600, "async_execution": false, "user_id": "u3"}`},
		"TaskWithAMessage": {nil, task(`{"message": "Hi"}`),
			`{"entrypoint_tag": "chat", "input_args": [], "input_kwargs": {"message": "Hi"}, "timeout_seconds": 600, "async_execution": false}`},
		"Stream": {entrypoint("chat_stream"), talk,
			`{"entrypoint_tag": "chat_stream", "input_args": [], "input_kwargs": {"message": "Hi"}, "timeout_seconds": 600, "async_execution": false}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := runagenttest.Start(t, harbour())
			_, err := local(t, server, c.change).Execute(t.Context(), c.req)
			require.NoError(t, err)
			calls := server.Calls("harbour")
			require.Len(t, calls, 1)
			require.JSONEq(t, c.want, string(calls[0].Body))
		})
	}
}

// Digits must not get lost between task and agent: ids are numbers to some.
func TestArgumentsAreKeptAsTheyAre(t *testing.T) {
	t.Parallel()
	server := runagenttest.Start(t, harbour())
	_, err := local(t, server).Execute(t.Context(), task(`{"entrypoint_tag": "echo", "args": [9007199254740993], "params": {"id": 12345678901234567890}}`))
	require.NoError(t, err)
	body := string(server.Calls("")[0].Body)
	require.Contains(t, body, "9007199254740993")
	require.Contains(t, body, "12345678901234567890")
}

func TestResult(t *testing.T) {
	t.Parallel()
	server := runagenttest.Start(t, harbour())
	e := local(t, server)
	res, err := e.Execute(t.Context(), task(`{"entrypoint_tag": "echo", "params": {"topic": "tides"}}`))
	require.NoError(t, err)
	require.Equal(t, executors.Result{
		Message: conversation.Message{Role: conversation.RoleAssistant, Parts: []conversation.Part{
			{Type: conversation.PartData, Data: json.RawMessage(`{"args":[],"kwargs":{"topic":"tides"}}`)},
		}},
		Usage:    conversation.Usage{Calls: 1},
		Provider: "runagent", Model: "harbour", FinishReason: executors.FinishStop,
	}, res)
	res, err = e.Execute(t.Context(), task(`{"entrypoint_tag": "chat"}`))
	require.NoError(t, err)
	require.Equal(t, conversation.Text(conversation.RoleAssistant, "Good day! Müller here."), res.Message)
}

// All the shapes in which RunAgent's servers, old and new, give an answer.
func TestAnswerShapes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ body, want string }{
		"StructuredObject":      {`{"success": true, "data": "{\"type\":\"object\",\"payload\":\"{\\\"n\\\": 3}\"}", "message": "ok", "error": null}`, `{"n":3}`},
		"StructuredString":      {`{"success": true, "data": "{\"type\": \"string\", \"payload\": \"\\\"hi\\\"\"}"}`, `"hi"`},
		"StructuredNumber":      {`{"success": true, "data": "{\"type\": \"integer\", \"payload\": \"9007199254740993\"}"}`, `9007199254740993`},
		"StructuredNull":        {`{"success": true, "data": "{\"type\": \"null\", \"payload\": \"null\"}"}`, `null`},
		"StructuredNullEmpty":   {`{"success": true, "data": "{\"type\": \"null\", \"payload\": \"\"}"}`, `null`},
		"StructuredArray":       {`{"success": true, "data": "{\"type\": \"array\", \"payload\": \"[1, 2]\"}"}`, `[1,2]`},
		"StructuredBareText":    {`{"success": true, "data": "{\"type\": \"string\", \"payload\": \"hi there\"}"}`, `"hi there"`},
		"StructuredUnquoted":    {`{"success": true, "data": "{\"type\": \"object\", \"payload\": {\"n\": 3}}"}`, `{"n":3}`},
		"StructuredAsObject":    {`{"success": true, "data": {"type": "array", "payload": "[1]"}}`, `[1]`},
		"StructuredAsBody":      {`{"type": "object", "payload": "{\"n\": 3}"}`, `{"n":3}`},
		"PlainString":           {`{"success": true, "data": "just words"}`, `"just words"`},
		"StringThatIsJSON":      {`{"success": true, "data": "{\"n\": 3}"}`, `"{\"n\": 3}"`},
		"AnotherType":           {`{"success": true, "data": "{\"type\": \"boat\", \"payload\": \"1\"}"}`, `"{\"type\": \"boat\", \"payload\": \"1\"}"`},
		"ResultData":            {`{"success": true, "data": {"execution_id": "x", "status": "completed", "result_data": {"data": {"content": 3}, "type": "result"}}}`, `{"content":3}`},
		"ResultDataNull":        {`{"success": true, "data": {"result_data": {"data": null}}}`, `null`},
		"ResultDataStructured":  {`{"success": true, "data": {"result_data": {"data": "{\"type\":\"integer\",\"payload\":\"3\"}"}}}`, `3`},
		"DataInData":            {`{"success": true, "data": {"data": [1], "type": "result"}}`, `[1]`},
		"ContentInData":         {`{"success": true, "data": {"content": "hi", "role": "x"}}`, `"hi"`},
		"PayloadInData":         {`{"success": true, "data": {"payload": {"n": 3}}}`, `{"n":3}`},
		"AnyOtherObject":        {`{"success": true, "data": {"n": 3, "m": [ 1 ]}}`, `{"n":3,"m":[1]}`},
		"List":                  {`{"success": true, "data": [1, {"a": 2}]}`, `[1,{"a":2}]`},
		"False":                 {`{"success": true, "data": false}`, `false`},
		"Null":                  {`{"success": true, "data": null, "error": null}`, `null`},
		"NoData":                {`{"success": true}`, `null`},
		"Payload":               {`{"success": true, "payload": {"n": 3}}`, `{"n":3}`},
		"OutputData":            {`{"success": true, "output_data": "hi", "error": null, "execution_time": 1}`, `"hi"`},
		"OutputDataBesideNull":  {`{"success": true, "data": null, "output_data": [2]}`, `[2]`},
		"SuccessIsNotSaid":      {`{"data": "{\"type\":\"integer\",\"payload\":\"3\"}"}`, `3`},
		"NoEnvelope":            {`{"answer": 42}`, `{"answer":42}`},
		"NoEnvelopeEither":      {`{"success": "very", "answer": 42}`, `{"success":"very","answer":42}`},
		"BodyIsAString":         {`"hi"`, `"hi"`},
		"BodyIsAList":           {`[1]`, `[1]`},
		"BodyIsNoJSON":          {`Hello there`, `"Hello there"`},
		"MessageIsNotTheResult": {`{"success": true, "data": "yes", "message": "Agent execution completed successfully"}`, `"yes"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := runagenttest.Start(t, harbour())
			server.Fail(runagenttest.Fault{Raw: c.body})
			res, err := local(t, server).Execute(t.Context(), task(`{}`))
			require.NoError(t, err)
			require.Len(t, res.Message.Parts, 1)
			got := string(res.Message.Parts[0].Data)
			if res.Message.Parts[0].Type == conversation.PartText {
				got = mustJSON(t, res.Message.Text())
			}
			require.Equal(t, c.want, got)
		})
	}
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	require.NoError(t, err)
	return string(data)
}

// The stand-in's own old envelopes are read too.
func TestEnvelopesOfOtherTimes(t *testing.T) {
	t.Parallel()
	for _, shape := range []runagenttest.Shape{runagenttest.Structured, runagenttest.ResultData, runagenttest.OutputData} {
		server := runagenttest.Start(t, harbour())
		server.Answer(shape)
		res, err := local(t, server).Execute(t.Context(), executortest.Request("c1", "Hi"))
		require.NoError(t, err)
		require.Equal(t, "Good day! Müller here.", res.Message.Text())
	}
}

// In a conversation an answer has to have words.
func TestWords(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ data, path, want, fault string }{
		"Text":       {`"Hello"`, "", "Hello", ""},
		"AtPath":     {`{"out": {"content": "Hello"}}`, "out.content", "Hello", ""},
		"TextBeats":  {`"Hello"`, "out.content", "Hello", ""},
		"ListOfText": {`{"out": [{"type": "text", "text": "Hel"}, {"type": "image"}, "lo"]}`, "out", "Hello", ""},
		"NoPath":     {`{"content": {"x": 1}}`, "", "", "the agent's answer has no text: it is an object (set reply_path"},
		"Number":     {`3`, "", "", "it is a number"},
		"WrongPath":  {`{"result_data": {"data": {"a": 1}}}`, "b", "", `no text at reply_path, "b" (set reply_path`},
		"Null":       {`null`, "", "", "the answer is empty"},
		"Blank":      {`" "`, "", "", "the answer is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := runagenttest.Start(t, harbour())
			server.Fail(runagenttest.Fault{Raw: `{"success": true, "data": ` + c.data + `}`})
			e := local(t, server, func(cfg *runagent.Config) { cfg.ReplyPath = c.path })
			res, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
			if c.fault != "" {
				require.ErrorContains(t, err, c.fault)
				require.True(t, asError(t, err).Ambiguous, "the agent has run")
				return
			}
			require.NoError(t, err)
			require.Equal(t, conversation.Text(conversation.RoleAssistant, c.want), res.Message)
		})
	}
}

func TestTheCloudSeesTheKeyAndALocalAgentDoesNot(t *testing.T) {
	t.Parallel()
	inCloud, here := runagenttest.Start(t, harbour()), runagenttest.Start(t, harbour())
	e := cloud(t, inCloud)
	_, err := e.Execute(t.Context(), task(`{}`))
	require.NoError(t, err)
	require.Equal(t, 1, inCloud.Runs("harbour"))

	seen := make(chan string, 10)
	e = cloud(t, inCloud, func(c *runagent.Config) {
		c.HTTPClient = &http.Client{Transport: watched{c.HTTPClient.Transport, seen}}
		c.AgentHosts = []string{"127.0.0.1"}
	})
	host, port := here.Address()
	for _, metadata := range []string{`{"local": true}`, `{}`} {
		payload := map[string]any{"agent_host": host, "agent_port": port}
		if metadata == "{}" {
			payload["local"] = true
		}
		_, err = e.Execute(t.Context(), task(mustJSON(t, payload), metadata))
		require.NoError(t, err)
	}
	require.Equal(t, 2, here.Runs("harbour"))
	require.Equal(t, 1, inCloud.Runs("harbour"))
	for range len(seen) {
		require.Empty(t, <-seen, "the key is the cloud's")
	}
}

type watched struct {
	http.RoundTripper
	seen chan<- string
}

func (w watched) RoundTrip(req *http.Request) (*http.Response, error) {
	w.seen <- req.Header.Get("Authorization")
	return w.RoundTripper.RoundTrip(req)
}

// A task cannot be run that does not say which agent, or says it wrongly.
func TestTasksThatCannotBeRun(t *testing.T) {
	t.Parallel()
	server := runagenttest.Start(t, harbour())
	e := local(t, server, func(c *runagent.Config) { c.AgentID, c.Entrypoint = "", "" })
	for payload, want := range map[string]string{
		`{}`: "agent_id is missing: give it in the task, or to the executor; entrypoint_tag is missing",
		`{"agent_id": "a", "entrypoint_tag": "b", "params": [1]}`: "params is no object",
		`{"agent_id": "..", "entrypoint_tag": "b"}`:               "which is no id of an agent",
		`{"agent_id": [3]}`: "payload of the task: agent_id is a list; it must be a string",
		`{"agent_id": "a", "entrypoint_tag": "b", "timeout_seconds": -1}`:        "timeout_seconds is -1",
		`{"agent_id": "a", "entrypoint_tag": "b", "timeout_seconds": 999999999}`: "write 1 to 2592000",
		`{"agent_id": "a", "entrypoint_tag": "b", "agent_host": "h/x?"}`:         "agent_host is no name or address",
		`{"agent_id": "a", "entrypoint_tag": "b", "agent_port": 70000}`:          "agent_port is 70000",
	} {
		_, err := e.Execute(t.Context(), task(payload))
		require.ErrorContains(t, err, want, payload)
		ce := asError(t, err)
		require.Equal(t, conversation.Invalid, ce.Kind)
		require.NotEmpty(t, ce.Remedy)
		require.False(t, ce.Ambiguous)
	}
	require.Zero(t, server.Runs(""))
}

func TestAtMostOnce(t *testing.T) {
	t.Parallel()
	server := runagenttest.Start(t, harbour())
	require.False(t, local(t, server).AtMostOnce())
	require.True(t, local(t, server, func(c *runagent.Config) { c.AtMostOnce = true }).AtMostOnce())
}

// A conversation's cancellation reaches the server: the call is not left behind.
func TestCancellationReachesTheServer(t *testing.T) {
	t.Parallel()
	for _, tag := range []string{"wait", "wait_stream"} {
		t.Run(tag, func(t *testing.T) {
			t.Parallel()
			running, gone := make(chan struct{}), make(chan struct{})
			wait := func(left <-chan struct{}) error {
				close(running)
				<-left
				close(gone)
				return context.Canceled
			}
			server := runagenttest.Start(t, runagenttest.Agent{
				ID: "harbour",
				Entrypoints: map[string]runagenttest.Entrypoint{"wait": func(_ context.Context, call runagenttest.Call) (any, error) {
					return nil, wait(call.Gone)
				}},
				Streams: map[string]runagenttest.Stream{"wait_stream": func(ctx context.Context, _ runagenttest.Call, _ func(any)) error {
					return wait(ctx.Done())
				}},
			})
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				<-running
				cancel()
			}()
			_, err := local(t, server).Execute(ctx, task(`{"entrypoint_tag": "`+tag+`"}`))
			require.ErrorIs(t, err, context.Canceled)
			require.True(t, asError(t, err).Ambiguous)
			<-gone
		})
	}
}

// Whatever may be wrong with a configuration is reported at once.
func TestNewReportsEveryFault(t *testing.T) {
	t.Parallel()
	_, err := runagent.New(runagent.Config{
		Mode: "somewhere", URL: "https://user:hush@host?x=1", APIKey: "two words", Host: "http://here:80", Port: -1,
		AgentID: "..", HistoryKey: "message", ReplyPath: " a", AtMostOnce: true, RetryAgentErrors: true,
		Timeout: time.Second, FirstTokenTimeout: time.Minute, GapTimeout: -1, MaxReplyBytes: -1,
	})
	require.Error(t, err)
	require.NotContains(t, err.Error(), "hush")
	for _, want := range []string{
		`mode is "somewhere": write serverless or local`,
		"url contains more than an address",
		"api_key contains a space",
		"host is no name or address of a machine",
		"port is -1",
		"which is no id of an agent",
		"history_key is the same as message_key",
		`reply_path is " a", which begins or ends with a space`,
		"retry_agent_errors would run an agent twice, which at_most_once forbids",
		"first_token_timeout is 1m0s, longer than timeout, 1s",
		"gap_timeout is -1ns",
		"max_reply_bytes is -1",
	} {
		require.ErrorContains(t, err, want)
	}
	require.Len(t, strings.Split(err.Error(), "\n"), 12)

	_, err = runagent.New(runagent.Config{Mode: runagent.ModeLocal, URL: "https://host"})
	require.ErrorContains(t, err, "runagent: url is for mode: serverless: for local agents write host and port")
}

// Addresses are read as RunAgent's own clients read them.
func TestURL(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                                   "https://backend.run-agent.ai/api/v1/agents/harbour/run",
		"backend.run-agent.ai":               "https://backend.run-agent.ai/api/v1/agents/harbour/run",
		"https://agents.example.com/":        "https://agents.example.com/api/v1/agents/harbour/run",
		"http://10.0.0.7:9000/base/":         "http://10.0.0.7:9000/base/api/v1/agents/harbour/run",
		"https://agents.example.com/api/v1":  "https://agents.example.com/api/v1/agents/harbour/run",
		"https://agents.example.com/api/v1/": "https://agents.example.com/api/v1/agents/harbour/run",
	} {
		var got string
		e, err := runagent.New(runagent.Config{
			URL: in, APIKey: key, AgentID: "harbour", Entrypoint: "chat", Validate: new(bool),
			HTTPClient: &http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
				got = req.URL.String()
				return respond(req, http.StatusOK, `"ok"`), nil
			})},
		})
		require.NoError(t, err)
		_, err = e.Execute(t.Context(), executortest.Request("c1", "Hi"))
		require.NoError(t, err)
		require.Equal(t, want, got, in)
	}
}
