package mcp

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
)

// An envelope is a message of a server, read as leniently as its meaning allows: the
// version of JSON-RPC does not matter, nor whether an id is a number or its text.
type envelope struct {
	id, method, result, failure json.RawMessage
	// whole is the message.
	whole json.RawMessage
}

// bom may begin a message.
var bom = []byte("\xef\xbb\xbf")

// trimmed returns a message without what may surround it.
func trimmed(data []byte) []byte {
	return bytes.TrimSpace(bytes.TrimPrefix(bytes.TrimSpace(data), bom))
}

// open reads a message, or a list of messages. Not ok: data is not JSON, or neither.
func open(data []byte) (messages []envelope, ok bool) {
	data = trimmed(data)
	var rows []json.RawMessage
	if len(data) > 0 && data[0] == '[' {
		if json.Unmarshal(data, &rows) != nil || len(rows) == 0 {
			return nil, false
		}
	} else {
		rows = []json.RawMessage{data}
	}
	for _, row := range rows {
		var fields map[string]json.RawMessage
		if json.Unmarshal(row, &fields) != nil || fields == nil {
			return nil, false
		}
		e := envelope{id: given(fields["id"]), method: given(fields["method"]), result: fields["result"], failure: given(fields["error"]), whole: row}
		if given(e.result) != nil && isEmpty(e.failure) {
			e.failure = nil
		}
		messages = append(messages, e)
	}
	return messages, true
}

// isEmpty reports whether a value stands for nothing.
func isEmpty(raw json.RawMessage) bool {
	switch compact(raw) {
	case "", "null", "false", "0", `""`, "{}", "[]":
		return true
	}
	return false
}

// seemsAnswer reports whether data that is not JSON was meant as an answer, and returns it
// without the words before it.
func seemsAnswer(data []byte) ([]byte, bool) {
	begin := bytes.IndexByte(data, '{')
	if begin < 0 || !bytes.Contains(data, []byte(`"result"`)) && !bytes.Contains(data, []byte(`"error"`)) {
		return nil, false
	}
	return data[begin:], true
}

// given returns nil for null.
func given(raw json.RawMessage) json.RawMessage {
	if isNull(raw) {
		return nil
	}
	return raw
}

func isNull(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

// isAnswer reports whether a message answers a request, whichever it is.
func (e envelope) isAnswer() bool { return e.result != nil || e.failure != nil }

// number returns the id as a number, which all of ours are.
func (e envelope) number() (int64, bool) {
	text := string(e.id)
	if unquoted := ""; json.Unmarshal(e.id, &unquoted) == nil && unquoted != "" {
		text = unquoted
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, true
	}
	f, err := strconv.ParseFloat(text, 64)
	return int64(f), err == nil && f == float64(int64(f))
}

// answers reports whether a message answers a request. Unless strict, an answer without
// an id does, too: it came in a reply to this request alone.
func (e envelope) answers(request jsonrpc.ID, strict bool) bool {
	switch n, ok := e.number(); {
	case !e.isAnswer():
		return false
	case e.id == nil:
		return !strict
	default:
		return ok && request.Raw() == any(n)
	}
}

// response makes a message for the SDK of an answer to a request. That of a tool's call
// is kept in the delivery.
func (e envelope) response(request jsonrpc.ID, d *delivery) *jsonrpc.Response {
	if d != nil && (e.failure == nil || !rejectsProtocol(faultOf(e.failure).code)) {
		return kept(request, d, e.interpret)
	}
	if d != nil {
		d.reject()
	}
	out := &jsonrpc.Response{ID: request, Result: e.result}
	if e.failure != nil {
		f := faultOf(e.failure)
		out.Result, out.Error = nil, &jsonrpc.Error{Code: f.code, Message: f.message, Data: f.data}
	}
	return out
}

// decoded returns any other message of a server in the SDK's form.
func (e envelope) decoded() (jsonrpc.Message, error) {
	if message, err := jsonrpc.DecodeMessage(e.whole); err == nil {
		return message, nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(e.whole, &fields); err != nil {
		return nil, err
	}
	fields["jsonrpc"] = json.RawMessage(`"2.0"`)
	text, err := json.Marshal(fields)
	if err != nil {
		return nil, err
	}
	return jsonrpc.DecodeMessage(text)
}

// A fault is the error that a server reports.
type fault struct {
	code    int64
	message string
	data    json.RawMessage
}

// faultOf reads an error of whatever shape: an object, as the protocol has it, a text, a
// list, or one that another format uses.
func faultOf(raw json.RawMessage) fault {
	var out fault
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) == nil {
		code := envelope{id: fields["code"]}
		out.code, _ = code.number()
		out.data = given(fields["data"])
		for _, name := range []string{"message", "msg", "detail", "error", "title", "reason"} {
			if text := textOf(fields[name]); text != "" && out.message == "" {
				out.message = text
			}
		}
	} else if text := ""; json.Unmarshal(raw, &text) == nil {
		out.message = text
	}
	if out.message == "" && len(fields) == 0 || out.message == "" && len(fields) > 1 {
		out.message = compact(raw)
	}
	return out
}

// textOf returns a text as it is, and any other value as JSON. Null and empty: "".
func textOf(raw json.RawMessage) string {
	if isNull(raw) {
		return ""
	}
	if text := ""; json.Unmarshal(raw, &text) == nil {
		return text
	}
	return compact(raw)
}

// compact returns a value in one line of JSON, with its digits.
func compact(raw json.RawMessage) string {
	value, err := decodeJSON(raw)
	if err != nil {
		return string(bytes.TrimSpace(raw))
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		return string(bytes.TrimSpace(raw))
	}
	return string(bytes.TrimSpace(out.Bytes()))
}

// decodeJSON keeps the digits of numbers.
func decodeJSON(raw json.RawMessage) (value any, err error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&value); err != nil {
		return nil, err
	}
	if dec.More() {
		return nil, fmt.Errorf("more than one value")
	}
	return value, nil
}
