package gemini_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/executors/gemini"
	"github.com/parley-run/parley/executors/internal/modeltest"
)

type (
	variant  = modeltest.Variant
	variants = map[string]variant
)

const way = "It is on its way."

// chunk is a piece of an answer with these parts, given as JSON. An empty finish leaves
// the finishReason out.
func chunk(finish string, parts ...string) string {
	c := fields{"index": 0, "content": fields{"role": "model", "parts": json.RawMessage("[" + strings.Join(parts, ",") + "]")}}
	if finish != "" {
		c["finishReason"] = finish
	}
	return modeltest.JSON(fields{
		"candidates": []any{c}, "modelVersion": "test-1-0601",
		"usageMetadata": fields{"promptTokenCount": 12, "cachedContentTokenCount": 8, "candidatesTokenCount": 3, "thoughtsTokenCount": 2, "totalTokenCount": 17},
	})
}

func told(s string) string { return modeltest.JSON(text(s)) }

func stream(chunks ...string) []string {
	var out []string
	for _, c := range chunks {
		out = append(out, event(c))
	}
	return out
}

// What servers and proxies say, and what of it is for the persona.
func TestVariantsOfTexts(t *testing.T) {
	t.Parallel()
	one, two := chunk("", told("It is on ")), chunk("STOP", told("its way."))
	ok := strings.Join(stream(one, two), "\n\n") + "\n\n"
	usage := func(json string) string {
		return `{"candidates":[{"content":{"parts":[` + told(way) + `]}}],"usageMetadata":` + json + `}`
	}
	vendor.Variants(t, variants{
		"AsDocumented":       {Raw: ok, Reply: way, Usage: known, Finish: executors.FinishStop},
		"CarriageReturns":    {Raw: strings.ReplaceAll(ok, "\n", "\r\n"), Reply: way},
		"OnlyReturns":        {Raw: strings.ReplaceAll(ok, "\n", "\r"), Reply: way},
		"NoSpace":            {Raw: strings.ReplaceAll(ok, "data: ", "data:"), Reply: way},
		"ByteOrderMark":      {Raw: "\ufeff" + ok, Reply: way},
		"NoLastBlankLine":    {Raw: strings.TrimSpace(ok), Reply: way},
		"Named":              {Raw: strings.ReplaceAll(ok, "data: ", "event: message\nid: 7\ndata: "), Reply: way},
		"Comments":           {Raw: ": PROCESSING\n\n" + ok + ":\n\n", Reply: way},
		"DataInLines":        {Raw: strings.ReplaceAll(ok, `"modelVersion"`, "\ndata: \"modelVersion\""), Reply: way},
		"Done":               {Raw: ok + "data: [DONE]\n\n", Reply: way},
		"MarkedAsText":       {Raw: ok, Type: "text/plain", Reply: way},
		"MarkedAsJSON":       {Raw: ok, Type: "application/json", Reply: way},
		"List":               {Body: "[" + one + ",\n" + two + "]", Reply: way, Usage: known},
		"ListAsEvents":       {Raw: "[" + one + "\n,\n" + two + "\n]\n", Reply: way, Usage: known},
		"ListUnasked":        {Body: "[" + one + ",\n" + two + "]", Whole: true, Reply: way, Usage: known},
		"Lines":              {Raw: one + "\n" + two + "\n", Reply: way, Usage: known},
		"LinesAsJSON":        {Body: one + "\n" + two + "\n", Type: "application/x-ndjson", Reply: way},
		"StreamUnasked":      {Raw: ok, Whole: true, Reply: way, Usage: known},
		"WholeInPlace":       {Body: chunk("STOP", told(way)), Reply: way, Usage: known},
		"WholeAsEvents":      {Body: chunk("STOP", told(way)), Type: "text/event-stream", Reply: way, Usage: known},
		"Wrapped":            {Stream: stream(`{"response":`+one+`}`, `{"response":`+two+`}`), Reply: way, Usage: known},
		"SnakeCase":          {Stream: stream(strings.NewReplacer("finishReason", "finish_reason", "usageMetadata", "usage_metadata", "modelVersion", "model_version", "promptTokenCount", "prompt_token_count", "cachedContentTokenCount", "cached_content_token_count", "candidatesTokenCount", "candidates_token_count", "thoughtsTokenCount", "thoughts_token_count").Replace(chunk("STOP", told(way)))), Reply: way, Usage: known},
		"StopOnEachChunk":    {Stream: stream(chunk("STOP", told("It is on ")), chunk("STOP", told("its way."))), Reply: way},
		"StopAlone":          {Stream: stream(chunk("", told(way)), `{"candidates":[{"finishReason":"STOP"}]}`), Reply: way},
		"StopUnspecified":    {Stream: stream(chunk("FINISH_REASON_UNSPECIFIED", told("It is on ")), two), Reply: way},
		"StopAsNumber":       {Body: strings.Replace(chunk("STOP", told(way)), `"STOP"`, `1`, 1), Reply: way, Finish: executors.FinishStop},
		"StopAsEnum":         {Body: chunk("FinishReason.MAX_TOKENS", told(way)), Reply: way, Finish: executors.FinishLength},
		"UsageAlone":         {Stream: stream(`{"candidates":[{"content":{"parts":[`+told(way)+`]},"finishReason":"STOP"}]}`, `{"usageMetadata":{"promptTokenCount":12,"candidatesTokenCount":5}}`), Reply: way, Usage: conversation.Usage{InputTokens: 12, OutputTokens: 5, Calls: 1}},
		"UsageNull":          {Body: usage(`null`), Reply: way, Usage: conversation.Usage{Calls: 1}},
		"UsageInQuotes":      {Body: usage(`{"promptTokenCount":"12","candidatesTokenCount":5.0}`), Reply: way, Usage: conversation.Usage{InputTokens: 12, OutputTokens: 5, Calls: 1}},
		"UsageSum":           {Body: usage(`{"promptTokenCount":12,"totalTokenCount":17}`), Reply: way, Usage: conversation.Usage{InputTokens: 12, OutputTokens: 5, Calls: 1}},
		"UsageNegative":      {Body: usage(`{"promptTokenCount":-12,"candidatesTokenCount":5}`), Reply: way, Usage: conversation.Usage{OutputTokens: 5, Calls: 1}},
		"NoFinishReason":     {Stream: stream(one, chunk("", told("its way."))), Reply: way, Finish: executors.FinishStop, Usage: known},
		"NoFinishDone":       {Stream: append(stream(chunk("", told(way))), "data: [DONE]"), Reply: way},
		"NoFinishWhole":      {Body: chunk("", told(way)), Whole: true, Reply: way},
		"OtherCandidates":    {Stream: stream(strings.Replace(chunk("STOP", told("Another answer")), `"index":0`, `"index":1`, 1), one, two), Reply: way},
		"OtherFirst":         {Body: `{"candidates":[{"index":1,"content":{"parts":[{"text":"no"}]}},{"index":0,"content":{"parts":[` + told(way) + `]},"finishReason":"STOP"}]}`, Reply: way},
		"NoIndex":            {Body: `{"candidates":[{"content":{"parts":[` + told(way) + `]},"finishReason":"STOP"}]}`, Reply: way},
		"PartsAsOne":         {Body: `{"candidates":[{"content":{"parts":` + told(way) + `},"finishReason":"STOP"}]}`, Reply: way},
		"PartAsText":         {Body: `{"candidates":[{"content":{"parts":["` + way + `"]},"finishReason":"STOP"}]}`, Reply: way},
		"NullAmongParts":     {Body: chunk("STOP", "null", told(way)), Reply: way},
		"EmptyPart":          {Body: chunk("STOP", "{}", told(way)), Reply: way},
		"Thought":            {Stream: stream(chunk("", `{"text":"the order","thought":true}`), one, two), Reply: way},
		"ThoughtInQuotes":    {Stream: stream(chunk("", `{"text":"the order","thought":"true"}`), one, two), Reply: way},
		"ThoughtFalse":       {Body: chunk("STOP", `{"text":"`+way+`","thought":false}`), Reply: way},
		"ThinkTags":          {Stream: stream(chunk("", told("<thi")), chunk("", told("nk>the order</thi")), chunk("", told("nk>\n\nIt is on ")), two), Reply: way},
		"ThinkTagsWhole":     {Body: chunk("STOP", told("<think>the order</think>\n"+way)), Reply: way},
		"OnlyThoughts":       {Body: chunk("STOP", `{"text":"the order","thought":true}`), Kind: conversation.Unavailable, Usage: known},
		"OnlyThoughtsAtMax":  {Body: chunk("MAX_TOKENS", `{"text":"the order","thought":true}`), Kind: conversation.Invalid, Text: "raise max_output_tokens"},
		"NothingAtMax":       {Stream: stream(`{"candidates":[{"finishReason":"MAX_TOKENS"}],"usageMetadata":{"promptTokenCount":12,"thoughtsTokenCount":5}}`), Kind: conversation.Invalid, Text: "raise max_output_tokens", Usage: conversation.Usage{InputTokens: 12, OutputTokens: 5, Calls: 1}},
		"CodeIsNot":          {Body: chunk("STOP", `{"executableCode":{"language":"PYTHON","code":"print(1)"}}`, `{"codeExecutionResult":{"outcome":"OUTCOME_OK","output":"1"}}`, `{"inlineData":{"mimeType":"image/png","data":"AA=="}}`, told(way)), Reply: way},
		"PairInTwoPieces":    {Raw: `data: {"candidates":[{"content":{"parts":[{"text":"ok \ud83d"}]}}]}` + "\n\n" + `data: {"candidates":[{"content":{"parts":[{"text":"\ude42"}]},"finishReason":"STOP"}]}` + "\n\n", Reply: "ok 🙂"},
		"ErrorNull":          {Body: strings.Replace(chunk("STOP", told(way)), `{`, `{"error":null,`, 1), Reply: way},
		"ErrorNullInEvents":  {Stream: stream(strings.Replace(chunk("STOP", told(way)), `{`, `{"error":null,`, 1)), Reply: way},
		"Blocked":            {Stream: stream(`{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"},"usageMetadata":{"promptTokenCount":12}}`), Kind: conversation.Refused, Text: "PROHIBITED_CONTENT", Usage: conversation.Usage{InputTokens: 12, Calls: 1}},
		"BlockedSnakeCase":   {Body: `{"prompt_feedback":{"block_reason":"SAFETY"}}`, Kind: conversation.Refused, Text: "SAFETY"},
		"BlockedUnspecified": {Body: strings.Replace(chunk("STOP", told(way)), `{`, `{"promptFeedback":{"blockReason":"BLOCKED_REASON_UNSPECIFIED"},`, 1), Reply: way},
		"FeedbackOnly":       {Body: strings.Replace(chunk("STOP", told(way)), `{`, `{"promptFeedback":{"safetyRatings":[]},`, 1), Reply: way},
		"NoCandidates":       {Stream: stream(`{"usageMetadata":{"promptTokenCount":12}}`), Kind: conversation.Unavailable},
		"Empty":              {Stream: stream(chunk("STOP")), Kind: conversation.Unavailable, Text: "the answer is empty", Usage: known},
		"PlainErrorMidway":   {Raw: event(one) + "\n\nupstream connect error\n", Kind: conversation.Unavailable, Text: "upstream connect error"},
		"ErrorInText":        {Stream: []string{event(one), "event: error\ndata: Internal server error"}, Kind: conversation.Unavailable, Text: "Internal server error"},
		"TextInPlace":        {Body: "upstream connect error or disconnect/reset before headers", Type: "text/plain", Whole: true, Kind: conversation.Unavailable, Text: "upstream connect error"},
		"SignsOfLife":        {Stream: append([]string{"data: ping", "data: \"ok\"", "data: 1"}, stream(one, two)...), Reply: way, Usage: known},
		"ErrorInAList":       {Body: "[" + apiError(429, "RESOURCE_EXHAUSTED", "slow down", exceeded(perMinute)) + "]", Kind: conversation.RateLimited, Text: "slow down"},
		"ErrorLaterInAList":  {Raw: "[" + one + ",\n" + apiError(503, "UNAVAILABLE", "overloaded") + "]\n", Kind: conversation.Unavailable, Text: "overloaded"},
	})
}

// Why the model stopped.
func TestVariantsOfStops(t *testing.T) {
	t.Parallel()
	rows := variants{}
	for kind, words := range map[conversation.Kind]string{
		conversation.Refused: "SAFETY RECITATION LANGUAGE BLOCKLIST PROHIBITED_CONTENT SPII IMAGE_SAFETY MODEL_ARMOR content_filter",
		conversation.Unavailable: "OTHER MALFORMED_FUNCTION_CALL UNEXPECTED_TOOL_CALL TOO_MANY_TOOL_CALLS MALFORMED_RESPONSE MISSING_THOUGHT_SIGNATURE " +
			"CONTINUATION NO_IMAGE SOMETHING_NEW error",
	} {
		for word := range strings.FieldsSeq(words) {
			rows[word] = variant{Stream: stream(chunk("", told("Your order number")), chunk(word, told(" 1042 will"))), Kind: kind, Text: word, Usage: known}
			rows[word+"Whole"] = variant{Body: chunk(word, told("Your order number 1042 will")), Whole: true, Kind: kind, Text: word, Usage: known}
			rows[word+"Empty"] = variant{Body: chunk(word), Kind: kind, Text: word, Usage: known}
		}
	}
	for finish, words := range map[executors.FinishReason]string{
		executors.FinishStop: "STOP stop end_turn tool_calls", executors.FinishLength: "MAX_TOKENS length",
	} {
		for word := range strings.FieldsSeq(words) {
			rows[word] = variant{Stream: stream(chunk(word, told(way))), Reply: way, Finish: finish, Usage: known}
			rows[word+"Whole"] = variant{Body: chunk(word, told(way)), Whole: true, Reply: way, Finish: finish, Usage: known}
		}
	}
	vendor.Variants(t, rows)
}

// Calls of tools, and what goes back with their results.
func TestVariantsOfCalls(t *testing.T) {
	t.Parallel()
	call := func(id, args, more string) string {
		f := `"name":"find"`
		if id != "" {
			f = `"id":"` + id + `",` + f
		}
		if args != "" {
			f += `,"args":` + args
		}
		return `{"functionCall":{` + f + `}` + more + `}`
	}
	const (
		derived = "call_04438816445db544_"
		sig     = `,"thoughtSignature":"a+b/c_-="`
		back    = `"thoughtSignature":"a+b/c_-="`
	)
	n1 := []string{`f1 find {"n":1}`}
	big := []string{`f1 find {"id":9007199254740993,"x":1.10,"y":12345678901234567890}`}
	first := `{"functionCall":{"args":{"n":1},"id":"f1","name":"find"},` + back + `}`
	vendor.Variants(t, variants{
		"AsDocumented":    {Stream: stream(chunk("STOP", call("f1", `{"n":1}`, ""))), Calls: n1, Finish: executors.FinishToolCall, Usage: known, Not: []string{"thoughtSignature"}},
		"Digits":          {Stream: stream(chunk("STOP", call("f1", `{"id":9007199254740993,"x":1.10,"y":12345678901234567890}`, ""))), Calls: big, Next: []string{`"args":{"id":9007199254740993,"x":1.10,"y":12345678901234567890}`}},
		"DigitsWhole":     {Body: chunk("STOP", call("f1", `{"id":9007199254740993,"x":1.10,"y":12345678901234567890}`, "")), Whole: true, Calls: big, Next: []string{`"id":9007199254740993`}},
		"NoArgs":          {Stream: stream(chunk("STOP", call("f1", "", ""))), Calls: []string{`f1 find {}`}},
		"ArgsNull":        {Stream: stream(chunk("STOP", call("f1", "null", ""))), Calls: []string{`f1 find {}`}},
		"ArgsAsText":      {Stream: stream(chunk("STOP", call("f1", `"{\"n\":1}"`, ""))), Calls: n1, Next: []string{`"args":{"n":1}`}},
		"ArgsEmptyText":   {Stream: stream(chunk("STOP", call("f1", `""`, ""))), Calls: []string{`f1 find {}`}},
		"ArgsTwice":       {Stream: stream(chunk("STOP", call("f1", `"\"{\\\"n\\\":1}\""`, ""))), Calls: n1},
		"ArgsNoObject":    {Stream: stream(chunk("STOP", call("f1", `[1,2]`, ""))), Calls: []string{`f1 find [1,2]`}, Next: []string{`"args":{"arguments":[1,2]}`}},
		"OverChunks":      {Stream: stream(chunk("", told("Let me see.")), chunk("", call("f1", `{"n":1}`, "")), chunk("", call("f2", `{"n":2}`, "")), chunk("STOP")), Reply: "Let me see.", Calls: []string{`f1 find {"n":1}`, `f2 find {"n":2}`}},
		"StopOnEach":      {Stream: stream(chunk("STOP", call("f1", `{"n":1}`, "")), chunk("STOP", call("f2", `{"n":2}`, ""))), Calls: []string{`f1 find {"n":1}`, `f2 find {"n":2}`}},
		"NoIDs":           {Stream: stream(chunk("STOP", call("", `{"n":1}`, ""), call("", `{"n":1}`, ""))), Calls: []string{derived + `1 find {"n":1}`, derived + `2 find {"n":1}`}},
		"SameIDs":         {Stream: stream(chunk("STOP", call("f1", `{"n":1}`, ""), call("f1", `{"n":2}`, ""))), Calls: []string{`f1 find {"n":1}`, derived + `2 find {"n":2}`}},
		"CameTwice":       {Stream: stream(chunk("", call("f1", `{"n":1}`, sig)), chunk("STOP", call("f1", `{"n":1}`, ""))), Calls: []string{`f1 find {"n":1}`, derived + `2 find {"n":1}`}, Next: []string{first}},
		"SnakeCase":       {Stream: stream(chunk("STOP", `{"function_call":{"id":"f1","name":"find","args":{"n":1}},"thought_signature":"a+b/c_-="}`)), Calls: n1, Next: []string{first}},
		"NoFinish":        {Stream: stream(chunk("", call("f1", `{"n":1}`, ""))), Calls: n1, Finish: executors.FinishToolCall},
		"OddFinish":       {Stream: stream(chunk("tool_calls", call("f1", `{"n":1}`, ""))), Calls: n1},
		"Nameless":        {Stream: stream(chunk("STOP", `{"functionCall":{"args":{}}}`)), Kind: conversation.Unavailable, Text: "without a name"},
		"Malformed":       {Stream: stream(chunk("MALFORMED_FUNCTION_CALL", told("call:find{n:1"))), Kind: conversation.Unavailable, Text: "MALFORMED_FUNCTION_CALL"},
		"AtMax":           {Stream: stream(chunk("MAX_TOKENS", call("f1", `{"n":1}`, ""))), Kind: conversation.Invalid, Text: "raise max_output_tokens"},
		"Signed":          {Stream: stream(chunk("STOP", call("f1", `{"n":1}`, sig))), Calls: n1, Next: []string{first}},
		"FirstSigned":     {Stream: stream(chunk("STOP", call("f1", `{"n":1}`, sig), call("f2", `{"n":2}`, ""))), Calls: []string{`f1 find {"n":1}`, `f2 find {"n":2}`}, Next: []string{first + `,{"functionCall":{"args":{"n":2},"id":"f2","name":"find"}}`}},
		"TextSigned":      {Stream: stream(chunk("", `{"text":"Let me "`+sig+`}`), chunk("", told("see")), chunk("", told(".")), chunk("STOP", call("f1", `{"n":1}`, ""))), Reply: "Let me see.", Calls: n1, Next: []string{`{"text":"Let me ",` + back + `},{"text":"see."},{"functionCall":{"args":{"n":1},"id":"f1","name":"find"}}`}},
		"EndSigned":       {Stream: stream(chunk("", call("f1", `{"n":1}`, "")), chunk("STOP", `{"text":""`+sig+`}`)), Calls: n1, Next: []string{`{"functionCall":{"args":{"n":1},"id":"f1","name":"find"}},{"text":"",` + back + `}`}},
		"ThoughtUnsigned": {Stream: stream(chunk("", `{"text":"the order","thought":true}`), chunk("STOP", call("f1", `{"n":1}`, sig))), Calls: n1, Next: []string{first}, Not: []string{"the order"}},
		"ThoughtSigned":   {Stream: stream(chunk("", `{"text":"the order","thought":true`+sig+`}`), chunk("STOP", call("f1", `{"n":1}`, ""))), Calls: n1, Next: []string{`{"text":"the order","thought":true,` + back + `}`}},
		"OtherParts":      {Stream: stream(chunk("", `{"toolCall":{"id":"s1","args":{"id":9007199254740993}}`+sig+`}`), chunk("STOP", call("f1", `{"n":1}`, ""))), Calls: n1, Next: []string{`{` + back + `,"toolCall":{"id":"s1","args":{"id":9007199254740993}}}`}},
		"TagsAreNot":      {Stream: stream(chunk("", told("<think>the order</think>Well")), chunk("STOP", call("f1", `{"n":1}`, sig))), Reply: "Well", Calls: n1, Next: []string{back}},
		"SignatureAlone":  {Stream: stream(chunk("", call("f1", `{"n":1}`, "")), chunk("STOP", `{"thoughtSignature":"a+b/c_-="}`, `{"thought":false}`, `{}`, `null`)), Calls: n1, Next: []string{`"name":"find"}},{"text":"",` + back + `}]}`}},
		"TooLongInTheEnd": {Stream: stream(chunk("", told("Well")), chunk("", call("f1", `{"n":1}`, sig)), chunk("STOP", `{"inlineData":{"data":"`+strings.Repeat("x", 130<<10)+`"}}`)), Reply: "Well", Calls: n1, Not: []string{back, "xxxx"}, Next: []string{`{"text":"Well"}`, `"c2tpcF90`}},
		"TooLong":         {Stream: stream(chunk("", `{"text":"x","thoughtSignature":"`+strings.Repeat("x", 130<<10)+`"}`), chunk("STOP", call("f1", `{"n":1}`, sig))), Reply: "x", Calls: n1, Not: []string{back, "xxxx"}, Next: []string{`"thoughtSignature":"c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="`}},
	})
}

// The setting thoughts: keep leaves the tags in. Parts that are thoughts are never said.
func TestThoughtsAreKept(t *testing.T) {
	t.Parallel()
	e := newExecutor(t, serve(t, func(w http.ResponseWriter, _ *http.Request, c call) {
		speak(w, c, "<think>hm</think> Well")
	}), func(c *gemini.Config) { c.Thoughts = executors.KeepThoughts })
	res, err := e.Execute(t.Context(), executortest.Request("c1", "Hi"))
	require.NoError(t, err)
	require.Equal(t, "<think>hm</think> Well", res.Message.Text())
}
