package a2a_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/a2a"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/executors/internal/modeltest"
)

// said10 is a message of version 1.0, as parts.
func said10(parts string) string {
	return `{"message": {"messageId": "m1", "contextId": "c1", "role": "ROLE_AGENT", "parts": [` + parts + `]}}`
}

// An odd agent answers a message with the body, and each request about a task with the
// next of its tasks, the last one again and again.
type odd struct {
	media string
	body  string
	tasks []string
	want  string
	kind  conversation.Kind // of the error in place of a reply
	text  string            // part of the error
	polls int
	data  string
}

func (c odd) try(t *testing.T, card version, streaming bool, change func(*a2a.Config)) {
	polls := 0
	server := modeltest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			modeltest.WriteJSON(w, http.StatusOK, card.card("/rpc", streaming))
			return
		}
		body, _ := io.ReadAll(r.Body)
		if bytes.Contains(body, []byte(`"tasks/get"`)) || bytes.Contains(body, []byte(`"GetTask"`)) {
			polls++
			answer := fault(-32001, "Task not found", "")
			if len(c.tasks) > 0 {
				answer = c.tasks[min(polls, len(c.tasks))-1]
			}
			modeltest.WriteJSON(w, http.StatusOK, answer)
			return
		}
		var asked struct {
			Params struct{ Message struct{ MessageID string } }
		}
		_ = json.Unmarshal(body, &asked)
		w.Header().Set("Content-Type", c.media)
		_, _ = io.WriteString(w, strings.ReplaceAll(c.body, "{OURS}", asked.Params.Message.MessageID))
	}))
	req := executortest.Request("c1", "Hi")
	streamed := ""
	req.OnDelta = func(text string) { streamed += text }
	res, err := newExecutor(t, server, change).Execute(t.Context(), req)
	require.Equal(t, c.polls, polls, "%v", err)
	if c.kind != "" {
		require.True(t, conversation.IsKind(err, c.kind), "%v", err)
		require.ErrorContains(t, err, c.text)
		return
	}
	require.NoError(t, err)
	require.Equal(t, c.want, res.Message.Text())
	require.Equal(t, c.want, streamed)
	data := ""
	for _, p := range res.Message.Parts {
		data += string(p.Data)
	}
	require.Equal(t, c.data, data)
}

// What agents answer in one piece, in either version or a mixture. The card's version
// does not matter.
func TestOddAnswers(t *testing.T) { eachVersion(t, testOddAnswers) }

func testOddAnswers(t *testing.T, v version) {
	t.Parallel()
	agent := func(parts string) string {
		return `{"kind": "message", "messageId": "m1", "role": "agent", "parts": [` + parts + `]}`
	}
	ours03 := `{"kind": "message", "messageId": "{OURS}", "role": "user", "parts": [{"kind": "text", "text": "Hi"}]}`
	done := func(text string) string { return result(task("completed", "", text)) }
	for name, c := range map[string]odd{
		"Message03":      {body: reply("Hello"), want: "Hello"},
		"Message10":      {body: said10(`{"text": "Hello"}`), want: "Hello"},
		"MessageAsMsg":   {body: strings.Replace(said10(`{"text": "Hello"}`), "message", "msg", 1), want: "Hello"},
		"Bare10":         {body: `{"messageId": "m1", "role": "ROLE_AGENT", "parts": [{"text": "Hello"}]}`, want: "Hello"},
		"Wrapped03":      {body: `{"message": ` + reply("Hello") + `}`, want: "Hello"},
		"Task10":         {body: `{"task": {"id": "t1", "contextId": "c1", "status": {"state": "TASK_STATE_COMPLETED"}, "artifacts": [{"artifactId": "a", "parts": [{"text": "Hello"}]}]}}`, want: "Hello"},
		"TaskOfNumbers":  {body: `{"task": {"id": "t1", "status": {"state": 3}, "artifacts": [{"artifactId": "a", "parts": [{"text": "Hello"}]}]}}`, want: "Hello"},
		"TaskIn03States": {body: `{"task": {"id": "t1", "status": {"state": "completed"}, "artifacts": [{"artifactId": "a", "parts": [{"text": "Hello"}]}]}}`, want: "Hello"},
		"TaskIn10States": {body: `{"kind": "task", "id": "t1", "status": {"state": "TASK_STATE_COMPLETED"}, "artifacts": [{"artifactId": "a", "parts": [{"kind": "text", "text": "Hello"}]}]}`, want: "Hello"},
		"Asks10":         {body: `{"task": {"id": "t1", "status": {"state": "TASK_STATE_INPUT_REQUIRED", "message": {"messageId": "q", "role": "ROLE_AGENT", "parts": [{"text": "Which?"}]}}}}`, want: "Which?"},
		"Login10":        {body: `{"task": {"id": "t1", "status": {"state": "TASK_STATE_AUTH_REQUIRED"}}}`, kind: unauth, text: "requires a login"},
		"Rejected10":     {body: `{"task": {"id": "t1", "status": {"state": "TASK_STATE_REJECTED"}}}`, kind: refused, text: "rejected"},
		"Failed10":       {body: `{"task": {"id": "t1", "status": {"state": "TASK_STATE_FAILED"}}}`, kind: down, text: "the task has failed"},
		"Cancelled":      {body: `{"kind": "task", "id": "t1", "status": {"state": "cancelled"}}`, kind: down, text: "was cancelled"},
		"UnknownState":   {body: `{"kind": "task", "id": "t1", "status": {"state": "paused"}}`, tasks: []string{result(task("unknown", "")), done("Hello")}, want: "Hello", polls: 2},
		"Unspecified":    {body: `{"task": {"id": "t1", "status": {"state": "TASK_STATE_UNSPECIFIED"}}}`, tasks: []string{done("Hello")}, want: "Hello", polls: 1},
		"StateMissing":   {body: `{"task": {"id": "t1", "status": {}}}`, tasks: []string{done("Hello")}, want: "Hello", polls: 1},
		"StateOfNoWord":  {body: `{"task": {"id": "t1", "status": {"state": {}}}}`, kind: invalid, text: "does not keep to the protocol"},
		"PollIsWrapped":  {body: task("working", ""), tasks: []string{`{"jsonrpc": "2.0", "id": 1, "result": {"task": ` + task("completed", "", "Hello") + `}}`}, want: "Hello", polls: 1},
		"PollOtherID":    {body: task("working", ""), tasks: []string{strings.Replace(result(task("working", "")), `"t1"`, `"other"`, 1), done("Hello")}, want: "Hello", polls: 2},

		"Echo":        {body: ours03, kind: down, text: "the answer is empty"},
		"EchoIsText":  {body: strings.Replace(ours03, "{OURS}", "x", 1), kind: down},
		"UserByFault": {body: strings.Replace(reply("Hello"), `"agent"`, `"user"`, 1), want: "Hello"},
		"HistoryHasReply": {
			body: `{"kind": "task", "id": "t1", "status": {"state": "completed"}, "history": [
				{"role": "agent", "messageId": "0", "parts": [{"kind": "text", "text": "Old"}]},
				{"role": "user", "messageId": "{OURS}", "parts": [{"kind": "text", "text": "Hi"}]},
				{"role": "agent", "messageId": "2", "parts": [{"kind": "text", "text": "Hello"}]}]}`, want: "Hello",
		},
		"HistoryIsOld": {
			body: `{"kind": "task", "id": "t1", "status": {"state": "completed"}, "history": [
				{"role": "agent", "messageId": "0", "parts": [{"kind": "text", "text": "Old"}]},
				{"role": "user", "messageId": "{OURS}", "parts": [{"kind": "text", "text": "Hi"}]}]}`, kind: down, text: "the answer is empty",
		},
		"StatusEchoes": {
			body: `{"kind": "task", "id": "t1", "status": {"state": "completed", "message": ` + ours03 + `}, "artifacts": [{"artifactId": "a", "parts": [{"kind": "text", "text": "Hello"}]}]}`,
			want: "Hello",
		},
		"EmptyParts": {body: `{"kind": "message", "messageId": "m1", "role": "agent", "parts": []}`, kind: down, text: "the answer is empty"},
		"NoParts":    {body: `{"message": {"messageId": "m1", "role": "ROLE_AGENT"}}`, kind: down, text: "the answer is empty"},

		"DataList":     {body: said10(`{"text": "See"}, {"data": [1, 12345678901234567890]}`), want: "See", data: "[1, 12345678901234567890]"},
		"DataNull":     {body: said10(`{"text": "See"}, {"data": null}`), want: "See"},
		"DataFirst":    {body: said10(`{"data": {"a": 1}}, {"text": "See"}`), want: "See", data: `{"a": 1}`},
		"OldType":      {body: agent(`{"type": "text", "text": "Hello"}`), want: "Hello"},
		"Reasoning":    {body: agent(`{"kind": "reasoning", "text": "Hm."}, {"kind": "text", "text": "Hello"}`), want: "Hello"},
		"ThoughtOfADK": {body: agent(`{"kind": "text", "text": "Hm.", "metadata": {"adk_thought": true}}, {"kind": "text", "text": "Hello"}`), want: "Hello"},
		"CallsOfADK": {
			body: said10(`{"data": {"name": "refund"}, "metadata": {"adk_type": "function_call"}}, {"data": {"ok": true}, "metadata": {"adk_type": "function_response"}}, {"text": "Hello"}`),
			want: "Hello",
		},
		"Think":        {body: agent(`{"kind": "text", "text": "<think>Hm.</think>\n\nHello"}`), want: "Hello"},
		"ThinkApart":   {body: agent(`{"kind": "text", "text": "<think>Hm.</think>"}, {"kind": "text", "text": "Hello"}`), want: "Hello"},
		"OnlyThought":  {body: agent(`{"kind": "text", "text": "<think>Hm."}`), kind: down, text: "the answer is empty"},
		"Unopened":     {body: agent(`{"kind": "text", "text": "Hm.\n</think>\nHello"}`), want: "Hello"},
		"StatusThinks": {body: task("completed", "<thinking>Hm.</thinking>Hello"), want: "Hello"},

		"FileURL":       {body: said10(`{"text": "See"}, {"url": "https://a.example/f", "filename": "f.pdf"}`), want: "See\n\nf.pdf: https://a.example/f"},
		"FileURLAlone":  {body: said10(`{"url": "https://a.example/f"}`), want: "https://a.example/f"},
		"FileBytes":     {body: said10(`{"text": "See"}, {"raw": "AAAA", "filename": "f.pdf"}`), want: "See\n\n[f.pdf]"},
		"FileBytes03":   {body: agent(`{"kind": "text", "text": "See"}, {"kind": "file", "file": {"bytes": "AAAA", "name": "f.pdf"}}`), want: "See\n\n[f.pdf]"},
		"FileNameless":  {body: said10(`{"text": "See"}, {"raw": "AAAA"}`), want: "See"},
		"FileAsDataURL": {body: said10(`{"text": "See"}, {"url": "data:image/png;base64,AAAA", "filename": "f.png"}`), want: "See\n\n[f.png]"},
		"FileLocal":     {body: said10(`{"text": "See"}, {"url": "file:///etc/passwd"}`), want: "See"},
		"FileAlone":     {body: said10(`{"raw": "AAAA", "filename": "f.pdf"}`), kind: invalid, text: "nothing but files"},
		"FileLongName":  {body: said10(`{"text": "See"}, {"raw": "AAAA", "filename": "` + strings.Repeat("é", 5000) + `"}`), want: "See\n\n[" + strings.Repeat("é", 98) + "…]"},
		"ArtifactFile":  {body: `{"kind": "task", "id": "t1", "status": {"state": "completed"}, "artifacts": [{"artifactId": "a", "parts": [{"kind": "text", "text": "See"}, {"kind": "file", "file": {"uri": "https://a.example/f"}}]}]}`, want: "See\n\nhttps://a.example/f"},

		"ArtifactsWithoutIDs": {body: `{"kind": "task", "id": "t1", "status": {"state": "completed"}, "artifacts": [{"index": 0, "parts": [{"kind": "text", "text": "A"}]}, {"index": 1, "parts": [{"kind": "text", "text": "B"}]}]}`, want: "A\n\nB"},
		"LongIDs":             {body: strings.ReplaceAll(task("completed", "", "Hello"), "t1", strings.Repeat("t", 1<<20)), want: "Hello"},
		"StreamUnasked":       {media: "text/event-stream", body: "!data: " + result(reply("Hello")) + "\n\n", want: "Hello"},
		"StreamAsJSON":        {media: "application/json", body: "!data: " + result(reply("Hello")) + "\n\n", want: "Hello"},
		"StreamAsText":        {media: "text/plain", body: "!: ok\n\nevent: message\ndata: " + result(reply("Hello")) + "\n\n", want: "Hello"},
		"NullError":           {body: `!{"jsonrpc": "2.0", "id": 1, "error": null, "result": ` + reply("Hello") + `}`, want: "Hello"},
		"NoVersionNoID":       {body: `!{"result": ` + reply("Hello") + `}`, want: "Hello"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.media == "" {
				c.media = "application/json"
			}
			if raw, ok := strings.CutPrefix(c.body, "!"); ok {
				c.body = raw
			} else {
				c.body = result(c.body)
			}
			c.try(t, v, false, nil)
		})
	}
}

// What agents stream. A stream that stops is no loss: the task is polled.
func TestOddStreams(t *testing.T) { eachVersion(t, testOddStreams) }

func testOddStreams(t *testing.T, v version) {
	t.Parallel()
	done := []string{result(task("completed", "", "Hello World"))}
	lines := func(end, prefix string, events ...string) string {
		out := ""
		for _, ev := range events {
			out += prefix + result(ev) + end + end
		}
		return out
	}
	stream := func(events ...string) string { return lines("\n", "data: ", events...) }
	echo := `{"kind": "message", "messageId": "{OURS}", "role": "user", "parts": [{"kind": "text", "text": "Hi"}]}`
	other := func(body string) string { return strings.Replace(body, `"t1"`, `"t2"`, 1) }
	final := func(state string) string {
		return strings.Replace(status(state, ""), `"final": false`, `"final": true`, 1)
	}
	for name, c := range map[string]odd{
		"CR":             {body: lines("\r", "data: ", piece("a", "Hel", false), piece("a", "lo", true), status("completed", "")), want: "Hello"},
		"CRLF":           {body: lines("\r\n", "data: ", reply("Hello")), want: "Hello"},
		"BOM":            {body: "\xef\xbb\xbf" + stream(reply("Hello")), want: "Hello"},
		"WithoutSpace":   {body: lines("\n", "data:", reply("Hello")), want: "Hello"},
		"Comments":       {body: ": a\n\n:\n\n" + stream(reply("Hello")), want: "Hello"},
		"EventsWithIDs":  {body: lines("\n", "id: 1\nevent: message\nretry: 5\ndata: ", reply("Hello")), want: "Hello"},
		"LinesOfData":    {body: "data: " + strings.Replace(result(reply("Hello")), ", ", ",\ndata: ", 1) + "\n\n", want: "Hello"},
		"NoBlankLine":    {body: "data: " + result(reply("Hello")), want: "Hello"},
		"JSONLines":      {body: result(task("working", "")) + "\n" + result(task("completed", "", "Hello")) + "\n", want: "Hello"},
		"Done":           {body: stream(task("working", ""), piece("a", "Hello", false)) + "data: [DONE]\n\n", tasks: done, want: "Hello World", polls: 1},
		"Wrapped10":      {body: stream(`{"task": {"id": "t1", "contextId": "c1", "status": {"state": "TASK_STATE_WORKING"}}}`, `{"artifactUpdate": {"taskId": "t1", "artifact": {"artifactId": "a", "parts": [{"text": "Hello"}]}, "lastChunk": true}}`, `{"statusUpdate": {"taskId": "t1", "status": {"state": "TASK_STATE_COMPLETED"}}}`), want: "Hello"},
		"Mixed":          {body: stream(`{"task": {"id": "t1", "status": {"state": "working"}}}`, piece("a", "Hello", false), `{"statusUpdate": {"taskId": "t1", "status": {"state": "TASK_STATE_COMPLETED"}}}`), want: "Hello"},
		"EchoFirst":      {body: stream(echo, reply("Hello")), want: "Hello"},
		"EchoInTask":     {body: stream(task("submitted", ""), echo, piece("a", "Hello", false), status("completed", "")), want: "Hello"},
		"UnknownStates":  {body: stream(task("queued", ""), status("thinking", "Hm."), piece("a", "Hello", false), status("completed", "")), want: "Hello"},
		"NoFinal":        {body: stream(task("working", ""), piece("a", "Hello", false)), tasks: done, want: "Hello World", polls: 1},
		"FinalAtWork":    {body: stream(task("working", ""), piece("a", "Hello", false), final("working"), piece("a", "never", true)), tasks: done, want: "Hello World", polls: 1},
		"FinalUnknown":   {body: stream(task("working", ""), final("unknown")), tasks: done, want: "Hello World", polls: 1},
		"NoTasksKept":    {body: stream(task("working", ""), piece("a", "Hello", false)), want: "Hello", polls: 1},
		"NoGet":          {body: stream(task("working", ""), piece("a", "Hello", false)), tasks: []string{fault(-32601, "Method not found", "")}, want: "Hello", polls: 1},
		"NoGet2":         {body: stream(task("working", ""), piece("a", "Hello", false)), tasks: []string{fault(-32004, "no", "")}, want: "Hello", polls: 1},
		"NoTaskNoFinal":  {body: stream(strings.Replace(piece("a", "Hello", false), `"taskId": "t1", `, "", 1)), want: "Hello"},
		"NoTextNoFinal":  {body: stream(task("working", "Hm.")), kind: down, text: "Task not found", polls: 1},
		"OnlyWorking":    {body: stream(strings.Replace(status("working", "Hm."), `"taskId": "t1", `, "", 1)), kind: down, text: "the stream ended before the answer did"},
		"PollFails":      {body: stream(task("working", ""), piece("a", "Hello", false)), tasks: []string{fault(-32603, "boom", "")}, kind: down, text: "boom", polls: 1},
		"MovesOn":        {body: stream(task("working", ""), other(task("working", "")), other(status("completed", "Hello"))), want: "Hello"},
		"OtherUpdates":   {body: stream(task("working", ""), other(piece("a", "Hello", false)), other(status("completed", ""))), want: "Hello"},
		"Pieces":         {body: stream(task("working", ""), piece("a", "He", true), piece("a", "ll", true), piece("a", "o", true), status("completed", "")), want: "Hello"},
		"ThinksInPieces": {body: stream(task("working", ""), piece("a", "<thi", false), piece("a", "nk>Hm.</th", true), piece("a", "ink>\n", true), piece("a", "Hello", true), status("completed", "")), want: "Hello"},
		"LessThan":       {body: stream(task("working", ""), piece("a", "<", false), status("completed", "")), want: "<"},
		"HalvesOfAPair":  {body: strings.ReplaceAll(stream(task("working", ""), piece("a", "HIGH", false), piece("a", "LOW", true), status("completed", "")), "HIGH", `\ud83d`), want: "😀"},
		"LoginLater":     {body: stream(task("working", ""), status("auth-required", "Log in.")), kind: unauth, text: "“Log in.”"},
		"AsksLater":      {body: stream(task("working", ""), piece("a", "Two.", false), status("input-required", "Which?")), want: "Two.\n\nWhich?"},
		"CommentsOnly":   {body: strings.Repeat(":\n\n", 200_000), kind: down, text: "more than an answer can need"},
		"IDsOnly":        {body: strings.Repeat("id: 1\n", 200_000), kind: down, text: "more than an answer can need"},
		"CommentsInTask": {body: stream(task("working", "")) + strings.Repeat(":\n\n", 200_000), tasks: done, want: "Hello World", polls: 1},
		"NamedError":     {body: "event: error\ndata: " + fault(-32603, "boom", "") + "\n\n", kind: down, text: "boom"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.media = "text/event-stream"
			c.body = strings.ReplaceAll(c.body, "LOW", `\ude00`)
			c.try(t, v, true, nil)
		})
	}
}

// Thoughts are kept where the configuration says so.
func TestKeepsThoughts(t *testing.T) {
	t.Parallel()
	for _, keep := range []bool{true, false} {
		c := odd{media: "application/json", body: result(reply("<think>Hm.</think>Hello")), want: "Hello"}
		change := func(c *a2a.Config) {}
		if keep {
			c.want = "<think>Hm.</think>Hello"
			change = func(c *a2a.Config) { c.Thoughts = executors.KeepThoughts }
		}
		c.try(t, v10, false, change)
	}
}

// An agent that takes the answer to its question adds artifacts before it changes the
// task's state. The state's time tells that it still works.
func TestAnswerInProgress(t *testing.T) { eachBinding(t, testAnswerInProgress) }

func testAnswerInProgress(t *testing.T, v version) {
	t.Parallel()
	asks := func(at string, artifacts string) string {
		return fmt.Sprintf(`{"kind": "task", "id": "t1", "contextId": "c1", "status": {"state": "input-required", "timestamp": %q}, "artifacts": [%s]}`, at, artifacts)
	}
	const artifact = `{"artifactId": "a", "parts": [{"kind": "text", "text": "It is on its way."}]}`
	polls := 0
	server := v.serveRaw(t, false, func(w http.ResponseWriter, _ *http.Request, c call) {
		switch {
		case c.Method == "tasks/get":
			if polls++; polls < 3 {
				modeltest.WriteJSON(w, http.StatusOK, result(asks("T1", artifact)))
				return
			}
			modeltest.WriteJSON(w, http.StatusOK, result(task("completed", "Done.", "It is on its way.")))
		case c.Params.Message.TaskID == "":
			modeltest.WriteJSON(w, http.StatusOK, result(strings.Replace(asks("T1", ""), `"timestamp"`, `"message": `+reply("Which?")+`, "timestamp"`, 1)))
		default:
			modeltest.WriteJSON(w, http.StatusOK, result(asks("T1", artifact)))
		}
	})
	req := executortest.Request("c1", "Where is my order?")
	res := mustReply(t, server, req)
	require.Equal(t, "Which?", res.Message.Text())
	require.Contains(t, string(res.State), `"asked":"T1"`)
	res = mustReply(t, server, executortest.Next(req, res, "The second."))
	require.Equal(t, "It is on its way.\n\nDone.", res.Message.Text())
	require.Equal(t, 3, polls)
}
