package translate_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/executors/internal/translate"
	"github.com/parley-run/parley/executors/wire"
	"github.com/parley-run/parley/internal/settings"
)

func request() executors.Request {
	return executors.Request{
		Conversation: conversation.Ref{Platform: "p", ID: "c1"}, Turn: 2, Attempt: 1, IdempotencyKey: "k",
		Messages: []conversation.Message{
			conversation.Text(conversation.RoleUser, "Hi"), conversation.Text(conversation.RoleAssistant, "Hello"),
			conversation.Text(conversation.RoleUser, `Any "<news>"?`), conversation.Text(conversation.RoleUser, "Well?"),
		},
		New: 2, State: json.RawMessage(`{"thread":7}`),
	}
}

// What a template makes of a request.
func TestBody(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ body, want string }{
		"Input":     {`{"a":  {{json .Input}}}`, `{"a":"Any \"<news>\"?\n\nWell?"}`},
		"Fields":    {`[{{json .Conversation.ID}}, {{json .Turn}}, {{.IdempotencyKey | json}}]`, `["c1",2,"k"]`},
		"Decoded":   {`[{{with .State}}{{json .thread}}{{else}}0{{end}}, {{with .Attach}}{{json .at}}{{else}}0{{end}}]`, `[7,"x"]`},
		"New":       {`[{{json (len .Messages)}}, {{json (len .NewMessages)}}]`, `[2,2]`},
		"SameUUID":  {`[{{json (eq (uuid "a") (uuid "a"))}}, {{json (eq (uuid "a") (uuid "b"))}}]`, `[true,false]`},
		"Branches":  {`[{{range $i, $m := .NewMessages}}{{if $i}},{{end}}{{if eq .Role "user"}}{{json .Text}}{{end}}{{end}}]`, `["Any \"<news>\"?","Well?"]`},
		"Templates": {`{{define "x"}}{{json .Turn}}{{end}}[{{template "x" .}}]`, `[2]`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var f settings.Faults
			b := translate.ParseBody(c.body, &f)
			require.NoError(t, f.Err())
			got, err := b.Make(request(), wire.SendNew, json.RawMessage(`{"at":"x"}`))
			require.NoError(t, err)
			require.Equal(t, c.want, string(got))
		})
	}
}

// What could make something other than JSON is a fault before it does.
func TestBodyFaults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ body, want string }{
		"Syntax":    {`{{json .Input}`, "request.body is no template: body:1: "},
		"Unknown":   {`{"a": {{json .Imput}}}`, "can't evaluate field Imput"},
		"NoJSON":    {`{"a": {{json .Input}}`, "request.body cannot be used where the agent speaks first: the output is not JSON"},
		"Unescaped": {`{"a": "{{.Input}}"}`, "is not safe in line 1: {{.Input}}"},
		"InElse":    {"{{if .State}}1{{else}}\n{{.Turn}}{{end}}", "is not safe in line 2: {{.Turn}}"},
		"InWith":    {`{{with .State}}{{.}}{{end}}1`, ": {{.}}: write {{json"},
		"InDefine":  {`{{define "x"}}{{.Turn}}{{end}}1`, ": {{.Turn}}: write {{json"},
		"NotLast":   {`{{json .Input | printf "%s"}}`, "is not safe"},
		"NoOpening": {`{"a": {{json (index .Messages 0).Text}}}`, "where the agent speaks first"},
		"OnlyOpens": {`{{if .Messages}}x{{else}}1{{end}}`, "where there are messages"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var f settings.Faults
			translate.ParseBody(c.body, &f)
			require.ErrorContains(t, f.Err(), c.want)
		})
	}
}

var paths = translate.Paths{
	Text: "out.text", State: "meta.run", InputTokens: "use.in", OutputTokens: "use.out", CachedInputTokens: "use.cached",
	Model: "model", FinishReason: "stop", End: "bye", Error: "fault", ErrorMessage: "fault.text", ErrorCode: "fault.code",
	ErrorKinds: map[string]conversation.Kind{"E42": conversation.RateLimited},
}

func TestFrame(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	for name, c := range map[string]struct {
		answer string
		want   wire.Frame
	}{
		"Nothing": {`{}`, wire.Frame{}},
		"Everything": {`{"meta":{"run": {"a":1}},"use":{"in":10,"out":2.0,"cached":1},"model":"m","stop":"length","bye":true}`, wire.Frame{
			State: json.RawMessage(`{"a":1}`), Model: "m", FinishReason: "length", End: &yes,
			Usage: &wire.Usage{InputTokens: 10, OutputTokens: 2, CachedInputTokens: 1},
		}},
		"Odd":          {`{"meta":{"run":null},"use":{"in":-3,"out":1e30,"cached":"5"},"bye":0}`, wire.Frame{End: &no, Usage: &wire.Usage{OutputTokens: 1<<31 - 1}}},
		"NoNumbers":    {`{"use":{"in":"10"}}`, wire.Frame{}},
		"NoFault":      {`{"fault":false,"model":"m"}`, wire.Frame{Model: "m"}},
		"EmptyFault":   {`{"fault":""}`, wire.Frame{}},
		"Fault":        {`{"fault":{"text":"slow down","code":"E42"},"use":{"in":3},"model":"m"}`, wire.Frame{Error: &wire.Error{Message: "slow down", Kind: string(conversation.RateLimited)}, Usage: &wire.Usage{InputTokens: 3}}},
		"FaultAsText":  {`{"fault":"broken"}`, wire.Frame{Error: &wire.Error{Message: "broken"}}},
		"FaultInOurs":  {`{"fault":{"message":"no","kind":"QuotaExhausted"}}`, wire.Frame{Error: &wire.Error{Message: "no", Kind: "QuotaExhausted"}}},
		"FaultUnnamed": {`{"fault":{"code":"E1"}}`, wire.Frame{Error: &wire.Error{Message: `{"code":"E1"}`}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			doc, err := translate.ParseJSON([]byte(c.answer))
			require.NoError(t, err)
			got := paths.Frame(doc)
			if want := c.want.Error; want != nil {
				require.NotNil(t, got.Error)
				require.Equal(t, []string{want.Message, want.Kind}, []string{got.Error.Message, got.Error.Kind})
				got.Error, c.want.Error = nil, nil
			}
			require.Equal(t, c.want, got)
		})
	}
	// One path may stand for two things.
	same := translate.Paths{InputTokens: "n", OutputTokens: "n"}
	require.Equal(t, &wire.Usage{InputTokens: 4, OutputTokens: 4}, same.Frame(gjson.Parse(`{"n":4}`)).Usage)
}

func TestTextAt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ answer, want, err string }{
		"Text":    {`{"t":"Hello"}`, "Hello", ""},
		"Null":    {`{"t":null}`, "", ""},
		"Pieces":  {`{"t":[{"text":"Hel"},{"type":"call"},"lo",[" you"]]}`, "Hello you", ""},
		"Thought": {`{"t":[{"type":"thinking","text":"hm"},{"text":"hm","thought":true},{"type":"text","text":"Hello"}]}`, "Hello", ""},
		"Piece":   {`{"t":{"type":"text","text":"Hello"}}`, "Hello", ""},
		"Nowhere": {`{"u":1}`, "", "nothing"},
		"Object":  {`{"t":{"text":"x"}}`, "", "an object, and no text"},
		"Number":  {`{"t":7}`, "", "a number, and no text"},
		"InPiece": {`{"t":[{"text":true}]}`, "", "a true, and no text"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := translate.TextAt(gjson.Parse(c.answer), "t")
			if c.err != "" {
				require.EqualError(t, err, c.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

func TestParseJSON(t *testing.T) {
	t.Parallel()
	_, err := translate.ParseJSON([]byte("{\"a\": \"\xff\"}"))
	require.ErrorIs(t, err, modelcall.ErrInvalidUTF8)
	for _, text := range []string{"", "Hello", `{"a":`} {
		_, err = translate.ParseJSON([]byte(text))
		require.ErrorIs(t, err, wire.ErrNotJSON, text)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	var f settings.Faults
	translate.ValidatePaths(paths.ByKey(), &f)
	paths.ValidateKinds(&f)
	require.NoError(t, f.Err())
	translate.ValidatePaths(translate.Paths{End: " a"}.ByKey(), &f)
	translate.Paths{ErrorKinds: map[string]conversation.Kind{"E1": "Odd"}}.ValidateKinds(&f)
	require.ErrorContains(t, f.Err(), `response.end is " a", which begins or ends with a space`)
	require.ErrorContains(t, f.Err(), `response.error_kinds.E1 is "Odd", which is no kind of error`)
}
