package iiifunction_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/executors/iiifunction"
	"github.com/parley-run/parley/executors/wire"
	"github.com/parley-run/parley/iii"
	"github.com/parley-run/parley/secret"
)

const (
	chatTS   = `{"content": "Hello.", "model": "claude-haiku-4-5", "usage": {"input": 10, "output": 2, "total": 12}, "iterations": 0}`
	chatRust = `{"content": "Hello.", "model": null, "usage": null, "iterations": 0, "durationMs": 5}`
	llmTS    = `{"content": "Hello.", "model": "m", "toolCalls": [], "usage": {"input": 10, "output": 2, "total": 12}, "durationMs": 5}`
	llmRust  = `{"content": "Hello.", "model": "m", "toolCalls": [], "usage": {"input": 10, "output": 2, "total": 12}}`
)

// early is how AgentOS in TypeScript answers without having asked a model.
func early(text string) iii.Handler {
	raw, _ := json.Marshal(map[string]any{"content": text, "iterations": 0}) // cannot fail
	return always(string(raw))
}

// rust is how a Rust worker fails.
func rust(text string) iii.Handler { return fails("handler error: " + text) }

// failures are how a function fails in each way, by the failure's name.
type failures map[string]iii.Handler

func TestContract(t *testing.T) {
	t.Parallel()
	typescript := failures{
		"RateLimited":          early("Agent support has too many concurrent requests (3/3)."),
		"RateLimitedWithDelay": early("Rate limit exceeded for agent support. Retry after 7s."),
		"QuotaExhausted":       early("Agent support has exceeded its budget (spent: $5, limit: $4). Please contact an administrator."),
		"Unauthorized":         fails("Agent support denied: shell " + token),
		"Unavailable":          early("Service is shutting down. Please retry later."),
		"ContextTooLong":       fails("400 prompt is too long: 250000 tokens " + queryKey),
		"Refused":              early("Message rejected: potential injection detected. " + token),
		"Invalid":              early("Agent support not found."),
	}
	rusty := failures{
		"RateLimited":          rust("API error 429: slow down"),
		"RateLimitedWithDelay": rust("Rate limit exceeded. Retry after 7s."),
		"QuotaExhausted":       rust("Agent support exceeded token quota"),
		"Unauthorized":         rust("Agent support denied: " + token),
		"Unavailable":          rust("connection reset " + queryKey),
		"ContextTooLong":       rust("API error 400: prompt is too long"),
		"Refused":              rust("Message rejected: potential injection detected"),
		"Invalid":              rust("missing field `message`"),
	}
	codes := failures{}
	for _, f := range executortest.Failures() {
		text := "no: " + token
		if f.RetryAfter > 0 {
			text += " Retry after 7s"
		}
		codes[f.Name] = failsWith(string(f.Kind), text)
	}
	for name, c := range map[string]struct {
		function string
		answer   string
		fail     failures
		change   func(*iiifunction.Config)
	}{
		"AgentOSTypeScript": {iiifunction.DefaultChat, chatTS, typescript, nil},
		"AgentOSRust":       {iiifunction.DefaultChat, chatRust, rusty, nil},
		"LLMTypeScript":     {iiifunction.DefaultComplete, llmTS, rusty, llmConfig(iiifunction.ShapeTypeScript)},
		"LLMRust":           {iiifunction.DefaultComplete, llmRust, rusty, llmConfig(iiifunction.ShapeRust)},
		"Plain": {"shop::agent", `{"message": "Hello.", "model": "m", "state": {"n": 1}}`, codes, func(c *iiifunction.Config) {
			c.AgentID, c.Function = "", "shop::agent"
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			executortest.Run(t, executortest.Fixture{
				Secrets: []string{token, "iii-very-secret-0123456789", queryKey},
				Model:   true,
				New: func(t *testing.T) executors.Executor {
					return on(t, functions{c.function: always(c.answer)}, c.change)
				},
				Stall: func(t *testing.T) executors.Executor {
					return on(t, functions{c.function: stalls}, c.change)
				},
				Fail: func(t *testing.T, want executortest.Failure) executors.Executor {
					return on(t, functions{c.function: c.fail[want.Name]}, c.change)
				},
			})
		})
	}
}

func llmConfig(shape iiifunction.Shape) func(*iiifunction.Config) {
	return func(c *iiifunction.Config) {
		c.AgentID, c.Function, c.Shape, c.Model = "", iiifunction.DefaultComplete, shape, "claude-haiku-4-5"
	}
}

// turns are the requests of a conversation of two turns.
func turns() (first, second executors.Request) {
	first = executortest.Request("c1", "Hi")
	return first, executortest.Next(first, executors.Result{Message: conversation.Text(conversation.RoleAssistant, "Hello.")}, "My parcel?")
}

// What the functions are called with.
func TestRequest(t *testing.T) {
	t.Parallel()
	first, second := turns()
	opens := executortest.Request("c1", "")
	opens.Messages, opens.New = nil, 0
	anew := second
	anew.New = len(anew.Messages)
	noted := first
	noted.Messages = append([]conversation.Message{conversation.Text(conversation.RoleSystem, "A phone.")}, first.Messages...)
	noted.New = 2
	llm := func(shape iiifunction.Shape, change func(*iiifunction.Config)) func(*iiifunction.Config) {
		return func(c *iiifunction.Config) {
			llmConfig(shape)(c)
			if change != nil {
				change(c)
			}
		}
	}
	system := func(c *iiifunction.Config) { c.System = "Be kind." }
	for name, c := range map[string]struct {
		change func(*iiifunction.Config)
		req    executors.Request
		want   string
	}{
		"Chat":      {nil, first, `{"agentId": "support", "message": "Hi", "sessionId": "parley:test/p1/c1"}`},
		"ChatLater": {nil, second, `{"agentId": "support", "message": "My parcel?", "sessionId": "parley:test/p1/c1"}`},
		"ChatOpens": {func(c *iiifunction.Config) { c.Opening = "Begin." }, opens, `{"agentId": "support", "message": "Begin.", "sessionId": "parley:test/p1/c1"}`},
		"ChatSettings": {func(c *iiifunction.Config) { c.Session, c.System = "s", "Be kind." }, first,
			`{"agentId": "support", "message": "Hi", "sessionId": "s:test/p1/c1", "systemPrompt": "Be kind."}`},
		"ChatToldAnew": {nil, anew, `{"agentId": "support", "message": "The conversation so far:\n\nUser: Hi\n\nAgent: Hello.\n\nMy parcel?", "sessionId": "parley:test/p1/c1"}`},
		"ChatSendAll": {func(c *iiifunction.Config) { c.Send = wire.SendAll }, second,
			`{"agentId": "support", "message": "The conversation so far:\n\nUser: Hi\n\nAgent: Hello.\n\nMy parcel?", "sessionId": "parley:test/p1/c1"}`},
		"LLMTypeScript": {llm(iiifunction.ShapeTypeScript, system), second, `{"model": {"provider": "anthropic", "model": "claude-haiku-4-5", "maxTokens": 4096}, "systemPrompt": "Be kind.",
			"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}, {"role": "user", "content": "My parcel?"}]}`},
		"LLMRust": {llm(iiifunction.ShapeRust, system), first, `{"provider": "anthropic", "model": "claude-haiku-4-5", "max_tokens": 4096,
			"messages": [{"role": "user", "content": "Be kind.\n\nHi"}]}`},
		"LLMRustOther": {llm(iiifunction.ShapeRust, func(c *iiifunction.Config) {
			system(c)
			c.Provider, c.Model, c.MaxTokens = "openai", "", 10
		}), first, `{"provider": "openai", "max_tokens": 10, "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}]}`},
		"LLMOpens": {llm(iiifunction.ShapeRust, func(c *iiifunction.Config) { c.Opening = "Begin." }), opens,
			`{"provider": "anthropic", "model": "claude-haiku-4-5", "max_tokens": 4096, "messages": [{"role": "user", "content": "Begin."}]}`},
		"LLMNote": {llm(iiifunction.ShapeRust, nil), noted,
			`{"provider": "anthropic", "model": "claude-haiku-4-5", "max_tokens": 4096, "messages": [{"role": "user", "content": "Note: A phone.\n\nHi"}]}`},
		"Plain": {func(c *iiifunction.Config) { c.AgentID, c.Function, c.Send = "", "shop::agent", wire.SendNew }, second,
			`{"conversation": {"platform": "test", "project": "p1", "agent": "a1", "id": "c1"}, "turn": 2, "attempt": 1, "idempotency_key": "test/p1/c1/2",
			"messages": [{"role": "user", "text": "My parcel?", "parts": [{"type": "text", "text": "My parcel?"}]}], "new": 1}`},
		"PlainTemplate": {func(c *iiifunction.Config) {
			c.AgentID, c.Function = "", "shop::agent"
			c.Request.Body = `{"text": {{json .Input}}, "thread": {{json .Conversation.ID}}, "key": {{json .IdempotencyKey}}, "n": {{json (len .Messages)}}}`
			c.Response.Text = "@this"
		}, second, `{"text": "My parcel?", "thread": "c1", "key": "test/p1/c1/2", "n": 3}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var chat, complete, shop heard
			x := on(t, functions{
				iiifunction.DefaultChat: chat.by(always(chatTS)), iiifunction.DefaultComplete: complete.by(always(llmTS)),
				"shop::agent": shop.by(always(`"Hello."`)),
			}, c.change)
			res, err := x.Execute(t.Context(), c.req)
			require.NoError(t, err)
			require.Equal(t, "Hello.", res.Message.Text())
			var got []string
			for _, h := range []*heard{&chat, &complete, &shop} {
				got = append(got, h.data(t)...)
			}
			require.Len(t, got, 1)
			require.JSONEq(t, c.want, got[0])
		})
	}
}

// What answers mean.
func TestAnswer(t *testing.T) {
	t.Parallel()
	big, beyond := strings.Repeat("x", 1<<20), strings.Repeat("x", 1<<10)
	plain := func(text string) func(*iiifunction.Config) {
		return func(c *iiifunction.Config) {
			c.AgentID, c.Function, c.Dialect, c.Response.Text = "", iiifunction.DefaultChat, iiifunction.DialectPlain, text
			if text != "" {
				c.Response.Error, c.Response.End, c.Response.InputTokens = "fault", "bye", "in"
				c.Response.ErrorCode, c.Response.ErrorKinds = "fault.code", map[string]conversation.Kind{"E42": conversation.RateLimited}
			}
		}
	}
	for name, c := range map[string]struct {
		change func(*iiifunction.Config)
		answer string
		want   executors.Result
		kind   conversation.Kind
		text   string
	}{
		"TypeScript": {nil, chatTS, result("Hello.", "agentos", "claude-haiku-4-5", 10, 2, 0, 1), "", ""},
		"Cache": {nil, `{"content": "Hi", "model": "m", "usage": {"input": 10, "output": 2, "cacheRead": 5, "cacheWrite": 1}, "iterations": 3}`,
			result("Hi", "agentos", "m", 16, 2, 5, 4), "", ""},
		"Rust":        {nil, chatRust, result("Hello.", "agentos", "support", 0, 0, 0, 1), "", ""},
		"ModelObject": {nil, `{"content": "Hi", "model": {"provider": "p", "model": "m"}, "usage": null, "iterations": 0, "durationMs": 1}`, result("Hi", "agentos", "m", 0, 0, 0, 1), "", ""},
		"Unadorned":   {nil, `{"content": "Hi"}`, result("Hi", "agentos", "support", 0, 0, 0, 1), "", ""},
		"Big":         {nil, `{"content": "` + big + `", "model": "m", "iterations": 0}`, result(big, "agentos", "m", 0, 0, 0, 1), "", ""},
		"TooBig":      {nil, `{"content": "` + big + beyond + `", "model": "m", "iterations": 0}`, executors.Result{}, conversation.Invalid, "have the agent answer with less"},
		"FarTooBig":   {nil, `{"content": "` + strings.Repeat(big, 7) + `"}`, executors.Result{}, conversation.Invalid, "have the agent answer with less"},
		"Empty":       {nil, `{"content": "", "model": "m", "iterations": 0}`, executors.Result{}, conversation.Unavailable, "the answer is empty"},
		"NoContent":   {nil, `{"text": "Hi"}`, executors.Result{}, conversation.Invalid, `at "content" is nothing (check function and dialect)`},
		"OddContent":  {nil, `{"content": 7}`, executors.Result{}, conversation.Invalid, `at "content" is no text`},
		"NoObject":    {nil, `"Hi"`, executors.Result{}, conversation.Invalid, `at "content" is nothing`},
		"NewRefusal":  {nil, `{"content": "Go away.", "model": null, "iterations": 0}`, executors.Result{}, conversation.Refused, "Go away."},
		"PlainText":   {plain(""), `"Hi"`, result("Hi", "iii", "", 0, 0, 0, 1), "", ""},
		"PlainFrame":  {plain(""), `{"message": "Hi", "usage": {"input_tokens": 3, "calls": 2}}`, result("Hi", "iii", "", 3, 0, 0, 2), "", ""},
		"PlainError": {plain(""), `{"error": {"kind": "QuotaExhausted", "message": "no money"}}`, executors.Result{}, conversation.QuotaExhausted,
			"no money"},
		"PlainOther":    {plain(""), `{"text": "Hi"}`, executors.Result{}, conversation.Invalid, "set response.text"},
		"PlainMapped":   {plain("out.text"), `{"out": {"text": ["H", {"text": "i"}]}, "in": 4}`, result("Hi", "iii", "", 4, 0, 0, 1), "", ""},
		"PlainNowhere":  {plain("out.text"), `{"text": "Hi"}`, executors.Result{}, conversation.Invalid, `at "out.text" is nothing (check response)`},
		"PlainFault":    {plain("out.text"), `{"fault": {"message": "slow", "code": "E42"}}`, executors.Result{}, conversation.RateLimited, "slow"},
		"PlainLongText": {plain("@this"), `"` + big + beyond + `"`, executors.Result{}, conversation.Invalid, "have the agent answer with less"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := on(t, functions{iiifunction.DefaultChat: always(c.answer)}, c.change)
			res, err := x.Execute(t.Context(), executortest.Request("c1", "Hi"))
			if c.kind != "" {
				require.Equal(t, c.kind, conversation.KindOf(err), "%v", err)
				require.ErrorContains(t, err, c.text)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, res)
		})
	}
}

func result(text, provider, model string, in, out, cached, calls int64) executors.Result {
	return executors.Result{
		Message: conversation.Text(conversation.RoleAssistant, text), Provider: provider, Model: model, FinishReason: executors.FinishStop,
		Usage: conversation.Usage{InputTokens: in, OutputTokens: out, CachedInputTokens: cached, Calls: calls},
	}
}

// A function that returns nothing has not answered.
func TestNoResult(t *testing.T) {
	t.Parallel()
	x := on(t, functions{iiifunction.DefaultChat: func(context.Context, iii.Invocation) (any, error) { return nil, nil }}, nil)
	_, err := x.Execute(t.Context(), executortest.Request("c1", "Hi"))
	require.True(t, conversation.IsKind(err, conversation.Unavailable))
	require.ErrorContains(t, err, "the answer is empty")
}

// The key goes beside the data, and reaches functions on engines that know how.
func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	for era, want := range map[iii.Era]string{iii.EraA: "", iii.EraC: "", iii.EraD: `{"idempotency_key":"test/p1/c1/1"}`, iii.EraF: `{"idempotency_key":"test/p1/c1/1"}`} {
		t.Run(era.String(), func(t *testing.T) {
			t.Parallel()
			var got heard
			e := practice(t, era)
			serve(t, e, iii.Options{}, functions{iiifunction.DefaultChat: got.by(always(chatTS))})
			x := made(t, e, nil)
			_, err := x.Execute(t.Context(), executortest.Request("c1", "Hi"))
			require.NoError(t, err)
			require.Equal(t, want, string(got.all()[0].Metadata))
		})
	}
}

// Functions are called in the namespace of the configuration.
func TestNamespace(t *testing.T) {
	t.Parallel()
	e := practice(t, iii.EraE)
	serve(t, e, iii.Options{Namespace: "shop", Name: "shop"}, functions{
		iiifunction.DefaultChat: always(chatTS), iiifunction.DefaultScan: always(`{"safe": true, "matches": [], "riskScore": 0}`),
	})
	elsewhere := made(t, e, nil)
	_, err := elsewhere.Execute(t.Context(), executortest.Request("c1", "Hi"))
	require.ErrorContains(t, err, "function_not_found")
	require.ErrorContains(t, elsewhere.Check(t.Context()), "no worker serves agent::chat")
	x := made(t, e, func(c *iiifunction.Config) { c.Namespace, c.Guard = "shop", &iiifunction.Guard{} })
	require.NoError(t, x.Check(t.Context()))
	_, err = x.Execute(t.Context(), executortest.Request("c1", "Hi"))
	require.NoError(t, err)
}

func TestConfig(t *testing.T) {
	t.Parallel()
	risk := 2.0
	for name, c := range map[string]struct {
		cfg  iiifunction.Config
		want string
	}{
		"AgentMissing":    {iiifunction.Config{}, "agent_id is missing"},
		"FunctionMissing": {iiifunction.Config{Dialect: iiifunction.DialectPlain}, "function is missing"},
		"Dialect":         {iiifunction.Config{Dialect: "french"}, `dialect is "french": write agentos, llm or plain`},
		"Shape":           {iiifunction.Config{Dialect: iiifunction.DialectLLM, Shape: "round"}, `shape is "round"`},
		"ModelMissing":    {iiifunction.Config{Dialect: iiifunction.DialectLLM, Shape: iiifunction.ShapeTypeScript}, "model is missing"},
		"AgentInPlain":    {iiifunction.Config{Function: "f", AgentID: "a"}, "agent_id is for dialect: agentos, and this is plain"},
		"MappingInChat":   {iiifunction.Config{AgentID: "a", Request: wire.RequestMapping{Body: "{}"}}, "request is for dialect: plain"},
		"Send":            {iiifunction.Config{AgentID: "a", Send: "some"}, `send is "some"`},
		"Scheme":          {iiifunction.Config{AgentID: "a", URL: "ftp://hunter2.example"}, "url begins with none of ws, wss, http and https"},
		"Password":        {iiifunction.Config{AgentID: "a", URL: "ws://me:hunter2@example.com"}, "url contains a user name or password"},
		"NoURL":           {iiifunction.Config{AgentID: "a", URL: "hunter2"}, "url is no address of an engine"},
		"Header":          {iiifunction.Config{AgentID: "a", Headers: map[string]secret.String{"X Y": "v"}}, "headers.X Y is no name of a header"},
		"Timeout":         {iiifunction.Config{AgentID: "a", Timeout: -1}, "timeout is -1ns"},
		"Risk":            {iiifunction.Config{AgentID: "a", Guard: &iiifunction.Guard{MaxRisk: &risk}}, "guard.max_risk is 2: write 0 to 1"},
		"GuardFail":       {iiifunction.Config{AgentID: "a", Guard: &iiifunction.Guard{Fail: "maybe"}}, `guard.fail is "maybe": write closed or open`},
		"Template":        {iiifunction.Config{Function: "f", Request: wire.RequestMapping{Body: `{"a": "{{.Input}}"}`}}, "is not safe"},
		"TemplateNoJSON":  {iiifunction.Config{Function: "f", Request: wire.RequestMapping{Body: `{"a": }`}}, "the output is not JSON"},
		"Paths":           {iiifunction.Config{Function: "f", Response: wire.ResponseMapping{End: "bye"}}, "response.text is missing"},
		"Kinds":           {iiifunction.Config{Function: "f", Response: wire.ResponseMapping{ErrorKinds: map[string]conversation.Kind{"E": "Odd"}}}, `"Odd", which is no kind of error`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := iiifunction.New(c.cfg)
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "hunter2")
		})
	}
	_, err := iiifunction.New(iiifunction.Config{Function: "f", Send: "some", MaxReplyBytes: -1})
	require.ErrorContains(t, err, "send")
	require.ErrorContains(t, err, "max_reply_bytes", "every fault at once")
}

func TestAtMostOnce(t *testing.T) {
	t.Parallel()
	for _, once := range []bool{false, true} {
		x, err := iiifunction.New(iiifunction.Config{AgentID: "a", AtMostOnce: once})
		require.NoError(t, err)
		require.Equal(t, once, x.AtMostOnce())
		require.NoError(t, x.Close())
	}
}

// An executor that has been closed calls nothing.
func TestClose(t *testing.T) {
	t.Parallel()
	e := practice(t, iii.EraC)
	var calls heard
	serve(t, e, iii.Options{}, functions{iiifunction.DefaultChat: calls.by(stalls)})
	x := made(t, e, nil)
	failed := started(x)
	calls.wait(t)
	require.NoError(t, x.Close())
	var ce *conversation.Error
	require.ErrorAs(t, <-failed, &ce)
	require.Equal(t, conversation.Unavailable, ce.Kind)
	require.True(t, ce.Ambiguous)
	_, err := x.Execute(t.Context(), executortest.Request("c1", "Hi"))
	require.ErrorAs(t, err, &ce)
	require.False(t, ce.Ambiguous)
	require.NoError(t, e.Wait(soon(t), func() bool { return len(e.Workers()) == 1 }))
}

// One connection serves all requests.
func TestOneConnection(t *testing.T) {
	t.Parallel()
	e := practice(t, iii.EraC)
	serve(t, e, iii.Options{}, functions{iiifunction.DefaultChat: always(chatTS)})
	x := made(t, e, nil)
	require.Len(t, e.Workers(), 1, "it connects when it is needed")
	for range 3 {
		require.NoError(t, x.Check(t.Context()))
		_, err := x.Execute(t.Context(), executortest.Request("c1", "Hi"))
		require.NoError(t, err)
	}
	require.Len(t, e.Workers(), 2)
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	x := on(t, functions{iiifunction.DefaultChat: stalls}, func(c *iiifunction.Config) { c.Timeout = 50 * time.Millisecond })
	_, err := x.Execute(t.Context(), executortest.Request("c1", "Hi"))
	var ce *conversation.Error
	require.ErrorAs(t, err, &ce)
	require.Equal(t, conversation.Unavailable, ce.Kind)
	require.NotErrorIs(t, err, context.DeadlineExceeded, "an executor's own timers are no cancellation")
	require.ErrorContains(t, err, "within 50ms (timeout)")
}
