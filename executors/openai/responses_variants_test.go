package openai_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/modeltest"
	"github.com/parley-run/parley/executors/openai"
)

// What compatible servers answer through the Responses API.
func TestResponsesVariants(t *testing.T) {
	t.Parallel()
	events := func(data ...string) string { return strings.Join(modeltest.Events(data...), "\n\n") + "\n\n" }
	created := `{"type":"response.created","response":{"id":"r1"}}`
	delta := func(text string) string {
		return `{"type":"response.output_text.delta","output_index":0,"delta":"` + text + `"}`
	}
	item := `{"type":"message","content":[{"type":"output_text","text":"` + shipped + `"}]}`
	thinking := `{"type":"reasoning","id":"rs","content":[{"type":"reasoning_text","text":"hm"}],"summary":[{"type":"summary_text","text":"hm"}]}`
	completed := func(output string) string {
		return `{"type":"response.completed","response":{"id":"r1","status":"completed","output":[` + output + `]}}`
	}
	whole := func(output string) string { return `{"id":"r1","status":"completed","output":[` + output + `]}` }
	call := `{"type":"function_call","id":"fc1","call_id":"c1","name":"find_order","arguments":`
	for name, c := range map[string]struct {
		body  string
		calls string
		kind  conversation.Kind
		text  string
	}{
		"Stream":             {body: events(created, delta("It is on "), delta("its way."), completed(item))},
		"CreatedHasNoStatus": {body: events(created, `{"type":"response.in_progress","response":{"id":"r1"}}`, delta(shipped), completed(""))},
		"OnlyTheItem":        {body: events(created, `{"type":"response.output_item.done","output_index":0,"item":`+item+`}`, completed(""))},
		"OnlyTheEnd":         {body: events(created, completed(thinking+","+item))},
		"NoEndButDone":       {body: events(created, delta(shipped), "[DONE]")},
		"NoEnd":              {body: events(created, delta(shipped)), kind: down, text: "the stream ended"},
		"NamesWithoutTypes":  {body: "event: response.output_text.delta\ndata: {\"output_index\":0,\"delta\":\"" + shipped + "\"}\n\nevent: response.completed\ndata: {\"response\":{\"id\":\"r1\",\"status\":\"completed\"}}\n\n"},
		"WholeAsEvent":       {body: events(whole(item))},
		"ReasoningPieces":    {body: events(created, `{"type":"response.reasoning_text.delta","output_index":0,"delta":"hm"}`, `{"type":"response.reasoning_summary_text.delta","output_index":0,"delta":"hm"}`, delta(shipped), completed(thinking+","+item))},
		"ThinkTags":          {body: events(created, delta("<think>hm</th"), delta("ink>It is on "), delta("its way."), completed(""))},
		"HalfCharacter":      {body: events(created, delta(`<think>\\ud83d`), delta(`</think>`+shipped), completed(""))},
		"ErrorNull":          {body: events(created, `{"type":"response.output_text.delta","error":null,"output_index":0,"delta":"`+shipped+`"}`, completed(""))},
		"OtherTypes":         {body: events(created, `{"type":"response.output_text.delta","output_index":"0","delta":"`+shipped+`","code":7}`, completed(""))},
		"Whole":              {body: whole(thinking + "," + item)},
		"WholeText":          {body: whole(`{"type":"message","content":[{"type":"text","text":"` + shipped + `"}]}`)},
		"WholeString":        {body: whole(`{"type":"message","content":"` + shipped + `"}`)},
		"WholeNoStatus":      {body: `{"id":"r1","output":[` + item + `]}`},
		"WholeThinkTags":     {body: whole(`{"type":"message","content":[{"type":"output_text","text":"<think>hm</think>\n` + shipped + `"}]}`)},
		"WholeOnlyThoughts":  {body: whole(`{"type":"message","content":[{"type":"output_text","text":"<think>hm"}]}`), kind: down, text: "no text after them"},
		"Incomplete":         {body: `{"id":"r1","status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"output":[` + item + `]}`},
		"Filtered":           {body: `{"id":"r1","status":"incomplete","incomplete_details":{"reason":"content_filter"},"output":[` + item + `]}`, kind: refused},
		"BrokenOff":          {body: `{"id":"r1","status":"incomplete","incomplete_details":{"reason":"server_shutdown"},"output":[` + item + `]}`, kind: down, text: "server_shutdown"},
		"Call":               {body: whole(call + `"{\"order\":9007199254740993}"}`), calls: `c1 find_order {"order":9007199254740993}`},
		"CallObject":         {body: whole(call + `{"order":9007199254740993}}`), calls: `c1 find_order {"order":9007199254740993}`},
		"CallTwiceEncoded":   {body: whole(call + `"\"{\\\"order\\\":1}\""}`), calls: `c1 find_order {"order":1}`},
		"CallWithoutID":      {body: whole(`{"type":"function_call","id":"fc1","name":"today","arguments":null}`), calls: `fc1 today {}`},
		"CallStreamed":       {body: events(created, `{"type":"response.function_call_arguments.delta","output_index":0,"delta":"{}"}`, `{"type":"response.output_item.done","output_index":0,"item":`+call+`"{}"}}`, completed("")), calls: `c1 find_order {}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for mode, change := range map[string]func(*openai.Config){"Streaming": nil, "Whole": noStream} {
				server := modeltest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					if strings.HasPrefix(c.body, "{") {
						modeltest.WriteJSON(w, http.StatusOK, c.body)
						return
					}
					w.Header().Set("Content-Type", "text/event-stream")
					_, _ = io.WriteString(w, c.body)
				}))
				e := newExecutor(t, server, func(cfg *openai.Config) {
					cfg.API = openai.APIResponses
					if change != nil {
						change(cfg)
					}
				})
				res, err := e.Execute(t.Context(), toolRequest("Where is it?"))
				if c.kind != "" {
					modeltest.RequireError(t, err, c.kind, c.text)
					continue
				}
				require.NoError(t, err, mode)
				if c.calls != "" {
					require.Equal(t, c.calls, strings.Join(toolCalls(res.Message), "; "), mode)
					continue
				}
				require.Equal(t, shipped, res.Message.Text(), mode)
			}
		})
	}
}
