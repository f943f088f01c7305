package openai_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/executors/internal/modeltest"
	"github.com/parley-run/parley/executors/openai"
)

// A variant is an answer that compatible servers send, streamed or whole, and what the
// executor makes of it.
type variant struct {
	stream string // or
	whole  string

	reply  string
	kind   conversation.Kind // of the error; empty: there is a reply
	text   string            // part of the error
	finish executors.FinishReason
	usage  conversation.Usage // zero: not tested
}

func (v variant) run(t *testing.T) {
	t.Parallel()
	for mode, change := range map[string]func(*openai.Config){"Streaming": nil, "Whole": noStream} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			e := newExecutor(t, serve(t, func(w http.ResponseWriter, _ *http.Request, _ call) {
				if v.whole != "" {
					modeltest.WriteJSON(w, http.StatusOK, v.whole)
					return
				}
				w.Header().Set("Content-Type", "text/event-stream")
				_, _ = io.WriteString(w, v.stream)
			}), change)
			req := executortest.Request("c1", "Hi")
			var deltas strings.Builder
			req.OnDelta = func(text string) { deltas.WriteString(text) }
			res, err := e.Execute(t.Context(), req)
			if v.kind != "" {
				modeltest.RequireError(t, err, v.kind, v.text)
				return
			}
			require.NoError(t, err)
			require.Equal(t, v.reply, res.Message.Text())
			require.Nil(t, res.Message.State, "only calls of tools need it")
			if v.stream != "" {
				require.Equal(t, v.reply, deltas.String())
			}
			if v.finish != "" {
				require.Equal(t, v.finish, res.FinishReason)
			}
			if v.usage != (conversation.Usage{}) {
				require.Equal(t, v.usage, res.Usage)
			}
		})
	}
}

const shipped = "It is on its way."

// chunks is a stream of chunks whose choice has these fields.
func chunks(choices ...string) string {
	var out strings.Builder
	for _, choice := range choices {
		fmt.Fprintf(&out, "data: {\"model\":\"m\",\"choices\":[%s]}\n\n", choice)
	}
	return out.String()
}

const (
	stopChoice = `{"index":0,"delta":{},"finish_reason":"stop"}`
	doneEvent  = "data: [DONE]\n\n"
)

// deltas is a complete stream of these deltas.
func deltas(deltas ...string) string {
	var out []string
	for _, d := range deltas {
		out = append(out, `{"index":0,"delta":`+d+`,"finish_reason":null}`)
	}
	return chunks(append(out, stopChoice)...) + doneEvent
}

func wholeMessage(message string) string {
	return `{"model":"m","choices":[{"index":0,"finish_reason":"stop","message":` + message + `}]}`
}

// Kind: only what is meant for the reader is shipped.
func TestContentVariants(t *testing.T) {
	t.Parallel()
	thinking := `{"type":"thinking","thinking":[{"type":"text","text":"the order is 1042"}]}`
	for name, v := range map[string]variant{
		"Null":                  {stream: deltas(`{"content":null}`, `{"content":"`+shipped+`"}`)},
		"RefusalNull":           {stream: deltas(`{"content":"` + shipped + `","refusal":null}`)},
		"List":                  {stream: deltas(`{"content":[`+thinking+`]}`, `{"content":[{"type":"text","text":"It is on "}]}`, `{"content":[{"type":"text","text":"its way."}]}`)},
		"ListThenString":        {stream: deltas(`{"content":[`+thinking+`]}`, `{"content":"It is on "}`, `{"content":"its way."}`)},
		"Object":                {stream: deltas(`{"content":{"type":"text","text":"` + shipped + `"}}`)},
		"EmptyList":             {stream: deltas(`{"content":[]}`, `{"content":"`+shipped+`"}`)},
		"ReasoningContent":      {stream: deltas(`{"content":null,"reasoning_content":"hm"}`, `{"content":"`+shipped+`","reasoning_content":null}`)},
		"Reasoning":             {stream: deltas(`{"reasoning":"hm"}`, `{"content":"`+shipped+`","reasoning":""}`)},
		"ReasoningDetails":      {stream: deltas(`{"reasoning_details":[{"type":"reasoning.text","text":"hm"}]}`, `{"content":"`+shipped+`"}`)},
		"ThoughtByGemini":       {stream: deltas(`{"content":"<thought>hm","extra_content":{"google":{"thought":true}}}`, `{"content":"</thought>`+shipped+`"}`)},
		"ThoughtMarkedByGemini": {stream: deltas(`{"content":"hm","extra_content":{"google":{"thought":true}}}`, `{"content":"`+shipped+`"}`)},
		"ThinkTag":              {stream: deltas(`{"content":"<think>\nthe order"}`, `{"content":" is 1042</th"}`, `{"content":"ink>\n\nIt is on "}`, `{"content":"its way."}`)},
		"NoRole":                {stream: deltas(`{"content":"` + shipped + `"}`)},
		"DeltaIsNull":           {stream: chunks(`{"index":0,"delta":null}`, `{"index":0,"delta":{"content":"`+shipped+`"}}`, stopChoice) + doneEvent},
		"DeltaIsText":           {stream: chunks(`{"index":0,"delta":"`+shipped+`"}`, stopChoice) + doneEvent},
		"MessageForDelta":       {stream: chunks(`{"index":0,"message":{"content":"It is on "}}`, `{"index":0,"delta":{"content":"its way."}}`, stopChoice) + doneEvent},
		"MessageAtTheEnd":       {stream: chunks(`{"index":0,"delta":{"content":"`+shipped+`"}}`, `{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"`+shipped+`"}}`) + doneEvent},
		"MessageSoFar":          {stream: chunks(`{"index":0,"message":{"content":"It is on "}}`, `{"index":0,"message":{"content":"`+shipped+`"}}`, `{"index":0,"finish_reason":"stop","message":{"content":"`+shipped+`"}}`) + doneEvent},
		"DeltaAndMessage":       {stream: chunks(`{"index":0,"delta":{"content":"It is on "},"message":{"content":"It is on "}}`, `{"index":0,"delta":{"content":"its way."},"message":{"content":"`+shipped+`"},"finish_reason":"stop"}`)},
		"LegacyText":            {stream: chunks(`{"index":0,"text":"It is on ","finish_reason":null}`, `{"index":0,"text":"its way.","finish_reason":"stop"}`) + doneEvent},
		"OtherIndex":            {stream: chunks(`{"index":1,"delta":{"content":"`+shipped+`"}}`, `{"index":1,"delta":{},"finish_reason":"stop"}`) + doneEvent},
		"NoIndex":               {stream: chunks(`{"delta":{"content":"`+shipped+`"}}`, `{"delta":{},"finish_reason":"stop"}`) + doneEvent},
		"SecondChoice":          {stream: chunks(`{"index":0,"delta":{"content":"It is on "}},{"index":1,"delta":{"content":"no"}}`, `{"index":1,"delta":{"content":"no"},"finish_reason":"stop"}`, `{"index":0,"delta":{"content":"its way."}}`, stopChoice) + doneEvent},
		"OtherTypes":            {stream: "data: {\"model\":7,\"created\":\"x\",\"usage\":\"none\",\"choices\":[{\"index\":\"0\",\"delta\":{\"role\":1,\"content\":\"" + shipped + "\",\"tool_calls\":null},\"logprobs\":1}]}\n\n" + chunks(stopChoice) + doneEvent},
		"WholeInAStream":        {stream: "data: " + wholeMessage(`{"content":"`+shipped+`"}`) + "\n\n" + doneEvent},
		"WholeList":             {whole: wholeMessage(`{"role":"assistant","content":[` + thinking + `,{"type":"text","text":"` + shipped + `"}]}`)},
		"WholeObject":           {whole: wholeMessage(`{"content":{"type":"text","text":"` + shipped + `"}}`)},
		"WholeParts":            {whole: wholeMessage(`{"content":{"parts":[{"text":"hm","thought":true},{"text":"` + shipped + `"}]}}`)},
		"WholeStrings":          {whole: wholeMessage(`{"content":["It is on ","its way."]}`)},
		"WholeOutputText":       {whole: wholeMessage(`{"content":[{"type":"reasoning","text":"hm"},{"type":"output_text","text":"` + shipped + `"}]}`)},
		"WholeRedacted":         {whole: wholeMessage(`{"content":[{"type":"redacted_thinking","data":"x"},{"type":"image_url","image_url":{"url":"x"}},{"type":"text","text":{"value":"` + shipped + `"}}]}`)},
		"WholeThink":            {whole: wholeMessage(`{"content":"<think>the order is 1042</think>\nIt is on its way."}`)},
		"WholeReasoning":        {whole: wholeMessage(`{"content":"` + shipped + `","reasoning_content":"hm","reasoning":"hm","reasoning_details":[{"type":"reasoning.text","text":"hm"}]}`)},
		"WholeRefusalNull":      {whole: wholeMessage(`{"content":"` + shipped + `","refusal":null,"tool_calls":[],"function_call":null}`)},
		"WholeLegacyText":       {whole: `{"choices":[{"index":0,"text":"` + shipped + `","finish_reason":"stop"}]}`},
		"WholeDelta":            {whole: `{"choices":[{"index":0,"delta":{"content":"` + shipped + `"},"finish_reason":"stop"}]}`},
		"OnlyReasoning":         {stream: deltas(`{"reasoning_content":"hm"}`), kind: down, text: "the answer is empty"},
		"OnlyThoughtParts":      {whole: wholeMessage(`{"content":[` + thinking + `]}`), kind: down, text: "the answer is empty"},
		"OnlyThoughts":          {stream: deltas(`{"content":"<think>hm"}`), kind: down, text: "no text after them"},
		"RefusalInAList":        {whole: wholeMessage(`{"content":[{"type":"refusal","refusal":"I cannot."}]}`), kind: refused, text: "I cannot."},
	} {
		if v.kind == "" {
			v.reply = shipped
		}
		t.Run(name, v.run)
	}
}

// Kind: why it stopped.
func TestFinishVariants(t *testing.T) {
	t.Parallel()
	text := `{"index":0,"delta":{"content":"` + shipped + `"},"finish_reason":null}`
	quiet := `{"index":0,"delta":{"content":"` + shipped + `"}}`
	end := func(reason string) string {
		return chunks(text, `{"index":0,"delta":{},"finish_reason":`+reason+`}`) + doneEvent
	}
	whole := func(choice string) string {
		return `{"choices":[{"index":0,"message":{"content":"` + shipped + `"},` + choice + `}]}`
	}
	usage := `data: {"choices":[],"usage":` + usageJSON + "}\n\n"
	for name, v := range map[string]variant{
		"Stop":             {stream: end(`"stop"`), finish: executors.FinishStop},
		"EndTurn":          {stream: end(`"end_turn"`), finish: executors.FinishStop},
		"UpperCase":        {stream: end(`"STOP"`), finish: executors.FinishStop},
		"EOS":              {stream: end(`"eos_token"`), finish: executors.FinishStop},
		"MaxTokens":        {stream: end(`"MAX_TOKENS"`), finish: executors.FinishLength},
		"ModelLength":      {stream: end(`"model_length"`), finish: executors.FinishLength},
		"Object":           {stream: end(`{"type":"length"}`), finish: executors.FinishLength},
		"Native":           {stream: chunks(text, `{"index":0,"delta":{},"finish_reason":null,"native_finish_reason":"length"}`) + doneEvent, finish: executors.FinishLength},
		"NativeIsWorse":    {stream: chunks(text, `{"index":0,"delta":{},"finish_reason":"stop","native_finish_reason":"SAFETY"}`) + doneEvent, kind: refused},
		"NativeAbort":      {stream: chunks(text, `{"index":0,"delta":{},"finish_reason":"stop","native_finish_reason":"abort"}`) + doneEvent, kind: down, text: "abort"},
		"NativeIsFine":     {stream: chunks(text, `{"index":0,"delta":{},"finish_reason":"stop","native_finish_reason":"end_turn"}`) + doneEvent, finish: executors.FinishStop},
		"Resource":         {stream: end(`"insufficient_system_resource"`), kind: down, text: "insufficient_system_resource"},
		"Abort":            {stream: end(`"abort"`), kind: down},
		"Error":            {stream: end(`"error"`), kind: down},
		"NetworkError":     {stream: end(`"network_error"`), kind: down},
		"Unknown":          {stream: end(`"whatever"`), kind: down, text: "whatever"},
		"Sensitive":        {stream: end(`"sensitive"`), kind: refused},
		"Safety":           {stream: end(`"SAFETY"`), kind: refused},
		"Recitation":       {stream: end(`"RECITATION"`), kind: refused},
		"ContentFilter":    {stream: end(`"content_filter"`), kind: refused},
		"EmptyThenStop":    {stream: chunks(`{"index":0,"delta":{"content":"`+shipped+`"},"finish_reason":""}`, stopChoice) + doneEvent, finish: executors.FinishStop},
		"NullText":         {stream: chunks(`{"index":0,"delta":{"content":"`+shipped+`"},"finish_reason":"null"}`, `{"index":0,"delta":{"content":""},"finish_reason":"stop"}`), finish: executors.FinishStop},
		"NullTextCut":      {stream: chunks(`{"index":0,"delta":{"content":"` + shipped + `"},"finish_reason":"null"}`), kind: down, text: "the stream ended before the answer did"},
		"NullCut":          {stream: chunks(text), kind: down, text: "the stream ended"},
		"EmptyTextCut":     {stream: chunks(`{"index":0,"delta":{"content":"` + shipped + `"},"finish_reason":""}`), kind: down, text: "the stream ended"},
		"NoneDone":         {stream: chunks(text) + doneEvent, finish: executors.FinishStop},
		"NoneUsageDone":    {stream: chunks(text) + usage + doneEvent, finish: executors.FinishStop, usage: known},
		"NoneUsage":        {stream: chunks(text) + usage, finish: executors.FinishStop, usage: known},
		"UsageBeforeText":  {stream: usage + chunks(text), kind: down, text: "the stream ended"},
		"NeverTells":       {stream: chunks(quiet), finish: executors.FinishStop},
		"NeverTellsDone":   {stream: chunks(quiet) + doneEvent, finish: executors.FinishStop},
		"NothingDone":      {stream: doneEvent, kind: down},
		"NothingUsageDone": {stream: usage + doneEvent, kind: down},
		"UsageInChoice":    {stream: chunks(text, `{"index":0,"delta":{},"finish_reason":"stop","usage":`+usageJSON+`}`), usage: known},
		"UsageAfterEnd":    {stream: chunks(text, stopChoice) + usage, usage: known},
		"Whole":            {whole: whole(`"finish_reason":"stop"`), finish: executors.FinishStop},
		"WholeNull":        {whole: whole(`"finish_reason":null`), finish: executors.FinishStop},
		"WholeNullText":    {whole: whole(`"finish_reason":"null"`), finish: executors.FinishStop},
		"WholeNone":        {whole: whole(`"logprobs":null`), finish: executors.FinishStop},
		"WholeLength":      {whole: whole(`"finish_reason":"max_tokens"`), finish: executors.FinishLength},
		"WholeAbort":       {whole: whole(`"finish_reason":{"type":"abort","message":"gone"}`), kind: down, text: "abort"},
		"WholeError":       {whole: whole(`"finish_reason":"error"`), kind: down},
		"WholeSensitive":   {whole: whole(`"finish_reason":"sensitive"`), kind: refused},
	} {
		if v.kind == "" {
			v.reply = shipped
		}
		t.Run(name, v.run)
	}
}

// The end of a connection without a length or chunks does not show that nothing is missing.
func TestUnframedEnd(t *testing.T) {
	t.Parallel()
	text := chunks(`{"index":0,"delta":{"content":"` + shipped + `"}}`)
	for name, c := range map[string]struct {
		stream string
		kind   conversation.Kind
	}{"Cut": {text, down}, "Done": {text + doneEvent, ""}} {
		client := &http.Client{Transport: modeltest.RoundTrip(func(req *http.Request) *http.Response {
			return &http.Response{
				StatusCode: http.StatusOK, Request: req, Header: http.Header{"Content-Type": {"text/event-stream"}}, ProtoMajor: 1,
				ContentLength: -1, Body: io.NopCloser(strings.NewReader(c.stream)),
			}
		})}
		e, err := openai.New(config(modeltest.Settings{Client: client, BaseURL: "http://model.test"}, openai.APIChat))
		require.NoError(t, err)
		_, err = e.Execute(t.Context(), executortest.Request("c1", "Hi"))
		require.Equal(t, c.kind, conversation.KindOf(err), name)
	}
}

// Chunks that bring nothing are no reason to wait for ever.
func TestEmptyChunksAreBounded(t *testing.T) {
	t.Parallel()
	for name, piece := range map[string]string{
		"NoChoices": "data: {\"choices\":[]}\n\n", "EmptyDelta": chunks(`{"index":0,"delta":{},"finish_reason":null}`), "Words": "data: ping\n\n", "EmptyText": chunks(`{"delta":{"role":"assistant","content":""}}`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := &http.Client{Transport: modeltest.RoundTrip(func(req *http.Request) *http.Response {
				return &http.Response{
					StatusCode: http.StatusOK, Request: req, Header: http.Header{"Content-Type": {"text/event-stream"}},
					ContentLength: -1, Body: io.NopCloser(&modeltest.Endless{Piece: piece}),
				}
			})}
			e, err := openai.New(config(modeltest.Settings{Client: client, BaseURL: "http://model.test"}, openai.APIChat))
			require.NoError(t, err)
			_, err = e.Execute(t.Context(), executortest.Request("c1", "Hi"))
			modeltest.RequireError(t, err, down, "more than an answer can need")
		})
	}
}

// With thoughts: keep, they are part of the reply.
func TestThoughtsKept(t *testing.T) {
	t.Parallel()
	const text = "<think>hm</think>\nYes."
	e := newExecutor(t, serve(t, func(w http.ResponseWriter, _ *http.Request, c call) { speak(w, c, text) }), func(c *openai.Config) { c.Thoughts = executors.KeepThoughts })
	res, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
	require.NoError(t, err)
	require.Equal(t, text, res.Message.Text())
}

// Kind: calls of tools.
func TestCallVariants(t *testing.T) {
	t.Parallel()
	stream := func(calls ...string) string {
		var pieces []string
		for _, c := range calls {
			pieces = append(pieces, `{"tool_calls":[`+c+`]}`)
		}
		return strings.ReplaceAll(deltas(pieces...), `"finish_reason":"stop"`, `"finish_reason":"tool_calls"`)
	}
	whole := func(calls string) string { return wholeMessage(`{"content":null,"tool_calls":` + calls + `}`) }
	big := `{"order":9007199254740993}`
	for name, c := range map[string]struct {
		stream, whole string
		want          string
	}{
		"NoIDsAllZero":       {stream: stream(`{"index":0,"function":{"name":"find_order","arguments":"{\"order\":1}"}}`, `{"index":0,"function":{"name":"today","arguments":"{}"}}`), want: `find_order {"order":1}; today {}`},
		"NoIndexNoID":        {stream: stream(`{"function":{"name":"find_order","arguments":"{\"order\""}}`, `{"function":{"arguments":":1}"}}`, `{"function":{"name":"find_order","arguments":"{\"order\":2}"}}`), want: `find_order {"order":1}; find_order {"order":2}`},
		"TwoInOneChunk":      {stream: stream(`{"index":0,"id":"a","function":{"name":"today","arguments":"{}"}},{"index":1,"id":"b","function":{"name":"today","arguments":"{}"}}`), want: `today {}; today {}`},
		"IndexIsNull":        {stream: stream(`{"index":null,"id":"a","function":{"name":"today","arguments":""}}`, `{"index":null,"id":"b","function":{"name":"today","arguments":""}}`), want: `today {}; today {}`},
		"IDRepeats":          {stream: stream(`{"index":0,"id":"a","function":{"name":"find_order","arguments":"{\"order\":1}"}}`, `{"index":1,"id":"a","function":{"name":"find_order","arguments":"{\"order\":2}"}}`), want: `find_order {"order":1}; find_order {"order":2}`},
		"IDIsANumber":        {stream: stream(`{"index":0,"id":7,"function":{"name":"today","arguments":"{}"}}`), want: `today {}`},
		"NameRepeats":        {stream: stream(`{"index":0,"id":"a","function":{"name":"find_order","arguments":"{\"order\""}}`, `{"index":0,"id":"a","function":{"name":"find_order","arguments":":1}"}}`), want: `find_order {"order":1}`},
		"NameIsNullLater":    {stream: stream(`{"index":0,"id":"a","function":{"name":"find_order","arguments":"{\"order\""}}`, `{"index":0,"id":null,"type":null,"function":{"name":null,"arguments":":1}"}}`), want: `find_order {"order":1}`},
		"ArgumentsObject":    {stream: stream(`{"index":0,"id":"a","function":{"name":"find_order","arguments":` + big + `}}`), want: `find_order ` + big},
		"ArgumentsNull":      {stream: stream(`{"index":0,"id":"a","function":{"name":"today","arguments":null}}`), want: `today {}`},
		"ArgumentsEmpty":     {stream: stream(`{"index":0,"id":"a","function":{"name":"today","arguments":""}}`), want: `today {}`},
		"ArgumentsTwice":     {stream: stream(`{"index":0,"id":"a","function":{"name":"find_order","arguments":"\"{\\\"order\\\":9007199254740993}\""}}`), want: `find_order ` + big},
		"ArgumentsFenced":    {stream: stream(`{"index":0,"id":"a","function":{"name":"find_order","arguments":"` + "```json\\n{\\\"order\\\":1}\\n```" + `"}}`), want: `find_order {"order":1}`},
		"ArgumentsTrailing":  {stream: stream(`{"index":0,"id":"a","function":{"name":"find_order","arguments":"{\"order\":1}</tool_call>"}}`), want: `find_order {"order":1}`},
		"ArgumentsBroken":    {stream: stream(`{"index":0,"id":"a","function":{"name":"find_order","arguments":"{\"order\":"}}`), want: `find_order "{\"order\":"`},
		"ArgumentsEmptyThen": {stream: stream(`{"index":0,"id":"a","function":{"name":"find_order","arguments":"{}"}}`, `{"index":0,"function":{"arguments":"{\"order\":1}"}}`), want: `find_order {"order":1}`},
		"FunctionCall":       {stream: deltas(`{"function_call":{"name":"find_order","arguments":""}}`, `{"function_call":{"arguments":"{\"order\""}}`, `{"function_call":{"arguments":":1}"}}`), want: `find_order {"order":1}`},
		"NoneDone":           {stream: strings.ReplaceAll(stream(`{"index":0,"id":"a","function":{"name":"today","arguments":"{}"}}`), `"finish_reason":"tool_calls"`, `"finish_reason":null`), want: `today {}`},
		"CallsInAMessage":    {stream: chunks(`{"index":0,"message":{"content":"","tool_calls":[{"id":"a","function":{"name":"today","arguments":{}}}]},"finish_reason":"tool_calls"}`) + doneEvent, want: "today {}"},
		"Whole":              {whole: whole(`[{"id":"a","type":"function","function":{"name":"find_order","arguments":"{\"order\":9007199254740993}"}}]`), want: `find_order ` + big},
		"WholeObject":        {whole: whole(`[{"id":"a","function":{"name":"find_order","arguments":` + big + `}}]`), want: `find_order ` + big},
		"WholeNoIDs":         {whole: whole(`[{"function":{"name":"today","arguments":"{}"}},{"function":{"name":"today","arguments":"{}"}}]`), want: `today {}; today {}`},
		"WholeSameIDs":       {whole: whole(`[{"id":"a","function":{"name":"today","arguments":"{}"}},{"id":"a","function":{"name":"today","arguments":"{}"}}]`), want: `today {}; today {}`},
		"WholeSingle":        {whole: whole(`{"id":"a","function":{"name":"today","arguments":"{}"}}`), want: `today {}`},
		"WholeFlat":          {whole: whole(`[{"id":"a","name":"find_order","arguments":{"order":1}}]`), want: `find_order {"order":1}`},
		"WholeParameters":    {whole: whole(`[{"id":"a","function":{"name":"find_order","parameters":{"order":1}}}]`), want: `find_order {"order":1}`},
		"WholeFunctionCall":  {whole: wholeMessage(`{"content":null,"function_call":{"name":"find_order","arguments":"{\"order\":1}"}}`), want: `find_order {"order":1}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for mode, change := range map[string]func(*openai.Config){"Streaming": nil, "Whole": noStream} {
				e := newExecutor(t, serve(t, func(w http.ResponseWriter, _ *http.Request, _ call) {
					if c.whole != "" {
						modeltest.WriteJSON(w, http.StatusOK, c.whole)
						return
					}
					w.Header().Set("Content-Type", "text/event-stream")
					_, _ = io.WriteString(w, c.stream)
				}), change)
				res, err := e.Execute(t.Context(), toolRequest("Where is it?"))
				require.NoError(t, err, mode)
				var got []string
				ids := map[string]bool{}
				for _, call := range res.Message.ToolCalls() {
					got = append(got, call.Name+" "+string(call.Arguments))
					require.NotEmpty(t, call.ID)
					require.False(t, ids[call.ID], "ids differ")
					ids[call.ID] = true
					require.True(t, json.Valid(call.Arguments))
				}
				require.Equal(t, c.want, strings.Join(got, "; "), mode)
				require.Equal(t, executors.FinishToolCall, res.FinishReason)
			}
		})
	}
}
