package a2a_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/a2a"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/executors/internal/modeltest"
)

// A version of the protocol. The agents of these tests speak 0.3. In 1.0 they are
// behind a translator.
type version string

const (
	v03   version = "0.3"
	v10   version = "1.0"
	vHTTP version = "HTTP+JSON 1.0"
)

// eachVersion runs a test in both versions.
func eachVersion(t *testing.T, do func(*testing.T, version)) {
	t.Parallel()
	for _, v := range []version{v03, v10} {
		t.Run(string(v), func(t *testing.T) { do(t, v) })
	}
}

// eachBinding runs a test in both versions over JSON-RPC, and in 1.0 over HTTP+JSON.
func eachBinding(t *testing.T, do func(*testing.T, version)) {
	eachVersion(t, do)
	t.Run(string(vHTTP), func(t *testing.T) { do(t, vHTTP) })
}

// card returns an agent's card in the version's form.
func (v version) card(url string, streaming bool) string {
	card := newCard(url, streaming)
	if v == v03 {
		return modeltest.JSON(card)
	}
	binding := "JSONRPC"
	if v == vHTTP {
		binding = "HTTP+JSON"
	}
	return modeltest.JSON(map[string]any{
		"name": card.Name, "description": card.Description, "version": card.Version,
		"supportedInterfaces":  []any{map[string]any{"url": url, "protocolBinding": binding, "protocolVersion": "1.0"}},
		"capabilities":         map[string]any{"streaming": streaming},
		"defaultInputModes":    card.DefaultInputModes,
		"defaultOutputModes":   card.DefaultOutputModes,
		"skills":               []any{},
		"securityRequirements": []any{map[string]any{"schemes": map[string]any{"bearer": map[string]any{}}}},
		"securitySchemes":      map[string]any{"bearer": map[string]any{"httpAuthSecurityScheme": map[string]any{"scheme": "Bearer"}}},
	})
}

type raw = map[string]json.RawMessage

// rpc is the agent that speaks the version, of one that speaks 0.3.
func (v version) rpc(t *testing.T, agent http.HandlerFunc) http.HandlerFunc {
	if v == v03 {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("A2A-Version") != "" {
				modeltest.WriteJSON(w, http.StatusOK, fault(-32601, "Method not found", ""))
				return
			}
			agent(w, r)
		}
	}
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		var call rpcCall
		if v == vHTTP {
			call = callOf(r, body)
		} else if json.Unmarshal(body, &call) != nil {
			t.Errorf("the request is not JSON: %s", body)
		}
		if r.Header.Get("A2A-Version") != "1.0" {
			modeltest.WriteJSON(w, http.StatusOK, fault(-32009, "Version not supported", ""))
			return
		}
		method, known := methods10[call.Method]
		if !known {
			modeltest.WriteJSON(w, http.StatusOK, fault(-32601, "Method not found", ""))
			return
		}
		call.Method = method
		if strings.HasPrefix(method, "message/") {
			call.Params, err = lower(call.Params)
			if err != nil {
				t.Errorf("the request is not of version 1.0: %v", err)
			}
		}
		r.Method, r.Body = http.MethodPost, io.NopCloser(strings.NewReader(modeltest.JSON(call)))
		up := &translator{ResponseWriter: w, bare: strings.HasPrefix(method, "tasks/"), http: v == vHTTP}
		agent(up, r)
		up.end()
	}
}

type rpcCall struct {
	JSONRPC string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params"`
}

// callOf is the call that a request over HTTP+JSON stands for.
func callOf(r *http.Request, body []byte) rpcCall {
	call := rpcCall{JSONRPC: "2.0", ID: json.RawMessage("1"), Params: body}
	id, cancel := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/rpc/tasks/"), ":cancel")
	switch path := strings.TrimPrefix(r.URL.Path, "/rpc"); {
	case r.Method == http.MethodPost && path == "/message:send":
		call.Method = "SendMessage"
	case r.Method == http.MethodPost && path == "/message:stream":
		call.Method = "SendStreamingMessage"
	case strings.HasPrefix(path, "/tasks/"):
		call.Params = json.RawMessage(modeltest.JSON(map[string]any{"id": id}))
		switch {
		case cancel && r.Method == http.MethodPost:
			call.Method = "CancelTask"
		case !cancel && r.Method == http.MethodGet:
			call.Method = "GetTask"
		}
	}
	return call
}

var methods10 = map[string]string{
	"SendMessage": "message/send", "SendStreamingMessage": "message/stream", "GetTask": "tasks/get", "CancelTask": "tasks/cancel",
}

// lower translates the parameters of a message to version 0.3. It accepts what the
// protocol's definition has, and no more.
func lower(params json.RawMessage) (json.RawMessage, error) {
	var in struct {
		Tenant  string
		Message struct {
			MessageID, ContextID, TaskID, Role string
			Parts                              []struct {
				Text string
				Data json.RawMessage
			}
		}
		Configuration struct {
			AcceptedOutputModes []string
			HistoryLength       int
			ReturnImmediately   bool
		}
	}
	d := json.NewDecoder(bytes.NewReader(params))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return params, err
	}
	type part struct {
		Kind string          `json:"kind"`
		Text string          `json:"text,omitempty"`
		Data json.RawMessage `json:"data,omitempty"`
	}
	var parts []part
	for _, p := range in.Message.Parts {
		kind := "text"
		if p.Data != nil {
			kind = "data"
		}
		parts = append(parts, part{kind, p.Text, p.Data})
	}
	role := in.Message.Role
	if role == "ROLE_USER" {
		role = "user"
	}
	return json.RawMessage(modeltest.JSON(map[string]any{
		"message": map[string]any{
			"kind": "message", "messageId": in.Message.MessageID, "contextId": in.Message.ContextID, "taskId": in.Message.TaskID,
			"role": role, "parts": parts,
		},
		"configuration": map[string]any{
			"acceptedOutputModes": in.Configuration.AcceptedOutputModes,
			"historyLength":       in.Configuration.HistoryLength, "blocking": !in.Configuration.ReturnImmediately,
		},
	})), nil
}

// A translator writes answers of version 0.3 in 1.0: the lines of a stream as they
// come, others at the end.
type translator struct {
	http.ResponseWriter
	bare   bool // tasks are not wrapped
	http   bool // the answer is the result alone
	stream bool
	status int
	buf    bytes.Buffer
}

func (a *translator) WriteHeader(status int) {
	if a.stream = strings.HasPrefix(a.Header().Get("Content-Type"), "text/event-stream"); a.stream {
		a.ResponseWriter.WriteHeader(status)
	}
	a.status = status
}

func (a *translator) Write(p []byte) (int, error) {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	a.buf.Write(p)
	if !a.stream {
		return len(p), nil
	}
	for {
		line, err := a.buf.ReadString('\n')
		if err != nil {
			a.buf.WriteString(line)
			return len(p), nil
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			line = "data: " + a.up(strings.TrimSuffix(data, "\n")) + "\n"
		}
		if _, err := io.WriteString(a.ResponseWriter, line); err != nil {
			return 0, err
		}
	}
}

// Flush is for [http.Flusher].
func (a *translator) Flush() {
	if f, ok := a.ResponseWriter.(http.Flusher); ok && a.stream {
		f.Flush()
	}
}

func (a *translator) end() {
	if a.stream || a.status == 0 {
		return
	}
	body := a.up(a.buf.String())
	if a.http && a.status == http.StatusOK && strings.HasPrefix(body, `{"error"`) {
		a.status = http.StatusInternalServerError
		if strings.Contains(body, "TASK_NOT_FOUND") {
			a.status = http.StatusNotFound
		}
	}
	a.ResponseWriter.WriteHeader(a.status)
	_, _ = io.WriteString(a.ResponseWriter, body)
}

func (a *translator) up(body string) string {
	body = up(body, a.bare)
	var rpc raw
	if !a.http || json.Unmarshal([]byte(body), &rpc) != nil {
		return body
	}
	if rpc["result"] != nil {
		return string(rpc["result"])
	}
	var failure struct {
		Code    int             `json:"code"`
		Message string          `json:"message"`
		Data    json.RawMessage `json:"data"`
	}
	if json.Unmarshal(rpc["error"], &failure) != nil {
		return body
	}
	var info []raw
	if json.Unmarshal(failure.Data, &info) != nil || len(info) == 0 {
		info = []raw{{"@type": json.RawMessage(`"type.googleapis.com/google.rpc.ErrorInfo"`)}}
	}
	info[0]["reason"] = json.RawMessage(`"` + map[int]string{
		-32001: "TASK_NOT_FOUND", -32004: "UNSUPPORTED_OPERATION", -32600: "INVALID_REQUEST", -32601: "METHOD_NOT_FOUND", -32602: "INVALID_PARAMS",
	}[failure.Code] + `"`)
	return modeltest.JSON(map[string]any{"error": map[string]any{"code": 500, "status": "INTERNAL", "message": failure.Message, "details": info}})
}

// up translates an answer to version 1.0. What is no answer stays.
func up(body string, bare bool) string {
	var rpc raw
	if len(body) > 8<<20 || !strings.HasPrefix(body, "{") || json.Unmarshal([]byte(body), &rpc) != nil { // longer ones are not read either
		return body
	}
	var failure raw
	switch {
	case rpc["result"] != nil:
		rpc["result"] = up10(rpc["result"], bare)
	case json.Unmarshal(rpc["error"], &failure) == nil && len(failure["data"]) > 0 && failure["data"][0] == '{':
		failure["data"] = json.RawMessage(modeltest.JSON([]any{map[string]any{
			"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "X", "domain": "a2a-protocol.org", "metadata": failure["data"],
		}}))
		rpc["error"] = json.RawMessage(modeltest.JSON(failure))
	default:
		return body
	}
	return encode(rpc)
}

// encode writes raw values as they are.
func encode(fields raw) string {
	var b strings.Builder
	b.WriteString("{")
	for name, value := range fields {
		if b.Len() > 1 {
			b.WriteString(", ")
		}
		b.WriteString(modeltest.JSON(name) + ": " + string(value))
	}
	return b.String() + "}"
}

func up10(event json.RawMessage, bare bool) json.RawMessage {
	var fields raw
	if json.Unmarshal(event, &fields) != nil {
		return event
	}
	var kind string
	_ = json.Unmarshal(fields["kind"], &kind)
	name := map[string]string{"message": "message", "task": "task", "status-update": "statusUpdate", "artifact-update": "artifactUpdate"}[kind]
	if name == "" || bare && kind != "task" {
		return event
	}
	translate(fields)
	if bare {
		return json.RawMessage(encode(fields))
	}
	return json.RawMessage(`{"` + name + `": ` + encode(fields) + `}`)
}

// translate changes an event's fields, and those within.
func translate(fields raw) {
	delete(fields, "kind")
	delete(fields, "final")
	object := func(name string) {
		var in raw
		if json.Unmarshal(fields[name], &in) == nil && in != nil {
			translate(in)
			fields[name] = json.RawMessage(encode(in))
		}
	}
	list := func(name string, each func(raw)) {
		var in []raw
		if json.Unmarshal(fields[name], &in) != nil || in == nil {
			return
		}
		var out []string
		for _, one := range in {
			each(one)
			out = append(out, encode(one))
		}
		fields[name] = json.RawMessage("[" + strings.Join(out, ",") + "]")
	}
	word := func(name, prefix string) {
		var in string
		if json.Unmarshal(fields[name], &in) == nil && in != "" {
			fields[name] = json.RawMessage(`"` + prefix + strings.ToUpper(strings.ReplaceAll(in, "-", "_")) + `"`)
		}
	}
	object("status")
	object("message")
	object("artifact")
	list("history", translate)
	list("artifacts", translate)
	list("parts", translatePart)
	word("state", "TASK_STATE_")
	word("role", "ROLE_")
}

func translatePart(fields raw) {
	var kind string
	_ = json.Unmarshal(fields["kind"], &kind)
	delete(fields, "kind")
	switch kind {
	case "file":
		var file raw
		_ = json.Unmarshal(fields["file"], &file)
		delete(fields, "file")
		for from, to := range map[string]string{"uri": "url", "bytes": "raw", "name": "filename", "mimeType": "mediaType"} {
			if file[from] != nil {
				fields[to] = file[from]
			}
		}
	case "text", "data":
	default:
		fields[kind] = json.RawMessage("true")
	}
}

// translate translates an answer of version 0.3.
func (v version) translate(answer string, bare bool) string {
	if v == v10 {
		return up(answer, bare)
	}
	return answer
}

// method returns a method's name in the version.
func (v version) method(name string) string {
	for in10, in03 := range methods10 {
		if v == v10 && in03 == name {
			return in10
		}
	}
	return name
}

// The translator is what the tests in version 1.0 rely on.
func TestTranslator(t *testing.T) {
	t.Parallel()
	require.JSONEq(t, result(`{"task": {"id": "t1", "contextId": "c1", "status": {"state": "TASK_STATE_INPUT_REQUIRED",
		"message": {"messageId": "m-Which?", "role": "ROLE_AGENT", "parts": [{"text": "Which?"}]}},
		"artifacts": [{"artifactId": "a1", "parts": [{"text": "A"}]}]}}`), up(result(task("input-required", "Which?", "A")), false))
	require.JSONEq(t, result(`{"statusUpdate": {"taskId": "t1", "contextId": "c1", "status": {"state": "TASK_STATE_WORKING"}}}`),
		up(result(status("working", "")), false))
	require.JSONEq(t, result(`{"artifactUpdate": {"taskId": "t1", "contextId": "c1", "append": true, "artifact": {"artifactId": "a", "parts": [{"text": "A"}]}}}`),
		up(result(piece("a", "A", true)), false))
}

// The version is the card's. If the agent does not know it, the other one is tried:
// the agent has then done nothing.
func TestVersions(t *testing.T) {
	t.Parallel()
	const (
		send03, stream03, get03 = "message/send", "message/stream", "tasks/get"
		send10, stream10, get10 = "SendMessage", "SendStreamingMessage", "GetTask"
	)
	none := func(code int) func(string) string {
		return func(string) string { return fault(code, "no", "") }
	}
	only := func(v version, code int) func(string) string {
		return func(method string) string {
			if (methods10[method] != "") != (v == v10) {
				return fault(code, "Method not found", "")
			}
			if strings.HasSuffix(strings.ToLower(method), "get") || method == get10 {
				return v.translate(result(task("completed", "", "Hello")), true)
			}
			return v.translate(result(reply("Hello")), false)
		}
	}
	for name, c := range map[string]struct {
		card     version
		protocol string
		agent    func(method string) string
		stream   bool
		attach   string
		asked    []string
		want     string // part of the error
	}{
		"Card03":           {v03, "", only(v03, -32601), false, "", []string{send03, send03}, ""},
		"Card10":           {v10, "", only(v10, -32601), false, "", []string{send10, send10}, ""},
		"Card10Lies":       {v10, "", only(v03, -32601), false, "", []string{send10, send03, send03}, ""},
		"Card03Lies":       {v03, "", only(v10, -32601), false, "", []string{send03, send10, send10}, ""},
		"VersionRefused":   {v10, "auto", only(v03, -32009), false, "", []string{send10, send03, send03}, ""},
		"AsInvalidRequest": {v10, "", only(v03, -32600), false, "", []string{send10, send03, send03}, ""},
		"StreamLies":       {v10, "", only(v03, -32601), true, "", []string{stream10, send10, stream03, stream03}, ""},
		"Set03":            {v10, "0.3", only(v03, -32601), false, "", []string{send03, send03}, ""},
		"Set10":            {v03, "1.0", only(v10, -32601), false, "", []string{send10, send10}, ""},
		"SetWrong":         {v03, "1.0", only(v03, -32601), false, "", []string{send10}, "(check protocol: the agent must know message/send"},
		"SetWrongVersion":  {v03, "1.0", only(v03, -32009), false, "", []string{send10}, "error -32009: “Method not found” (check protocol: "},
		"Neither":          {v10, "", none(-32601), false, "", []string{send10, send03}, "error -32601: “no” (check protocol: "},
		"OtherErrors":      {v10, "", none(-32602), false, "", []string{send10}, "error -32602"},
		"OtherErrors2":     {v10, "", none(-32603), false, "", []string{send10}, "error -32603"},
		"Attach10":         {v10, "", only(v10, -32601), false, "t1", []string{get10, get10}, ""},
		"AttachLies":       {v10, "", only(v03, -32601), false, "t1", []string{get10, get03, get03}, ""},
		"AttachNeither":    {v10, "", none(-32601), false, "t1", []string{get10, get03}, "error -32601"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var m methods
			server := modeltest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodGet {
					modeltest.WriteJSON(w, http.StatusOK, c.card.card("/rpc", c.stream))
					return
				}
				var asked struct{ Method string }
				_ = json.NewDecoder(r.Body).Decode(&asked)
				if (r.Header.Get("A2A-Version") == "1.0") != (methods10[asked.Method] != "") {
					t.Errorf("%s with A2A-Version %q", asked.Method, r.Header.Get("A2A-Version"))
				}
				m.add(asked.Method)
				modeltest.WriteJSON(w, http.StatusOK, c.agent(asked.Method))
			}))
			e := newExecutor(t, server, protocol(c.protocol))
			req := executortest.Request("c1", "Hi")
			if c.attach != "" {
				req.Attach = json.RawMessage(`{"task": "` + c.attach + `"}`)
			}
			res, err := e.Execute(t.Context(), req)
			if c.want != "" {
				require.ErrorContains(t, err, c.want)
				require.True(t, conversation.IsKind(err, invalid) || strings.Contains(c.want, "-32603"), "%v", err)
				require.Equal(t, c.asked, m.asked())
				return
			}
			require.NoError(t, err)
			require.Equal(t, "Hello", res.Message.Text())
			_, err = e.Execute(t.Context(), req)
			require.NoError(t, err)
			require.Equal(t, c.asked, m.asked(), "what worked is remembered")
		})
	}
}

// An agent may have no card, if the configuration says where and what it is, or its
// card where older agents have it.
func TestAgentsWithoutCards(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		at     string // where the card is
		change func(*a2a.Config, string)
		want   string
	}{
		"None":     {"", func(*a2a.Config, string) {}, "for an agent without a card, set endpoint and protocol"},
		"Endpoint": {"", func(c *a2a.Config, url string) { c.Endpoint = url + "/rpc" }, "for an agent without a card, set endpoint and protocol"},
		"Both":     {"", func(c *a2a.Config, url string) { c.Endpoint, c.Protocol = url+"/rpc", "1.0" }, ""},
		"Old":      {"/.well-known/agent.json", func(c *a2a.Config, _ string) { c.Protocol = "1.0" }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mux := http.NewServeMux()
			if c.at != "" {
				mux.HandleFunc("GET "+c.at, func(w http.ResponseWriter, _ *http.Request) {
					modeltest.WriteJSON(w, http.StatusOK, v03.card("/rpc", false))
				})
			}
			mux.HandleFunc("POST /rpc", v10.rpc(t, func(w http.ResponseWriter, _ *http.Request) {
				modeltest.WriteJSON(w, http.StatusOK, result(reply("Hello")))
			}))
			server := modeltest.NewServer(t, mux)
			e := newExecutor(t, server, func(cfg *a2a.Config) { c.change(cfg, server.URL) })
			_, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
			if c.want != "" {
				require.ErrorContains(t, err, c.want)
				require.ErrorContains(t, e.Check(t.Context()), c.want)
				return
			}
			require.NoError(t, err)
			require.NoError(t, e.Check(t.Context()))
		})
	}
}

// Over HTTP+JSON, ids are parts of paths, and the tenant comes before them.
func TestHTTPJSON(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var paths []string
	server := modeltest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if strings.HasSuffix(r.URL.Path, ".json") {
			modeltest.WriteJSON(w, http.StatusOK, `{"supportedInterfaces": [
				{"url": "h:1", "protocolBinding": "GRPC", "protocolVersion": "1.0"},
				{"url": "/v1", "protocolBinding": "HTTP+JSON", "protocolVersion": "1.0", "tenant": "a/b"}]}`)
			return
		}
		paths = append(paths, r.Method+" "+r.URL.RequestURI())
		state := "working"
		if r.Method == http.MethodGet {
			state = "completed"
		}
		modeltest.WriteJSON(w, http.StatusOK, `{"task": {"id": "../t 1?x", "status": {"state": "`+state+`", "message": {"parts": [{"text": "Hello"}]}}}}`)
	}))
	require.Equal(t, "Hello", mustReply(t, server, executortest.Request("c1", "Hi")).Message.Text())
	require.Equal(t, []string{"POST /v1/a%2Fb/message:send", "GET /v1/a%2Fb/tasks/..%2Ft%201%3Fx?historyLength=4"}, paths)
}

// Every request carries the tenant that the card's interface names.
func TestTenant(t *testing.T) {
	t.Parallel()
	server := modeltest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			modeltest.WriteJSON(w, http.StatusOK, `{"supportedInterfaces": [{"url": "/", "protocolBinding": "JSONRPC", "protocolVersion": "1.0", "tenant": "shop"}]}`)
			return
		}
		var asked struct {
			Method string
			Params struct{ Tenant string }
		}
		_ = json.NewDecoder(r.Body).Decode(&asked)
		if asked.Params.Tenant != "shop" {
			t.Errorf("%s without its tenant", asked.Method)
		}
		state := "working"
		if asked.Method == "GetTask" {
			state = "completed"
		}
		modeltest.WriteJSON(w, http.StatusOK, v10.translate(result(task(state, "", "Hello")), asked.Method == "GetTask"))
	}))
	require.Equal(t, "Hello", mustReply(t, server, executortest.Request("c1", "Hi")).Message.Text())
}
