package gemini_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/gemini"
	"github.com/parley-run/parley/executors/internal/modeltest"
)

type fields = map[string]any

func function(id, name, args string, signature []byte) fields {
	f := fields{"name": name}
	if id != "" {
		f["id"] = id
	}
	if args != "" {
		f["args"] = json.RawMessage(args)
	}
	p := fields{"functionCall": f}
	if signature != nil {
		p["thoughtSignature"] = signature
	}
	return p
}

func text(s string) fields { return fields{"text": s} }

// answerWith gives the parts, one in an event if asked to stream.
func answerWith(w http.ResponseWriter, c call, finish string, all ...fields) {
	if c.Stream {
		var events []string
		for _, p := range all {
			events = append(events, event(parts(p)))
		}
		modeltest.WriteEvents(w, append(events, event(piece("", finish)))...)
		return
	}
	var whole struct {
		Candidates    []fields `json:"candidates"`
		UsageMetadata any      `json:"usageMetadata"`
		ModelVersion  string   `json:"modelVersion"`
	}
	_ = json.Unmarshal([]byte(piece("", finish)), &whole)
	whole.Candidates[0]["content"] = fields{"role": "model", "parts": all}
	modeltest.WriteJSON(w, http.StatusOK, modeltest.JSON(whole))
}

var weather = conversation.Tool{
	Name: "weather", Description: "The weather.",
	Schema: json.RawMessage(`{"$schema":"x","type":"object","properties":{"z":{"type":"string"}},"required":["z"]}`),
}

func TestToolCalls(t *testing.T) {
	t.Parallel()
	part, words := modeltest.Call, modeltest.TextPart("Let me see.")
	type list = []conversation.Part
	for name, c := range map[string]struct {
		parts  []fields
		finish string
		want   list
		kind   conversation.Kind
		text   string
	}{
		"One":          {[]fields{function("f1", "weather", `{"z":"Ulm"}`, nil)}, "STOP", list{part("f1", "weather", `{"z":"Ulm"}`)}, "", ""},
		"Namespace":    {[]fields{function("f1", "default_api.weather", `{}`, nil)}, "STOP", list{part("f1", "weather", `{}`)}, "", ""},
		"NoArguments":  {[]fields{function("f1", "weather", "", nil)}, "STOP", list{part("f1", "weather", `{}`)}, "", ""},
		"TextBeside":   {[]fields{text("Let me "), text("see."), function("f1", "weather", `{}`, nil)}, "STOP", list{words, part("f1", "weather", `{}`)}, "", ""},
		"Parallel":     {[]fields{function("f1", "weather", `{"z":"a"}`, nil), function("f2", "weather", `{"z":"b"}`, nil)}, "STOP", list{part("f1", "weather", `{"z":"a"}`), part("f2", "weather", `{"z":"b"}`)}, "", ""},
		"NoIDs":        {[]fields{function("", "weather", `{}`, nil), function("", "weather", `{}`, nil)}, "STOP", list{part("call_04438816445db544_1", "weather", `{}`), part("call_04438816445db544_2", "weather", `{}`)}, "", ""},
		"SameID":       {[]fields{function("f1", "weather", `{}`, nil), function("f1", "weather", `{"z":"a"}`, nil)}, "STOP", list{part("f1", "weather", `{}`), part("call_04438816445db544_2", "weather", `{"z":"a"}`)}, "", ""},
		"CutOff":       {[]fields{function("f1", "weather", `{}`, nil)}, "MAX_TOKENS", nil, conversation.Invalid, "while calling tools (raise max_output_tokens"},
		"Malformed":    {[]fields{text("Well")}, "MALFORMED_FUNCTION_CALL", nil, conversation.Unavailable, "the model broke off"},
		"Filtered":     {[]fields{function("f1", "weather", `{}`, nil)}, "SAFETY", nil, conversation.Refused, ""},
		"Nameless":     {[]fields{function("f1", "", `{}`, nil)}, "STOP", nil, conversation.Unavailable, "without a name"},
		"TooManyBytes": {[]fields{function("f1", "weather", `{"z":"`+strings.Repeat("x", 5000)+`"}`, nil)}, "STOP", nil, conversation.Invalid, "larger than allowed"},
	} {
		for mode, change := range modes {
			t.Run(name+"/"+mode, func(t *testing.T) {
				t.Parallel()
				e := newExecutor(t, serve(t, func(w http.ResponseWriter, _ *http.Request, got call) {
					answerWith(w, got, c.finish, c.parts...)
				}), func(cfg *gemini.Config) {
					cfg.MaxReplyBytes = 4000
					if change != nil {
						change(cfg)
					}
				})
				req := modeltest.Offering("Hi", weather)
				for range 2 { // another attempt gives the same ids
					res, err := e.Execute(t.Context(), req)
					if c.kind != "" {
						require.True(t, conversation.IsKind(err, c.kind), "%v", err)
						require.ErrorContains(t, err, c.text)
						return
					}
					require.NoError(t, err)
					require.Equal(t, executors.FinishToolCall, res.FinishReason)
					require.Equal(t, conversation.RoleAssistant, res.Message.Role)
					require.Equal(t, c.want, res.Message.Parts)
					require.Equal(t, known, res.Usage)
					req.Attempt++
				}
			})
		}
	}
}

func TestToolRounds(t *testing.T) {
	t.Parallel()
	const skip = "skip_thought_signature_validator"
	long := strings.Repeat("s", 90<<10)
	for name, c := range map[string]struct {
		signature string
		want      string
	}{
		"Kept":    {"sig1", "sig1"},
		"Long":    {long, long},
		"TooLong": {strings.Repeat("s", 100<<10), skip}, // as base64
	} {
		for mode, change := range modes {
			t.Run(name+"/"+mode, func(t *testing.T) {
				t.Parallel()
				calls := make(chan call, 1)
				e := newExecutor(t, serve(t, func(w http.ResponseWriter, _ *http.Request, got call) {
					calls <- got
					if len(got.Body.Contents) == 1 {
						answerWith(w, got, "STOP", text("Let me see."), function("f1", "weather", `{"z":"Ulm"}`, []byte(c.signature)), function("f2", "weather", "", nil))
						return
					}
					speak(w, got, "It rains.")
				}), func(cfg *gemini.Config) {
					cfg.Extra = map[string]any{"toolConfig": map[string]any{"functionCallingConfig": map[string]any{"mode": "AUTO", "streamFunctionCallArguments": true}}}
					if change != nil {
						change(cfg)
					}
				})
				req := modeltest.Offering("Hi", weather, conversation.Tool{Name: "other", Schema: json.RawMessage(`{"type":"object","properties":{}}`)})
				res, err := e.Execute(t.Context(), req)
				require.NoError(t, err)
				require.Nil(t, res.State)
				first := <-calls
				require.JSONEq(t, `[{"functionDeclarations":[
					{"name":"weather","description":"The weather.","parametersJsonSchema":{"type":"object","properties":{"z":{"type":"string"}},"required":["z"]}},
					{"name":"other"}]}]`, modeltest.JSON(first.Body.Tools))
				require.Equal(t, map[string]any{"functionCallingConfig": map[string]any{"mode": "AUTO"}}, first.Body.ToolConfig)

				req = modeltest.Called(req, res, conversation.ToolResult{CallID: "f2", Content: "sun"}, conversation.ToolResult{CallID: "f1", Content: "no", IsError: true})
				want := []string{
					"user: Hi", "model: Let me see.", `model: call {"args":{"z":"Ulm"},"id":"f1","name":"weather"} ` + c.want,
				}
				switch {
				case c.want == skip:
					want = append(want, `model: call {"id":"f2","name":"weather"} `+skip)
				case change == nil: // the end of the stream is signed too
					want = append(want, `model: call {"id":"f2","name":"weather"} `, "model: ")
				default:
					want = append(want, `model: call {"id":"f2","name":"weather"} `)
				}
				want = append(want,
					`user: result {"id":"f1","name":"weather","response":{"error":"no"}}`, `user: result {"id":"f2","name":"weather","response":{"output":"sun"}}`,
				)
				res, err = e.Execute(t.Context(), req)
				require.NoError(t, err)
				require.Equal(t, "It rains.", res.Message.Text())
				require.Equal(t, want, (<-calls).lines())
				require.Nil(t, res.Message.State)

				req.Tools = nil
				_, err = e.Execute(t.Context(), req)
				require.NoError(t, err)
				last := <-calls
				require.Equal(t, want, last.lines())
				require.Nil(t, last.Body.Tools)
				require.Nil(t, last.Body.ToolConfig)

				// Another model rejects the signatures.
				if state := req.Messages[1].State; state != nil {
					other := *state
					other.Model = "test-2"
					req.Messages[1].State = &other
				}
				_, err = e.Execute(t.Context(), req)
				require.NoError(t, err)
				require.Contains(t, (<-calls).lines()[2], skip)
			})
		}
	}
}

func TestCallsThatNobodyOffered(t *testing.T) {
	t.Parallel()
	e := newExecutor(t, serve(t, func(w http.ResponseWriter, _ *http.Request, c call) {
		answerWith(w, c, "STOP", text("Well."), function("f1", "weather", "", nil))
	}), nil)
	res, err := e.Execute(t.Context(), modeltest.Offering("Hi"))
	require.NoError(t, err)
	require.Equal(t, conversation.Text(conversation.RoleAssistant, "Well."), res.Message)
	require.Equal(t, executors.FinishStop, res.FinishReason)
	require.Nil(t, res.State)
}
