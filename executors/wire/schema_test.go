package wire_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/executors/wire"
)

// compile returns the schema, or the part of it that defines one thing.
func compile(t *testing.T, definition string) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(wire.Schema()))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	require.NoError(t, c.AddResource(wire.SchemaID, doc))
	url := wire.SchemaID
	if definition != "" {
		url += "#/$defs/" + definition
	}
	s, err := c.Compile(url)
	require.NoError(t, err)
	return s
}

func validate(t *testing.T, s *jsonschema.Schema, data []byte) error {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	require.NoError(t, err, "%s", data)
	return s.Validate(doc)
}

// Whatever we send keeps to the schema.
func TestRequestsKeepToTheSchema(t *testing.T) {
	t.Parallel()
	schema := compile(t, "request")
	opening := executortest.Request("c1", "")
	opening.Messages, opening.New = nil, 0
	all := executortest.Request("c2", "Hi")
	all.Conversation = conversation.Ref{Platform: "onerun", Project: "p", Simulation: "s", Agent: "a", ID: "c2"}
	all.State, all.Turn, all.Attempt = json.RawMessage(`{"thread": 7}`), 3, 2
	all.Messages = append(all.Messages,
		conversation.Message{Role: conversation.RoleAssistant, Time: time.Now(), Parts: []conversation.Part{
			{Type: conversation.PartText, Text: "I look."},
			{Type: conversation.PartToolCall, ToolCall: &conversation.ToolCall{ID: "t1", Name: "find", Arguments: json.RawMessage(`{"a":1}`)}},
		}},
		conversation.Message{Role: conversation.RoleTool, Parts: []conversation.Part{
			{Type: conversation.PartToolResult, ToolResult: &conversation.ToolResult{CallID: "t1", Content: "found"}},
		}},
		conversation.Message{Role: conversation.RoleUser, Parts: []conversation.Part{{Type: conversation.PartData, Data: json.RawMessage(`[1]`)}}},
		conversation.Message{Role: conversation.RoleSystem},
	)
	for name, req := range map[string]executors.Request{"Opening": opening, "Simple": executortest.Request("c", "Hi"), "Everything": all} {
		for _, send := range []wire.Send{wire.SendAll, wire.SendNew} {
			t.Run(name+"/"+string(send), func(t *testing.T) {
				t.Parallel()
				out := wire.NewRequest(req, send)
				out.ID, out.Attach = "1", json.RawMessage(`"run-1"`)
				data, err := json.Marshal(out)
				require.NoError(t, err)
				require.NoError(t, validate(t, schema, data), "%s", data)
			})
		}
	}
}

func TestRequestCarriesWhatIsAskedFor(t *testing.T) {
	t.Parallel()
	req := executortest.Request("c1", "one")
	req.Messages = append(req.Messages, conversation.Text(conversation.RoleAssistant, "two"), conversation.Text(conversation.RoleUser, "three"))
	require.Len(t, wire.NewRequest(req, wire.SendAll).Messages, 3)
	only := wire.NewRequest(req, wire.SendNew)
	require.Len(t, only.Messages, 1)
	require.Equal(t, "three", only.Messages[0].Text)
	require.Equal(t, 1, only.New)

	data := wire.NewRequest(executors.Request{Messages: []conversation.Message{{Parts: []conversation.Part{
		{Type: conversation.PartText, Text: "Look:"}, {Type: conversation.PartData, Data: json.RawMessage(`{"a":1}`)},
	}}}}, wire.SendAll)
	require.Equal(t, "Look:\n\n{\"a\":1}", data.Messages[0].Text, "data is text for those who read no parts")
}

// What we read and what the schema says is the same.
func TestFramesAndSchemaAgree(t *testing.T) {
	t.Parallel()
	schema := compile(t, "frame")
	for name, c := range map[string]struct {
		frame string
		valid bool
	}{
		"Text":         {`{"message": "Hello"}`, true},
		"Whole":        {`{"id":"1","message":{"role":"assistant","parts":[{"type":"text","text":"Hi"}]},"state":{"a":1},"usage":{"input_tokens":3,"output_tokens":2,"cached_input_tokens":1,"calls":2},"model":"m","provider":"p","finish_reason":"stop","end":false}`, true},
		"ShortMessage": {`{"message": {"text": "Hello"}}`, true},
		"Delta":        {`{"delta": ""}`, true},
		"Attach":       {`{"attach": "run-1"}`, true},
		"Ready":        {`{"ready": true}`, true},
		"EndsSilently": {`{"end": true, "message": null}`, true},
		"Error":        {`{"error": {"kind": "RateLimited", "message": "slow", "retry_after": 1.5, "remedy": "wait"}}`, true},
		"UnknownField": {`{"message": "Hello", "mood": "good"}`, true},
		"Nothing":      {`{}`, false},
		"OtherKind":    {`{"error": {"kind": "Claimed", "message": "m"}}`, false},
		"OddMessage":   {`{"message": 7}`, false},
		"OddDelta":     {`{"delta": {"text": "a"}}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := validate(t, schema, []byte(c.frame))
			if !c.valid {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			_, err = wire.ParseFrame([]byte(c.frame))
			require.NoError(t, err)
		})
	}
}

var jsonBlock = regexp.MustCompile("(?s)```json\n(.*?)```")

// The documentation's examples keep to the schema. They may have several lines,
// as programs write them.
func TestDocumentationKeepsToTheSchema(t *testing.T) {
	t.Parallel()
	schema := compile(t, "")
	found := 0
	pages, err := filepath.Glob("../../docs/executors/*.md")
	require.NoError(t, err)
	for _, page := range pages {
		if base := filepath.Base(page); base != "http.md" && base != "command.md" {
			continue
		}
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, block := range jsonBlock.FindAllStringSubmatch(string(text), -1) {
			dec := json.NewDecoder(strings.NewReader(block[1]))
			for dec.More() {
				var doc json.RawMessage
				require.NoError(t, dec.Decode(&doc), "%s: %s", page, block[1])
				require.NoError(t, validate(t, schema, doc), "%s: %s", page, doc)
				found++
			}
		}
	}
	require.Greater(t, found, 10, "the examples are found")
}
