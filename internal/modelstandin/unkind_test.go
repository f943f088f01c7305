package modelstandin_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/modelstandin"
)

// post asks a service, with every vendor's credentials.
func post(t *testing.T, url, body string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	require.NoError(t, err)
	for name, value := range map[string]string{
		"Content-Type": "application/json", "Authorization": "Bearer k", "X-Goog-Api-Key": "k", "Anthropic-Version": "2023-06-01",
	} {
		req.Header.Set(name, value)
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	res, err := transport.RoundTrip(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res, string(data)
}

func müller(modelstandin.Asked) modelstandin.Said { return modelstandin.Said{Text: "Müller"} }

// The stand-ins refuse what the services refuse, unless they are lenient.
func TestRefusesWhatTheServiceRefuses(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		dialect          modelstandin.Dialect
		path, body, says string
	}{
		"chat: unknown parameter":     {modelstandin.Chat{}, "/v1/chat/completions", `{"model":"m","messages":[{"role":"user","content":"hi"}],"foo":1}`, "Unrecognized request argument supplied: foo"},
		"chat: no messages":           {modelstandin.Chat{}, "/v1/chat/completions", `{"model":"m","messages":[]}`, "empty array"},
		"chat: result without a call": {modelstandin.Chat{}, "/v1/chat/completions", `{"model":"m","messages":[{"role":"tool","tool_call_id":"x","content":"hi"}]}`, "must be a response to"},
		"chat: call without a result": {modelstandin.Chat{}, "/v1/chat/completions", `{"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"x","function":{"name":"f"}}]},{"role":"user","content":"hi"}]}`, "did not have response messages: x"},
		"chat: choice without tools":  {modelstandin.Chat{}, "/v1/chat/completions", `{"model":"m","messages":[{"role":"user","content":"hi"}],"tool_choice":"auto"}`, "only allowed when 'tools'"},
		"responses: unknown previous": {modelstandin.Responses{}, "/v1/responses", `{"model":"m","input":[{"role":"user","content":"hi"}],"previous_response_id":"r"}`, "previous_response_not_found"},
		"responses: orphaned output":  {modelstandin.Responses{}, "/v1/responses", `{"model":"m","input":[{"type":"function_call_output","call_id":"x","output":"hi"}]}`, "No tool call found"},
		"messages: no max_tokens":     {modelstandin.Messages{}, "/v1/messages", `{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}]}`, "max_tokens: Field required"},
		"messages: assistant first":   {modelstandin.Messages{}, "/v1/messages", `{"model":"m","max_tokens":9,"messages":[{"role":"assistant","content":[{"type":"text","text":"hi"}]}]}`, "first message must use"},
		"messages: unknown parameter": {modelstandin.Messages{}, "/v1/messages", `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}],"foo":1}`, "foo: Extra inputs are not permitted"},
		"gemini: no contents":         {modelstandin.Generate{}, "/v1beta/models/m:generateContent", `{"contents":[]}`, "contents is not specified"},
		"gemini: role":                {modelstandin.Generate{}, "/v1beta/models/m:generateContent", `{"contents":[{"role":"assistant","parts":[{"text":"hi"}]}]}`, "valid role: user, model"},
		"gemini: unknown parameter":   {modelstandin.Generate{}, "/v1beta/models/m:generateContent", `{"contents":[{"role":"user","parts":[{"text":"hi"}]}],"foo":1}`, "Unknown name"},
		"a2a: no message":             {modelstandin.A2A{}, "/rpc", `{"jsonrpc":"2.0","id":1,"method":"message/send","params":{}}`, "-32602"},
		"a2a: methods of 1.0":         {modelstandin.A2A{}, "/rpc", `{"jsonrpc":"2.0","id":1,"method":"SendMessage","params":{}}`, "-32601"},
		"a2a 1.0: methods of 0.3":     {modelstandin.A2A{Version: "1.0"}, "/rpc", `{"jsonrpc":"2.0","id":1,"method":"message/send","params":{}}`, "-32601"},
		"a2a 1.0: without a version":  {modelstandin.A2A{Version: "1.0"}, "/rpc", `{"jsonrpc":"2.0","id":1,"method":"SendMessage","params":{"message":{"messageId":"m","role":"ROLE_USER","parts":[{"text":"hi"}]}}}`, "-32009"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			strict := modelstandin.Start(t, row.dialect, müller)
			_, body := post(t, strict.URL+row.path, row.body)
			require.Contains(t, body, row.says)
			require.True(t, json.Valid([]byte(body)))
			require.Len(t, strict.Refused(), 1)
			require.Empty(t, strict.Asked())
			lenient := modelstandin.StartLenient(t, modelstandin.Lenient{Requests: true}, row.dialect, müller)
			_, body = post(t, lenient.URL+row.path, row.body)
			require.Contains(t, body, "Müller")
		})
	}
}

// The second request is one too many, and the fourth finds the service overloaded.
func TestIsBusyNowAndThen(t *testing.T) {
	t.Parallel()
	const body = `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}]}`
	s := modelstandin.Start(t, modelstandin.Messages{}, müller)
	var statuses []int
	for range 5 {
		res, _ := post(t, s.URL+"/v1/messages", body)
		statuses = append(statuses, res.StatusCode)
		require.EqualValues(t, -1, res.ContentLength, "the length is not known")
		require.Equal(t, res.StatusCode == http.StatusTooManyRequests, res.Header.Get("Retry-After") == "1")
	}
	require.Equal(t, []int{200, 429, 200, 529, 200}, statuses)
	require.Len(t, s.Asked(), 3)
}

func TestStreamsComeInPieces(t *testing.T) {
	t.Parallel()
	s := modelstandin.Start(t, modelstandin.Chat{}, müller)
	_, body := post(t, s.URL+"/v1/chat/completions", `{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true}`)
	require.Contains(t, body, ": keep-alive\r\n\r\n")
	require.NotContains(t, strings.ReplaceAll(body, "\r\n", ""), "\n")
	require.NotContains(t, body, `"prompt_tokens"`, "what it cost was not asked for")
}
