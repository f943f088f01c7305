package anthropic_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/anthropic"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/executors/internal/modeltest"
)

type (
	variant  = modeltest.Variant
	variants = map[string]variant
)

const way = "It is on its way."

// Pieces of streams, as servers send them.
func opened(index int, block fields) string {
	return event("content_block_start", fields{"index": index, "content_block": block})
}

func piece(index int, delta fields) string {
	return event("content_block_delta", fields{"index": index, "delta": delta})
}

func closed(index int) string { return event("content_block_stop", fields{"index": index}) }

func told(index int, s string) string { return piece(index, fields{"type": "text_delta", "text": s}) }

func mused(index int, s string) string {
	return piece(index, fields{"type": "thinking_delta", "thinking": s})
}

func signed(index int, s string) string {
	return piece(index, fields{"type": "signature_delta", "signature": s})
}

func arguments(index int, s string) string {
	return piece(index, fields{"type": "input_json_delta", "partial_json": s})
}

// streaming is a stream between its beginning and its end.
func streaming(stop string, events ...string) []string {
	return append(append([]string{start}, events...), messageDelta(stop), messageStop)
}

// unnamed leaves out the names of events.
func unnamed(events []string) []string {
	var out []string
	for _, e := range events {
		_, data, _ := strings.Cut(e, "\n")
		out = append(out, data)
	}
	return out
}

// whole is a whole answer with this content, given as JSON.
func whole(content, stop string) string {
	return `{"id":"m","type":"message","role":"assistant","model":"test-1-0601","content":` + content + `,"stop_reason":` + stop +
		`,"usage":{"input_tokens":3,"output_tokens":5}}`
}

// What compatible servers and gateways say, and what of it is for the persona.
func TestVariantsOfTexts(t *testing.T) {
	t.Parallel()
	ok := streaming("end_turn", opened(0, text("")), told(0, "It is on "), told(0, "its way."), closed(0))
	vendor.Variants(t, variants{
		"AsDocumented":        {Stream: ok, Reply: way, Usage: known, Finish: executors.FinishStop},
		"NoNames":             {Stream: unnamed(ok), Reply: way, Usage: known},
		"NoNamesAndDone":      {Stream: append(unnamed(ok), "data: [DONE]"), Reply: way},
		"NamesOnly":           {Stream: []string{"event: content_block_delta\ndata: {\"index\":0,\"delta\":{\"text\":\"" + way + "\"}}", messageDelta("end_turn")}, Reply: way},
		"CarriageReturns":     {Raw: strings.ReplaceAll(strings.Join(ok, "\n\n")+"\n\n", "\n", "\r\n"), Reply: way},
		"OnlyReturns":         {Raw: strings.ReplaceAll(strings.Join(ok, "\n\n")+"\n\n", "\n", "\r"), Reply: way},
		"NoSpace":             {Raw: strings.NewReplacer("data: ", "data:", "event: ", "event:").Replace(strings.Join(ok, "\n\n") + "\n\n"), Reply: way},
		"ByteOrderMark":       {Raw: "\ufeff" + strings.Join(ok, "\n\n") + "\n\n", Reply: way},
		"NoLastBlankLine":     {Raw: strings.Join(ok, "\n\n"), Reply: way},
		"MarkedAsText":        {Raw: strings.Join(ok, "\n\n") + "\n\n", Type: "text/plain", Reply: way},
		"MarkedAsJSON":        {Raw: strings.Join(ok, "\n\n") + "\n\n", Type: "application/json", Reply: way},
		"StreamUnasked":       {Raw: strings.Join(ok, "\n\n") + "\n\n", Whole: true, Reply: way, Usage: known},
		"WholeInPlace":        {Body: message(way, "end_turn"), Reply: way, Usage: known},
		"WholeAsEvents":       {Body: message(way, "end_turn"), Type: "text/event-stream", Reply: way, Usage: known},
		"WholeAsOneEvent":     {Stream: []string{"data: " + message(way, "end_turn")}, Reply: way, Usage: known},
		"BeginsAgain":         {Stream: append([]string{start, opened(0, text("")), told(0, "It is l")}, append([]string{strings.Replace(start, "msg_1", "msg_2", 1)}, ok[1:]...)...), Void: "It is l", Reply: way},
		"StartTwice":          {Stream: append([]string{start, start}, ok[1:]...), Reply: way},
		"StartTwiceInside":    {Stream: append([]string{start, opened(0, text("")), told(0, "It is on "), start}, told(0, "its way."), closed(0), messageDelta("end_turn")), Reply: way},
		"NoMessageStart":      {Stream: ok[1:], Reply: way},
		"NoBlockStart":        {Stream: streaming("end_turn", told(0, way), closed(0)), Reply: way},
		"NoIndex":             {Stream: streaming("end_turn", event("content_block_start", fields{"content_block": text("")}), event("content_block_delta", fields{"delta": fields{"type": "text_delta", "text": way}})), Reply: way},
		"IndexOff":            {Stream: streaming("end_turn", opened(1, text("")), told(0, way), closed(1)), Reply: way},
		"IndexAsText":         {Stream: streaming("end_turn", event("content_block_start", fields{"index": "0", "content_block": text("")}), event("content_block_delta", fields{"index": "0", "delta": fields{"type": "text_delta", "text": way}})), Reply: way},
		"NoDeltaType":         {Stream: streaming("end_turn", piece(0, fields{"text": way})), Reply: way},
		"TextAtTheStart":      {Stream: streaming("end_turn", opened(0, text("It is on ")), told(0, "its way.")), Reply: way},
		"UnknownBlock":        {Stream: streaming("end_turn", opened(0, fields{"type": "telemetry", "x": 1}), piece(0, fields{"type": "telemetry_delta", "y": 2}), closed(0), opened(1, text("")), told(1, way)), Reply: way},
		"UnknownDelta":        {Stream: streaming("end_turn", opened(0, text("")), told(0, way), piece(0, fields{"type": "citations_delta", "citation": fields{"cited_text": "x"}})), Reply: way},
		"Pings":               {Stream: append([]string{ping, ": comment", "event: ping\ndata: {}", "data:"}, ok...), Reply: way},
		"UsageNull":           {Stream: []string{event("message_start", fields{"message": fields{"model": "m", "usage": nil, "content": nil}}), told(0, way), event("message_delta", fields{"delta": fields{"stop_reason": "end_turn"}, "usage": nil})}, Reply: way, Usage: conversation.Usage{Calls: 1}},
		"NoUsageAtTheEnd":     {Stream: []string{start, told(0, way), event("message_delta", fields{"delta": fields{"stop_reason": "end_turn"}}), messageStop}, Reply: way, Usage: begun},
		"UsageOnlyAtTheEnd":   {Stream: []string{told(0, way), event("message_delta", fields{"delta": fields{"stop_reason": "end_turn"}, "usage": fields{"input_tokens": 7.0, "output_tokens": "5"}})}, Reply: way, Usage: conversation.Usage{InputTokens: 7, OutputTokens: 5, Calls: 1}},
		"UsageOfOpenAI":       {Stream: []string{told(0, way), event("message_delta", fields{"delta": fields{"stop_reason": "stop"}, "usage": fields{"prompt_tokens": 7, "completion_tokens": 5}})}, Reply: way, Usage: conversation.Usage{InputTokens: 7, OutputTokens: 5, Calls: 1}},
		"UsageOfBedrock":      {Stream: []string{told(0, way), event("message_delta", fields{"delta": fields{"stop_reason": "end_turn"}}), event("message_stop", fields{"amazon-bedrock-invocationMetrics": fields{"inputTokenCount": 7, "outputTokenCount": 5, "invocationLatency": 900}})}, Reply: way, Usage: conversation.Usage{InputTokens: 7, OutputTokens: 5, Calls: 1}},
		"DeltaTypeText":       {Stream: streaming("end_turn", piece(0, fields{"type": "text", "text": way})), Reply: way},
		"StopBesideTheDelta":  {Stream: []string{start, told(0, way), event("message_delta", fields{"stop_reason": "max_tokens"})}, Reply: way, Finish: executors.FinishLength},
		"ErrorNull":           {Body: strings.Replace(message(way, "end_turn"), `{`, `{"error":null,`, 1), Reply: way},
		"ErrorNullInEvents":   {Stream: []string{start, strings.Replace(told(0, way), `data: {`, `data: {"error":null,`, 1), messageDelta("end_turn")}, Reply: way},
		"ContentAsText":       {Body: whole(`"`+way+`"`, `"end_turn"`), Reply: way},
		"ContentAsTexts":      {Body: whole(`["It is on ","its way."]`, `"end_turn"`), Reply: way},
		"ContentAsOneBlock":   {Body: whole(`{"type":"text","text":"`+way+`"}`, `"end_turn"`), Reply: way},
		"BlocksWithoutType":   {Body: whole(`[{"thinking":"the order"},{"text":"`+way+`"}]`, `"end_turn"`), Reply: way},
		"NullAmongBlocks":     {Body: whole(`[null,{"type":"text","text":"`+way+`"}]`, `"end_turn"`), Reply: way},
		"Thinking":            {Stream: streaming("end_turn", opened(0, thought("", "")), mused(0, "the order"), signed(0, "sig"), closed(0), opened(1, text("")), told(1, way)), Reply: way},
		"ThinkingUnopened":    {Stream: streaming("end_turn", mused(0, "the order"), told(0, way)), Reply: way},
		"Redacted":            {Stream: streaming("end_turn", opened(0, fields{"type": "redacted_thinking", "data": "xyz"}), closed(0), opened(1, text("")), told(1, way)), Reply: way},
		"ThinkTags":           {Stream: streaming("end_turn", opened(0, text("<th")), told(0, "ink>the order is 1042</th"), told(0, "ink>\n\nIt is on "), told(0, "its way.")), Reply: way},
		"ThinkTagsInABlock":   {Stream: streaming("end_turn", opened(0, text("")), told(0, "<think>the order</think>"), closed(0), opened(1, text("")), told(1, way)), Reply: way},
		"ThinkTagsWhole":      {Body: whole(`[{"type":"text","text":"<thinking>the order</thinking>\n`+way+`"}]`, `"end_turn"`), Reply: way},
		"OnlyThoughts":        {Stream: streaming("end_turn", opened(0, text("")), told(0, "<think>the order")), Kind: conversation.Unavailable, Text: "thoughts"},
		"OnlyThinking":        {Stream: streaming("end_turn", opened(0, thought("", "")), mused(0, "the order")), Kind: conversation.Unavailable},
		"ServersTools":        {Stream: streaming("end_turn", opened(0, fields{"type": "server_tool_use", "id": "s1", "name": "web_search", "input": fields{}}), arguments(0, `{"query":"x"}`), closed(0), opened(1, fields{"type": "web_search_tool_result", "tool_use_id": "s1", "content": []any{}}), closed(1), opened(2, text("")), told(2, way)), Reply: way},
		"PairInTwoPieces":     {Raw: start + "\n\n" + `data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"ok \ud83d"}}` + "\n\n" + `data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\ude42"}}` + "\n\n" + messageDelta("end_turn") + "\n\n", Reply: "ok 🙂"},
		"NoStopReason":        {Stream: []string{start, opened(0, text("")), told(0, way), closed(0), messageStop}, Reply: way, Finish: executors.FinishStop, Usage: begun},
		"NoEndAtAll":          {Stream: []string{start, opened(0, text("")), told(0, way), closed(0)}, Reply: way, Usage: begun},
		"NoEndUnopened":       {Stream: []string{start, told(0, way)}, Reply: way, Usage: begun},
		"NoEndDone":           {Stream: []string{start, opened(0, text("")), told(0, way), "data: [DONE]"}, Reply: way, Usage: begun},
		"EndsWithinABlock":    {Stream: []string{start, opened(0, text("")), told(0, "It is on ")}, Kind: conversation.Unavailable, Text: "the stream ended before the answer did", Usage: begun},
		"StopReasonNull":      {Body: whole(`[{"type":"text","text":"`+way+`"}]`, `null`), Reply: way},
		"StopReasonNone":      {Body: whole(`[{"type":"text","text":"`+way+`"}]`, `""`), Reply: way},
		"NothingAtAll":        {Stream: []string{start, messageStop}, Kind: conversation.Unavailable, Usage: begun},
		"EmptyAtTheEnd":       {Stream: streaming("end_turn"), Kind: conversation.Unavailable, Text: "the answer is empty", Usage: known},
		"ErrorAfterTheAnswer": {Stream: []string{start, told(0, way), messageDelta("end_turn"), "event: error\ndata: " + apiError("api_error", "late")}, Reply: way, Usage: known},
		"ErrorInText":         {Stream: []string{start, told(0, "It is"), "event: error\ndata: Internal server error"}, Kind: conversation.Unavailable, Text: "Internal server error", Usage: begun},
		"ErrorWithoutType":    {Stream: []string{start, "event: error\ndata: {\"message\":\"the worker is gone\"}"}, Kind: conversation.Unavailable, Text: "the worker is gone", Usage: begun},
		"ErrorTooLong":        {Stream: []string{start, "event: error\ndata: " + apiError("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum")}, Kind: conversation.ContextTooLong, Text: "too long"},
		"ErrorStray":          {Raw: start + "\n\n" + told(0, "It is") + "\n\nupstream connect error or disconnect/reset before headers\n", Kind: conversation.Unavailable, Text: "upstream connect error"},
		"TextInPlace":         {Body: "upstream connect error or disconnect/reset before headers", Type: "text/plain", Whole: true, Kind: conversation.Unavailable, Text: "upstream connect error"},
		"ZhipuUnderOK":        {Body: `{"code":500,"msg":"404 NOT_FOUND","success":false}`, Kind: conversation.Unavailable, Text: "NOT_FOUND"},
		"MiniMaxGood":         {Body: strings.Replace(message(way, "end_turn"), `{`, `{"base_resp":{"status_code":0,"status_msg":""},`, 1), Reply: way, Usage: known},
		"MiniMaxSpent":        {Body: `{"base_resp":{"status_code":1008,"status_msg":"insufficient balance"},"content":null}`, Kind: conversation.QuotaExhausted, Text: "insufficient balance"},
		"SignsOfLife":         {Stream: append([]string{"data: ping", "data: \"ok\"", "data: 1"}, ok...), Reply: way, Usage: known},
		"ErrorUnnamed":        {Stream: []string{start, told(0, "It is"), "data: " + apiError("overloaded_error", "Overloaded")}, Kind: conversation.Unavailable, Text: "Overloaded", Usage: begun},
		"ErrorNamedOtherwise": {Stream: []string{start, "event: message_delta\ndata: " + apiError("rate_limit_error", "slow down")}, Kind: conversation.RateLimited, Text: "slow down"},
	})
}

// Why the model stopped: the words of the API, and those that gateways pass on.
func TestVariantsOfStops(t *testing.T) {
	t.Parallel()
	rows := variants{}
	for kind, words := range map[conversation.Kind]string{
		conversation.Refused:     "refusal sensitive content_filter content_filtered guardrail_intervened SAFETY",
		conversation.Unavailable: "error abort network_error insufficient_system_resource something_new malformed_tool_use",
	} {
		for word := range strings.FieldsSeq(words) {
			rows[word] = variant{Stream: streaming(word, opened(0, text("")), told(0, "Your order number 1042 will")), Kind: kind, Usage: known}
			rows[word+"Whole"] = variant{Body: message("Your order number 1042 will", word), Whole: true, Kind: kind, Usage: known}
		}
	}
	for finish, words := range map[executors.FinishReason]string{
		executors.FinishStop:   "end_turn stop_sequence stop STOP complete eos tool_use tool_calls",
		executors.FinishLength: "max_tokens length MAX_TOKENS model_context_window_exceeded pause_turn",
	} {
		for word := range strings.FieldsSeq(words) {
			rows[word] = variant{Stream: streaming(word, opened(0, text("")), told(0, way)), Reply: way, Finish: finish, Usage: known}
			rows[word+"Whole"] = variant{Body: message(way, word), Whole: true, Reply: way, Finish: finish, Usage: known}
		}
	}
	rows["RefusalBeforeText"] = variant{Stream: streaming("refusal"), Kind: conversation.Refused}
	rows["PauseBeforeText"] = variant{Stream: streaming("pause_turn"), Kind: conversation.Unavailable, Text: "paused"}
	rows["PauseWithCall"] = variant{Stream: streaming("pause_turn", opened(0, toolUse("t1", "find", "{}")), arguments(0, `{"n":1}`), closed(0)), Calls: []string{`t1 find {"n":1}`}, Finish: executors.FinishToolCall}
	rows["NullThenStop"] = variant{Stream: []string{start, told(0, "It is on "), messageDelta("null"), told(0, "its way."), messageDelta("end_turn")}, Reply: way}
	vendor.Variants(t, rows)
}

// Calls of tools, however their blocks and arguments come.
func TestVariantsOfCalls(t *testing.T) {
	t.Parallel()
	use := func(id, name string) fields { return toolUse(id, name, "{}") }
	n1 := []string{`t1 find {"n":1}`}
	const derived = "call_04438816445db544_"
	call := func(events ...string) []string { return streaming("tool_use", events...) }
	vendor.Variants(t, variants{
		"AsDocumented":     {Stream: call(opened(0, use("t1", "find")), arguments(0, ""), arguments(0, `{"n"`), arguments(0, `:1}`), closed(0)), Calls: n1, Finish: executors.FinishToolCall, Usage: known, Not: []string{"thinking"}},
		"NoNames":          {Stream: unnamed(call(opened(0, use("t1", "find")), arguments(0, `{"n":1}`), closed(0))), Calls: n1},
		"Digits":           {Stream: call(opened(0, use("t1", "find")), arguments(0, `{"id":9007199254740993,"x":1.10}`), closed(0)), Calls: []string{`t1 find {"id":9007199254740993,"x":1.10}`}, Next: []string{`"id":9007199254740993,"x":1.10`}},
		"DigitsAtTheStart": {Stream: call(opened(0, toolUse("t1", "find", `{"id":9007199254740993,"x":1.10}`)), closed(0)), Calls: []string{`t1 find {"id":9007199254740993,"x":1.10}`}, Next: []string{`"id":9007199254740993,"x":1.10`}},
		"DigitsWhole":      {Body: whole(`[{"type":"tool_use","id":"t1","name":"find","input":{"id":9007199254740993}}]`, `"tool_use"`), Whole: true, Calls: []string{`t1 find {"id":9007199254740993}`}, Next: []string{`9007199254740993`}},
		"NoPieces":         {Stream: call(opened(0, use("t1", "find")), closed(0)), Calls: []string{`t1 find {}`}},
		"EmptyPieces":      {Stream: call(opened(0, use("t1", "find")), arguments(0, ""), arguments(0, ""), closed(0)), Calls: []string{`t1 find {}`}},
		"InputNull":        {Stream: call(opened(0, toolUse("t1", "find", "null")), closed(0)), Calls: []string{`t1 find {}`}},
		"InputNone":        {Stream: call(opened(0, fields{"type": "tool_use", "id": "t1", "name": "find"}), closed(0)), Calls: []string{`t1 find {}`}},
		"InputEmptyText":   {Stream: call(opened(0, fields{"type": "tool_use", "id": "t1", "name": "find", "input": ""}), arguments(0, `{"n":1}`), closed(0)), Calls: n1},
		"InputAsText":      {Stream: call(opened(0, toolUse("t1", "find", `"{\"n\":1}"`)), closed(0)), Calls: n1},
		"InputAsTextWhole": {Body: whole(`[{"type":"tool_use","id":"t1","name":"find","input":"{\"n\":1}"}]`, `"tool_use"`), Calls: n1},
		"InputNullWhole":   {Body: whole(`[{"type":"tool_use","id":"t1","name":"find","input":null}]`, `"tool_use"`), Calls: []string{`t1 find {}`}},
		"TwiceEncoded":     {Stream: call(opened(0, use("t1", "find")), arguments(0, `"{\"n\":`), arguments(0, `1}"`), closed(0)), Calls: n1},
		"Fenced":           {Stream: call(opened(0, use("t1", "find")), arguments(0, "```json\n{\"n\":1}\n```"), closed(0)), Calls: n1},
		"PieceAsObject":    {Stream: call(opened(0, use("t1", "find")), piece(0, fields{"type": "input_json_delta", "partial_json": json.RawMessage(`{"n":1}`)}), closed(0)), Calls: n1},
		"AllAtBothEnds":    {Stream: call(opened(0, toolUse("t1", "find", `{"n":1}`)), arguments(0, `{"n":1}`), closed(0)), Calls: n1},
		"AllIndexZero":     {Stream: call(opened(0, use("t1", "find")), arguments(0, `{"n":1}`), closed(0), opened(0, use("t2", "find")), arguments(0, `{"n":2}`), closed(0)), Calls: []string{`t1 find {"n":1}`, `t2 find {"n":2}`}},
		"IndexZeroOpen":    {Stream: call(opened(0, use("t1", "find")), arguments(0, `{"n":1}`), opened(0, use("t2", "find")), arguments(0, `{"n":2}`)), Calls: []string{`t1 find {"n":1}`, `t2 find {"n":2}`}},
		"TextAndCallZero":  {Stream: call(opened(0, text("")), told(0, "Let me see."), opened(0, use("t1", "find")), arguments(0, `{"n":1}`), closed(0)), Reply: "Let me see.", Calls: n1},
		"IndexesSkip":      {Stream: call(opened(0, text("")), told(0, "Let me see."), closed(0), opened(4, use("t1", "find")), arguments(4, `{"n":1}`), closed(4)), Reply: "Let me see.", Calls: n1},
		"IndexesOff":       {Stream: call(opened(1, use("t1", "find")), arguments(0, `{"n":1}`), closed(0)), Calls: n1},
		"Interleaved":      {Stream: call(opened(0, use("t1", "find")), opened(1, use("t2", "find")), arguments(0, `{"n"`), arguments(1, `{"n"`), arguments(0, `:1}`), arguments(1, `:2}`)), Calls: []string{`t1 find {"n":1}`, `t2 find {"n":2}`}},
		"BegunTwice":       {Stream: call(opened(0, use("t1", "find")), opened(0, use("t1", "find")), arguments(0, `{"n":1}`), closed(0)), Calls: n1},
		"NoIDs":            {Stream: call(opened(0, use("", "find")), arguments(0, `{"n":1}`), closed(0), opened(1, use("", "find")), arguments(1, `{"n":2}`), closed(1)), Calls: []string{derived + `1 find {"n":1}`, derived + `2 find {"n":2}`}, Next: []string{`"id":"` + derived + `2"`, `"tool_use_id":"` + derived + `2"`}},
		"IDAsNumber":       {Stream: call(opened(0, fields{"type": "tool_use", "id": 7, "name": "find", "input": fields{}}), closed(0)), Calls: []string{derived + `1 find {}`}},
		"SameIDs":          {Stream: call(opened(0, use("t1", "find")), arguments(0, `{"n":1}`), closed(0), opened(1, use("t1", "find")), arguments(1, `{"n":2}`), closed(1)), Calls: []string{`t1 find {"n":1}`, derived + `2 find {"n":2}`}},
		"NoStart":          {Stream: call(arguments(0, `{"n":1}`)), Kind: conversation.Unavailable, Text: "without a name"},
		"NoTypes":          {Stream: call(opened(0, fields{"id": "t1", "name": "find", "input": fields{}}), piece(0, fields{"partial_json": `{"n":1}`})), Calls: n1},
		"NoStopReason":     {Stream: []string{start, opened(0, use("t1", "find")), arguments(0, `{"n":1}`), closed(0), messageStop}, Calls: n1, Finish: executors.FinishToolCall},
		"CutWithin":        {Stream: []string{start, opened(0, use("t1", "find")), arguments(0, `{"n"`)}, Kind: conversation.Unavailable, Text: "the stream ended"},
		"ServersCall":      {Stream: call(opened(0, fields{"type": "server_tool_use", "id": "s1", "name": "web_search", "input": fields{}}), arguments(0, `{"q":"x"}`), closed(0), opened(1, fields{"type": "web_search_tool_result", "tool_use_id": "s1", "content": []any{}}), closed(1), opened(2, use("t1", "find")), arguments(2, `{"n":1}`), closed(2)), Calls: n1, Next: []string{`"type":"server_tool_use"`, `"input":{"q":"x"}`, `web_search_tool_result`}},
		"NotJSON":          {Stream: call(opened(0, use("t1", "find")), arguments(0, `{"n": 1`), closed(0)), Calls: []string{`t1 find "{\"n\": 1"`}},
	})
}

// Thoughts go back with the results exactly as they came.
func TestVariantsOfThoughts(t *testing.T) {
	t.Parallel()
	use := []string{opened(9, toolUse("t1", "find", "{}")), arguments(9, `{"n":1}`), closed(9)}
	call := func(events ...string) []string { return streaming("tool_use", append(events, use...)...) }
	n1 := []string{`t1 find {"n":1}`}
	const back = `{"signature":"si\u003cg","thinking":"the  order","type":"thinking"}`
	vendor.Variants(t, variants{
		"Signed":          {Stream: call(opened(0, thought("", "")), mused(0, "the "), mused(0, " order"), signed(0, "si"), signed(0, "<g"), closed(0)), Calls: n1, Next: []string{back + `,{"id":"t1"`}},
		"Interleaved":     {Stream: call(opened(0, thought("the  order", "si<g")), closed(0), opened(1, text("Well")), closed(1), opened(2, thought("more", "b")), closed(2)), Reply: "Well", Calls: n1, Next: []string{back + `,{"text":"Well","type":"text"},{"signature":"b","thinking":"more","type":"thinking"},{"id":"t1"`}},
		"IndexesRepeat":   {Stream: call(opened(0, thought("", "")), mused(0, "a"), signed(0, "x"), opened(0, thought("", "")), mused(0, "b"), signed(0, "y")), Calls: n1, Next: []string{`{"signature":"x","thinking":"a","type":"thinking"},{"signature":"y","thinking":"b","type":"thinking"}`}},
		"Redacted":        {Stream: call(opened(0, fields{"type": "redacted_thinking", "data": "xyz"}), closed(0)), Calls: n1, Next: []string{`{"data":"xyz","type":"redacted_thinking"},{"id":"t1"`}},
		"EmptyButSigned":  {Stream: call(opened(0, thought("", "")), signed(0, "x"), closed(0)), Calls: n1, Next: []string{`{"signature":"x","thinking":"","type":"thinking"}`}},
		"SignedAtTheEnd":  {Stream: call(opened(0, thought("", "")), mused(0, "a"), closed(0), opened(1, fields{"type": "redacted_thinking", "data": "xyz"})), Calls: n1, Next: []string{`{"signature":"","thinking":"a","type":"thinking"},{"data":"xyz"`}},
		"Unsigned":        {Stream: call(opened(0, fields{"type": "thinking", "thinking": ""}), mused(0, "the order"), closed(0)), Calls: n1, Next: []string{`{"thinking":"the order","type":"thinking"},{"id":"t1"`}},
		"Unopened":        {Stream: call(mused(0, "the order"), signed(0, "x")), Calls: n1, Next: []string{`{"signature":"x","thinking":"the order","type":"thinking"}`}},
		"OtherFields":     {Body: whole(`[{"type":"thinking","thinking":"a","signature":"x","id":12345678901234567890},{"type":"tool_use","id":"t1","name":"find","input":{"n":1}}]`, `"tool_use"`), Calls: n1, Next: []string{`{"id":12345678901234567890,"signature":"x","thinking":"a","type":"thinking"}`}},
		"UnknownBlock":    {Stream: call(opened(0, fields{"type": "fallback_notice", "from": "m"}), closed(0)), Calls: n1, Next: []string{`{"from":"m","type":"fallback_notice"},{"id":"t1"`}},
		"Long":            {Stream: call(opened(0, thought("", "")), mused(0, strings.Repeat("hm ", 20_000)), signed(0, "x")), Calls: n1, Next: []string{`hm hm hm ","type":"thinking"}`}},
		"TooLong":         {Stream: call(opened(0, thought("", "")), mused(0, strings.Repeat("hm ", 50_000)), signed(0, "x")), Calls: n1, Not: []string{"hm "}},
		"TagsAreNot":      {Stream: call(opened(0, text("")), told(0, "<think>hm</think>\nWell"), closed(0)), Reply: "Well", Calls: n1, Next: []string{`{"text":"Well","type":"text"},{"id":"t1"`}},
		"TextAfterCall":   {Stream: streaming("tool_use", append(use, opened(3, thought("a", "x")), closed(3), opened(4, text("Well")))...), Reply: "Well", Calls: n1, Not: []string{"no result"}},
		"NoThoughtsNoBag": {Stream: call(opened(0, text("Well"))), Reply: "Well", Calls: n1, Not: []string{"thinking"}},
	})
}

// The setting thoughts: keep leaves the tags in.
func TestThoughtsAreKept(t *testing.T) {
	t.Parallel()
	e := newExecutor(t, serve(t, func(w http.ResponseWriter, _ *http.Request, c call) {
		speak(w, c, "<think>hm</think> Well")
	}), func(c *anthropic.Config) { c.Thoughts = executors.KeepThoughts })
	res, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
	require.NoError(t, err)
	require.Equal(t, "<think>hm</think> Well", res.Message.Text())
}
