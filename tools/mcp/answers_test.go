package mcp_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/secret"
	"github.com/parley-run/parley/tools"
	"github.com/parley-run/parley/tools/mcp"
	"github.com/parley-run/parley/tools/toolstest"
)

// answers are what servers answer to the call of a tool: all of them are final. $ID is
// the id of the call.
var answers = map[string]struct {
	answer string
	want   string // a part of what the model receives
	fault  bool
}{
	"AsItShouldBe":            {`{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"type":"text","text":"refunded 5"}]}}`, "refunded 5", false},
	"OldVersion":              {`{"jsonrpc":"1.0","id":$ID,"result":{"content":[{"type":"text","text":"refunded 5"}]}}`, "refunded 5", false},
	"NoVersion":               {`{"id":$ID,"result":{"content":[{"type":"text","text":"refunded 5"}]}}`, "refunded 5", false},
	"NumberAsVersion":         {`{"jsonrpc":2.0,"id":$ID,"result":{"content":[{"type":"text","text":"refunded 5"}]}}`, "refunded 5", false},
	"TextAsID":                {`{"jsonrpc":"2.0","id":"$ID","result":{"content":[{"type":"text","text":"refunded 5"}]}}`, "refunded 5", false},
	"FractionAsID":            {`{"jsonrpc":"2.0","id":$ID.0,"result":{"content":[{"type":"text","text":"refunded 5"}]}}`, "refunded 5", false},
	"NullAsID":                {`{"jsonrpc":"2.0","id":null,"result":{"content":[{"type":"text","text":"refunded 5"}]}}`, "refunded 5", false},
	"NoID":                    {`{"jsonrpc":"2.0","error":{"code":-32000,"message":"sold out"}}`, "reports error -32000: sold out. It is not known", true},
	"List":                    {`[{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"type":"text","text":"refunded 5"}]}}]`, "refunded 5", false},
	"ListWithOthers":          {`[{"jsonrpc":"2.0","method":"notifications/progress"},{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"type":"text","text":"refunded 5"}]}}]`, "refunded 5", false},
	"EchoOfTheMethod":         {`{"jsonrpc":"2.0","id":$ID,"method":"tools/call","result":{"content":[{"type":"text","text":"refunded 5"}]}}`, "refunded 5", false},
	"ByteOrderMark":           {"\ufeff" + `{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"type":"text","text":"refunded 5"}]}}`, "refunded 5", false},
	"ErrorIsNull":             {`{"jsonrpc":"2.0","id":$ID,"error":null,"result":{"content":[{"type":"text","text":"refunded 5"}]}}`, "refunded 5", false},
	"ErrorIsFalse":            {`{"jsonrpc":"2.0","id":$ID,"error":false,"result":{"content":[{"type":"text","text":"refunded 5"}]}}`, "refunded 5", false},
	"ErrorIsEmpty":            {`{"jsonrpc":"2.0","id":$ID,"error":{},"result":{"content":[{"type":"text","text":"refunded 5"}]}}`, "refunded 5", false},
	"ResultAndError":          {`{"jsonrpc":"2.0","id":$ID,"error":{"code":-32603,"message":"mail not sent"},"result":{"content":[{"type":"text","text":"refunded 5"}]}}`, "refunded 5\nThe tool server reports error -32603: mail not sent", true},
	"ResultIsNull":            {`{"jsonrpc":"2.0","id":$ID,"result":null}`, "without a result", true},
	"ResultAndErrorAreNull":   {`{"jsonrpc":"2.0","id":$ID,"result":null,"error":null}`, "without a result", true},
	"ResultIsText":            {`{"jsonrpc":"2.0","id":$ID,"result":"refunded 5"}`, "refunded 5", false},
	"ResultIsNumber":          {`{"jsonrpc":"2.0","id":$ID,"result":9007199254740993}`, "9007199254740993", false},
	"ResultIsFalse":           {`{"jsonrpc":"2.0","id":$ID,"result":false}`, "false", false},
	"ResultIsList":            {`{"jsonrpc":"2.0","id":$ID,"result":[{"type":"text","text":"refunded"},{"type":"text","text":"5"}]}`, "refunded\n5", false},
	"ResultIsEmpty":           {`{"jsonrpc":"2.0","id":$ID,"result":{}}`, "The tool answered without content.", false},
	"ResultHasItsOwnFields":   {`{"jsonrpc":"2.0","id":$ID,"result":{"refunded":5}}`, `{"refunded":5}`, false},
	"OldToolResult":           {`{"jsonrpc":"2.0","id":$ID,"result":{"toolResult":{"refunded":5}}}`, `{"refunded":5}`, false},
	"NoContent":               {`{"jsonrpc":"2.0","id":$ID,"result":{"structuredContent":{"refunded":5}}}`, `{"refunded":5}`, false},
	"ContentIsNull":           {`{"jsonrpc":"2.0","id":$ID,"result":{"content":null,"structuredContent":{"refunded":5}}}`, `{"refunded":5}`, false},
	"ContentIsText":           {`{"jsonrpc":"2.0","id":$ID,"result":{"content":"refunded 5"}}`, "refunded 5", false},
	"ContentIsObject":         {`{"jsonrpc":"2.0","id":$ID,"result":{"content":{"type":"text","text":"refunded 5"}}}`, "refunded 5", false},
	"ContentOfTexts":          {`{"jsonrpc":"2.0","id":$ID,"result":{"content":["refunded",5,null,true]}}`, "refunded\n5\n\ntrue", false},
	"UnknownType":             {`{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"type":"chart","data":[1]},{"type":"text","text":"refunded 5"}]}}`, "[content of type chart]\nrefunded 5", false},
	"UnknownTypeWithText":     {`{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"type":"markdown","text":"refunded 5"}]}}`, "refunded 5", false},
	"NoType":                  {`{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"text":"refunded 5"}]}}`, "refunded 5", false},
	"TypeIsNumber":            {`{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"type":7,"text":"refunded 5"}]}}`, "refunded 5", false},
	"TextIsObject":            {`{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"type":"text","text":{"refunded":5}}]}}`, `{"refunded":5}`, false},
	"TextIsNumber":            {`{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"type":"text","text":5}]}}`, `5`, false},
	"ImageIsNotBase64":        {`{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"type":"image","data":"!!!","mimeType":"image/png"}]}}`, "[image: image/png", false},
	"ImageIsObject":           {`{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"type":"image","data":{"a":1},"mimeType":5}]}}`, "[image: 5", false},
	"ResourceIsText":          {`{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"type":"resource","resource":"refunded 5"}]}}`, "refunded 5", false},
	"ResourceWithoutURI":      {`{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"type":"resource","resource":{"text":"refunded 5"}}]}}`, "refunded 5", false},
	"LinkSizeIsText":          {`{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"type":"resource_link","uri":"x://y","size":"many"}]}}`, "[link x://y]", false},
	"StructuredIsList":        {`{"jsonrpc":"2.0","id":$ID,"result":{"content":[],"structuredContent":[1,"a"]}}`, `[1,"a"]`, false},
	"StructuredIsText":        {`{"jsonrpc":"2.0","id":$ID,"result":{"content":[],"structuredContent":"refunded 5"}}`, "refunded 5", false},
	"StructuredMisfitsSchema": {`{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"type":"text","text":"done"}],"structuredContent":{"state":7,"more":true}}}`, "done\n" + `{"more":true,"state":7}`, false},
	"LargeNumbers":            {`{"jsonrpc":"2.0","id":$ID,"result":{"content":[],"structuredContent":{"id":12345678901234567890}}}`, `{"id":12345678901234567890}`, false},
	"IsErrorIsText":           {`{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"type":"text","text":"half done"}],"isError":"mail not sent"}}`, "half done\nmail not sent", true},
	"IsErrorIsTrueAsText":     {`{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"type":"text","text":"sold out"}],"isError":"true"}}`, "sold out", true},
	"IsErrorIsFalseAsText":    {`{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"type":"text","text":"refunded 5"}],"isError":"False"}}`, "refunded 5", false},
	"IsErrorIsNumber":         {`{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"type":"text","text":"sold out"}],"isError":1}}`, "sold out", true},
	"IsErrorIsObject":         {`{"jsonrpc":"2.0","id":$ID,"result":{"content":[],"isError":{"reason":"sold out"}}}`, `{"reason":"sold out"}`, true},
	"IsErrorIsNull":           {`{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"type":"text","text":"refunded 5"}],"isError":null}}`, "refunded 5", false},
	"MetaIsText":              {`{"jsonrpc":"2.0","id":$ID,"result":{"_meta":"x","content":[{"type":"text","text":"refunded 5","annotations":"none"}]}}`, "refunded 5", false},
	"AsksForInput":            {`{"jsonrpc":"2.0","id":$ID,"result":{"resultType":"input_required","inputRequests":{"a":{"method":"elicitation/create"}}}}`, "asks for further input", true},
	"UnknownResultType":       {`{"jsonrpc":"2.0","id":$ID,"result":{"resultType":"partial","content":[{"type":"text","text":"refunded 5"}]}}`, "refunded 5", false},
	"ErrorIsText":             {`{"jsonrpc":"2.0","id":$ID,"error":"sold out"}`, "The tool server reports an error: sold out", true},
	"ErrorIsList":             {`{"jsonrpc":"2.0","id":$ID,"error":["sold","out"]}`, `["sold","out"]`, true},
	"ErrorIsTrue":             {`{"jsonrpc":"2.0","id":$ID,"error":true}`, `reports an error: true`, true},
	"CodeIsText":              {`{"jsonrpc":"2.0","id":$ID,"error":{"code":"-32602","message":"sold out"}}`, "refuses the call: sold out", true},
	"CodeIsWord":              {`{"jsonrpc":"2.0","id":$ID,"error":{"code":"E_SOLD","message":"sold out"}}`, "reports an error: sold out", true},
	"NoCode":                  {`{"jsonrpc":"2.0","id":$ID,"error":{"message":"sold out"}}`, "reports an error: sold out", true},
	"MessageIsObject":         {`{"jsonrpc":"2.0","id":$ID,"error":{"code":-32603,"message":{"text":"sold out"}}}`, `{"text":"sold out"}`, true},
	"Detail":                  {`{"jsonrpc":"2.0","id":$ID,"error":{"detail":"sold out"}}`, "reports an error: sold out", true},
	"Data":                    {`{"jsonrpc":"2.0","id":$ID,"error":{"code":-32603,"message":"failed","data":"sold out"}}`, "failed sold out", true},
	"OnlyCode":                {`{"jsonrpc":"2.0","id":$ID,"error":{"code":-32001}}`, "reports error -32001. It is not known whether", true},
	"TimedOutUpstream":        {`{"jsonrpc":"2.0","id":$ID,"error":{"code":-32001,"message":"Request timed out"}}`, "Request timed out. It is not known whether", true},
	"ParseError":              {`{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"}}`, "Parse error", true},
	"InvalidEscape":           {`{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"type":"text","text":"refunded \x 5"}]}}`, `refunded \x 5`, true},
	"SingleQuotes":            {`{"jsonrpc":"2.0","id":$ID,"result":{'content':[{'type':'text','text':'refunded 5'}]}}`, "refunded 5", true},
	"NotANumber":              {`{"jsonrpc":"2.0","id":$ID,"result":{"content":[],"structuredContent":{"sum":NaN,"text":"refunded 5"}}}`, "refunded 5", true},
	"TrailingComma":           {`{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"type":"text","text":"refunded 5"},]}}`, "refunded 5", true},
	"TwoValues":               {`{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"type":"text","text":"refunded 5"}]}}{}`, "refunded 5", true},
	"InvalidUTF8":             {`{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"type":"text","text":"refunded ` + "\xff\xfe" + ` 5"}]}}`, "refunded \ufffd\ufffd 5", false},
	"HalfASurrogate":          {`{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"type":"text","text":"refunded \ud83d 5"}]}}`, "refunded \ufffd 5", false},
	"LongText":                {`{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"type":"text","text":"` + strings.Repeat("x", 17<<20) + `"}]}}`, "larger than 16 MiB", true},
	"NamesOfOtherCase":        {`{"jsonrpc":"2.0","id":$ID,"result":{"Content":[{"type":"text","text":"refunded 5"}]}}`, "refunded 5", false},
}

// finally makes two calls: the answer to the first is the one in question, and final; the
// second is answered on the same connection.
func finally(t *testing.T, s *mcp.Set, want string, fault bool) {
	t.Helper()
	result, err := s.Call(t.Context(), toolstest.Make("refund", "k", "5"))
	require.NoError(t, err)
	require.Contains(t, result.Content, want)
	require.Equal(t, fault, result.IsError, "%s", result.Content)
	require.Less(t, len(result.Content), 64<<10)
	result, err = s.Call(t.Context(), toolstest.Make("count", "k", ""))
	require.NoError(t, err)
	require.Equal(t, tools.Result{Content: "1"}, result, "the call was made once")
}

func TestAnswersAreFinalOverStdio(t *testing.T) {
	t.Parallel()
	for name, c := range answers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "answer")
			require.NoError(t, os.WriteFile(file, []byte(c.answer), 0o600))
			finally(t, newProgram(t, nil, "odd", file), c.want, c.fault)
		})
	}
}

// A program that ends after its answer has answered, with or without an end of the line.
func TestLastAnswerOfAProgram(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"", "\n"} {
		file := filepath.Join(t.TempDir(), "answer")
		require.NoError(t, os.WriteFile(file, []byte(`{"jsonrpc":"2.0","id":$ID,"result":"refunded 5"}`+end), 0o600))
		s := newProgram(t, func(c *mcp.Config) { c.Env["ENDS"] = secret.String("1") }, "odd", file)
		result, err := s.Call(t.Context(), toolstest.Make("refund", "k", ""))
		require.NoError(t, err)
		require.Equal(t, tools.Result{Content: "refunded 5"}, result)
	}
}

// Words before the message are of some libraries' logging.
func TestAnswerBehindWords(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "answer")
	require.NoError(t, os.WriteFile(file, []byte(`INFO: {sending} {"jsonrpc":"2.0","id":$ID,"result":{"content":[]}}`), 0o600))
	finally(t, newProgram(t, nil, "odd", file), "cannot be read. It begins: {sending}", true)
	require.NoError(t, os.WriteFile(file, []byte(`INFO: sending {"jsonrpc":"2.0","id":$ID,"result":"refunded 5"}`), 0o600))
	finally(t, newProgram(t, nil, "odd", file), "refunded 5", false)
}

func TestAnswersAreFinalOverHTTP(t *testing.T) {
	t.Parallel()
	for name, c := range answers {
		for _, as := range []string{"JSON", "Text", "Status202", "Status500", "Events", "EventsCR", "EventsUnended", "EventsWithOthers"} {
			if as == "Status500" && !strings.Contains(c.answer, `"error":{"code":-`) || as == "Text" && strings.Contains(name, "Invalid") {
				continue // that is no answer
			}
			if as != "JSON" && name == "LongText" {
				continue // its length is the same in every form
			}
			t.Run(name+"/"+as, func(t *testing.T) {
				t.Parallel()
				finally(t, visit(t, newOdd(t, c.answer, as), nil), c.want, c.fault)
			})
		}
	}
}

// newOdd is a server whose tool "refund" answers oddly, and whose tool "count" says how
// often it did.
func newOdd(t *testing.T, odd, as string) (url string) {
	t.Helper()
	made := 0
	site := newSite(t, true, nil)
	site.door = func(w http.ResponseWriter, _ *http.Request, m message) bool {
		switch m.Params.Name {
		case "refund":
			made++
			text := strings.ReplaceAll(odd, "$ID", string(m.ID))
			switch as {
			case "JSON", "Text", "Status202", "Status500":
				w.Header().Set("Content-Type", map[string]string{"Text": "text/plain"}[as])
				if as != "Text" {
					w.Header().Set("Content-Type", "application/json")
				}
				if as == "Status202" {
					w.WriteHeader(http.StatusAccepted)
				}
				if as == "Status500" {
					w.WriteHeader(http.StatusInternalServerError)
				}
			default:
				w.Header().Set("Content-Type", "text/event-stream")
				text = map[string]string{
					"Events":           "event: message\nid: 1\ndata: " + text + "\n\n",
					"EventsCR":         "\ufeffdata:" + text + "\r\r",
					"EventsUnended":    ": hi\r\n\r\ndata: " + text + "\r\n",
					"EventsWithOthers": "data: [DONE]\n\ndata: {\"jsonrpc\":\"2.0\",\"id\":4711,\"result\":{}}\n\ndata: " + text + "\n\ndata: {\"method\":\"bye\"}\n\n",
				}[as]
			}
			_, _ = io.WriteString(w, text)
		case "count":
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{"content":[{"type":"text","text":"%d"}]}}`, m.ID, made)
		default:
			return false
		}
		return true
	}
	return site.URL
}

// lost are ways in which no answer arrives, and whether the call may have been made.
func TestLostAnswersOverHTTP(t *testing.T) {
	t.Parallel()
	reply := func(status int, kind, body string, headers ...string) func(http.ResponseWriter, *http.Request, string) {
		return func(w http.ResponseWriter, _ *http.Request, _ string) {
			w.Header().Set("Content-Type", kind)
			for i := 0; i+1 < len(headers); i += 2 {
				w.Header().Set(headers[i], headers[i+1])
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	const asJSON, page = "application/json", "text/html"
	rows := map[string]struct {
		answer func(http.ResponseWriter, *http.Request, string)
		acted  bool
	}{
		"HangsUp":          {func(http.ResponseWriter, *http.Request, string) { panic(http.ErrAbortHandler) }, true},
		"CutOff":           {reply(200, asJSON, `{"jsonrpc"`, "Content-Length", "100"), true},
		"StreamEnds":       {reply(200, "text/event-stream", "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}\n\n"), true},
		"StreamEndsInside": {reply(200, "text/event-stream", "data: {\"jsonrpc\":\"2.0\",\"id\":"), true},
		"StreamIsEmpty":    {reply(200, "text/event-stream", ""), true},
		"StreamIsPinged":   {reply(200, "text/event-stream", "event: ping\ndata: ping\n\n"), true},
		"NoBody":           {reply(200, asJSON, ""), true},
		"Accepted":         {reply(202, asJSON, ""), true},
		"NoContent":        {reply(204, asJSON, ""), true},
		"LoginPage":        {reply(200, page, "<html><title>Sign in</title>"), true},
		"PageAsJSON":       {reply(200, asJSON, "<!doctype html><html>"), true},
		"AnotherCall":      {reply(200, asJSON, `{"jsonrpc":"2.0","id":4711,"result":{"content":[]}}`), true},
		"Notification":     {reply(200, asJSON, `{"jsonrpc":"2.0","method":"notifications/progress"}`), true},
		"HalfOfItUntold": {func(w http.ResponseWriter, _ *http.Request, id string) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_, _ = io.WriteString(conn, "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{\"jsonrpc\":\"2.0\",\"id\":"+id+",\"resu")
				_ = conn.Close()
			}
		}, true},
		"HalfTheHeaders": {func(w http.ResponseWriter, _ *http.Request, _ string) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-")
				_ = conn.Close()
			}
		}, true},
	}
	for _, status := range []int{303, 408, 409, 424, 444, 460, 499, 500, 502, 503, 504, 507, 508, 520, 522, 524, 529, 598} {
		rows[fmt.Sprint(status)] = struct {
			answer func(http.ResponseWriter, *http.Request, string)
			acted  bool
		}{reply(status, page, "<html>"), true}
	}
	for _, status := range []int{300, 301, 302, 307, 308, 400, 401, 402, 403, 404, 405, 406, 407, 410, 411, 413, 414, 415, 417, 421, 422, 426, 428, 429, 431, 451, 501, 505, 511} {
		rows[fmt.Sprint(status)] = struct {
			answer func(http.ResponseWriter, *http.Request, string)
			acted  bool
		}{reply(status, "text/plain", "no"), false}
	}
	for _, status := range []int{401, 403, 404, 429} { // these say why the call was not made
		rows[fmt.Sprintf("Answer%d", status)] = struct {
			answer func(http.ResponseWriter, *http.Request, string)
			acted  bool
		}{func(w http.ResponseWriter, r *http.Request, id string) {
			reply(status, asJSON, `{"jsonrpc":"2.0","id":`+id+`,"error":{"code":-32001,"message":"no"}}`)(w, r, id)
		}, false}
	}
	for name, c := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			site := newSite(t, false, nil)
			site.at("pid", c.answer)
			s := visit(t, site.URL, nil)
			err := failing(t, s, "pid")
			require.Equal(t, c.acted, err.Ambiguous, "%v", err)
			require.Equal(t, "hello", call(t, s, toolstest.Echo).Content, "the next call works")
		})
	}
}

// A call that waits for its connection when it is given up was not made.
func TestGivenUpBeforeSending(t *testing.T) {
	t.Parallel()
	s := visit(t, "http://192.0.2.1:81/mcp", func(c *mcp.Config) { c.ConnectTimeout = 50 * time.Millisecond }) // a network for examples
	err := failing(t, s, toolstest.Echo)
	require.Equal(t, conversation.Unavailable, err.Kind)
	require.False(t, err.Ambiguous)
	name := visit(t, "http://no-such-host.invalid/mcp", nil)
	require.False(t, failing(t, name, toolstest.Echo).Ambiguous)
}

func TestLostAnswersOverStdio(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"Ends":      "",
		"EndsThere": `{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"type":"te`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "answer")
			require.NoError(t, os.WriteFile(file, []byte(answer), 0o600))
			s := newProgram(t, func(c *mcp.Config) { c.Env["ENDS"] = secret.String("1") }, "odd", file)
			_, err := s.Call(t.Context(), toolstest.Make("refund", "k", ""))
			var ce *conversation.Error
			require.ErrorAs(t, err, &ce)
			require.True(t, ce.Ambiguous)
		})
	}
}

// serveOddly is a server over standard input and output whose tool "refund" answers with
// what the file has, and ends then if the variable ENDS is set.
func serveOddly(file string) error {
	made := 0
	for dec := json.NewDecoder(os.Stdin); ; {
		var m message
		if err := dec.Decode(&m); err != nil {
			return err
		}
		result := ""
		switch {
		case m.Method == "initialize":
			result = `{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"odd","version":"1"}}`
		case m.Params.Name == "count":
			result = fmt.Sprintf(`{"content":[{"type":"text","text":"%d"}]}`, made)
			made = 0
		case m.Params.Name == "pid":
			result = fmt.Sprintf(`{"content":[{"type":"text","text":"%d"}]}`, os.Getpid())
		case m.Params.Name == "trickle":
			for {
				if _, err := os.Stdout.WriteString("x"); err != nil {
					return err
				}
				time.Sleep(10 * time.Millisecond)
			}
		case m.Params.Name == "refund":
			made++
			answer, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			_, _ = os.Stdout.WriteString(strings.ReplaceAll(string(answer), "$ID", string(m.ID)))
			if os.Getenv("ENDS") != "" {
				return nil
			}
			_, _ = os.Stdout.WriteString("\n")
		}
		if result != "" {
			_, _ = fmt.Printf(`{"jsonrpc":"2.0","id":%s,"result":%s}`+"\n", m.ID, result)
		}
	}
}
