package mcp

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/parley-run/parley/internal/printable"
	"github.com/parley-run/parley/tools"
)

func failure(text string) tools.Result { return tools.Result{Content: text, IsError: true} }

// kept keeps what an answer to a call means, and returns an answer for the SDK.
func kept(request jsonrpc.ID, d *delivery, interpret func() (tools.Result, bool)) *jsonrpc.Response {
	d.take(interpret())
	return &jsonrpc.Response{ID: request, Result: json.RawMessage(`{"content":[]}`)}
}

// tooLarge is what an answer means that is too large to read.
func tooLarge() (tools.Result, bool) {
	return failure("The tool has run, but its answer is larger than 16 MiB and was left out. Ask for less."), false
}

// maxOdd bounds how much the model receives of an answer that cannot be read.
const maxOdd = 4 << 10

// unreadable is what an answer means that is not JSON.
func unreadable(data []byte) (tools.Result, bool) {
	text := strings.TrimSpace(printable.Text(strings.ToValidUTF8(string(trimmed(data)), "\uFFFD")))
	if text == "" {
		return failure("The tool answered with nothing. It is not known what it did."), false
	}
	return failure("The tool answered, but its answer cannot be read. It begins: " + printable.Clip(text, maxOdd)), false
}

// interpret returns what an answer means for the model, and whether the session cannot be
// used again.
func (e envelope) interpret() (out tools.Result, renew bool) {
	switch result := given(e.result); {
	case e.failure == nil && result == nil:
		return failure("The tool answered without a result. It is not known what it did."), false
	case e.failure == nil:
		return translate(result), false
	case result == nil:
		f := faultOf(e.failure)
		return failure(f.sentence()), f.renews()
	default: // both, against the protocol
		f, read := faultOf(e.failure), translate(result)
		return failure(strings.TrimSpace(read.Content + "\n" + f.sentence())), false
	}
}

const (
	// The protocol reserves the codes from lowestReserved to highestReserved; servers
	// define the others.
	lowestReserved, highestReserved = -32768, -32000
)

// refuses reports whether a fault means that the tool was not called: it is unknown, or
// the arguments are invalid, or the server says so with a code of its own.
func (f fault) refuses() bool {
	switch f.code {
	case jsonrpc.CodeInvalidParams, jsonrpc.CodeMethodNotFound, sdk.CodeURLElicitationRequired, sdk.CodeMissingRequiredClientCapabilities:
		return true
	}
	return f.code != 0 && (f.code < lowestReserved || f.code > highestReserved)
}

// renews reports whether a fault may be the session's.
func (f fault) renews() bool {
	return !f.refuses() && f.code != 0 && f.code != jsonrpc.CodeInternalError
}

// sentence is what the model receives.
func (f fault) sentence() string {
	text := f.message
	if data := textOf(f.data); data != "" && len(data) <= maxOdd && !strings.Contains(text, data) {
		text = strings.TrimSpace(text + " " + data)
	}
	switch {
	case f.refuses() && text == "":
		return fmt.Sprintf("The tool server refuses the call with code %d.", f.code)
	case f.refuses():
		return "The tool server refuses the call: " + text
	case f.code == 0 && text == "":
		return "The tool server reports an error without a reason. It is not known whether the tool did its work."
	case f.code == 0:
		return "The tool server reports an error: " + text
	case text == "":
		return fmt.Sprintf("The tool server reports error %d. It is not known whether the tool did its work.", f.code)
	}
	return fmt.Sprintf("The tool server reports error %d: %s. It is not known whether the tool did its work.", f.code, strings.TrimRight(text, "."))
}

// translate makes one text of a tool's result, of whatever shape. Structured content is
// left out if a text repeats it, as the protocol asks servers to do.
func translate(raw json.RawMessage) tools.Result {
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil { // a bare text, list or number
		return tools.Result{Content: strings.Join(contents(raw), "\n")}
	}
	if asksForInput(fields) {
		return failure("The tool asks for further input, which cannot be given here. It may have done a part of its work.")
	}
	texts := contents(fields["content"])
	structured := given(fields["structuredContent"])
	if structured == nil {
		structured = given(fields["toolResult"]) // of protocol 2024-10-07
	}
	if structured != nil && !repeated(texts, structured) {
		texts = append(texts, textOf(structured))
	}
	out := tools.Result{Content: strings.Join(texts, "\n")}
	var reason string
	if out.IsError, reason = isError(fields["isError"]); reason != "" {
		out.Content = strings.TrimSpace(out.Content + "\n" + reason)
	}
	if fields["content"] == nil && structured == nil && out.Content == "" {
		out.Content = "The tool answered without content."
		if rest := without(fields, "_meta", "isError", "resultType", "content"); len(rest) > 0 {
			out.Content = printable.Clip(compact(rest), maxOdd)
		}
	}
	if out.IsError && out.Content == "" {
		out.Content = "The tool failed without a reason."
	}
	return out
}

func asksForInput(fields map[string]json.RawMessage) bool {
	return textOf(fields["resultType"]) == "input_required" || given(fields["inputRequests"]) != nil && isNull(fields["content"])
}

// without returns the object without some fields; nil: nothing is left.
func without(fields map[string]json.RawMessage, names ...string) json.RawMessage {
	rest := make(map[string]json.RawMessage, len(fields))
	for name, value := range fields {
		rest[name] = value
	}
	for _, name := range names {
		delete(rest, name)
	}
	if len(rest) == 0 {
		return nil
	}
	out, err := json.Marshal(rest)
	if err != nil {
		return nil
	}
	return out
}

// isError reads the field of that name. Some servers write a text into it: that of a
// boolean, or the reason.
func isError(raw json.RawMessage) (failed bool, reason string) {
	if isNull(raw) || json.Unmarshal(raw, &failed) == nil {
		return failed, ""
	}
	if n, err := strconv.ParseFloat(string(raw), 64); err == nil {
		return n != 0, ""
	}
	text := strings.TrimSpace(textOf(raw))
	switch strings.ToLower(text) {
	case "", "false", "no", "0", "off", "none", "null", "{}", "[]":
		return false, ""
	case "true", "yes", "1", "on":
		return true, ""
	}
	return true, text
}

// contents returns the texts of a content: a list, as the protocol has it, or one piece
// of it, or a text.
func contents(raw json.RawMessage) []string {
	if isNull(raw) {
		return nil
	}
	var pieces []json.RawMessage
	if json.Unmarshal(raw, &pieces) != nil {
		pieces = []json.RawMessage{raw}
	}
	texts := make([]string, 0, len(pieces))
	for _, piece := range pieces {
		texts = append(texts, describe(piece))
	}
	return texts
}

// repeated reports whether one of the texts is the value.
func repeated(texts []string, structured json.RawMessage) bool {
	value, err := decodeJSON(structured)
	if err != nil {
		return false
	}
	for _, text := range texts {
		if other, err := decodeJSON(json.RawMessage(text)); text == value || err == nil && reflect.DeepEqual(value, other) {
			return true
		}
	}
	return false
}

// describe returns the text for a piece of content.
func describe(raw json.RawMessage) string {
	var piece struct {
		Type, Text, Data, MIMEType, URI, Size json.RawMessage
		Resource                              *struct{ URI, MIMEType, Text, Blob json.RawMessage }
	}
	if isNull(raw) {
		return ""
	}
	if bytes.TrimSpace(raw)[0] != '{' || json.Unmarshal(raw, &piece) != nil {
		return textOf(raw)
	}
	kind, mime := textOf(piece.Type), textOf(piece.MIMEType)
	switch kind {
	case "text", "":
		if piece.Text == nil {
			return compact(raw)
		}
		return textOf(piece.Text)
	case "image", "audio":
		return thing(kind, mime, decodedSize(piece.Data))
	case "resource":
		r := piece.Resource
		switch {
		case r == nil:
			return "[resource]"
		case !isNull(r.Blob) && textOf(r.Blob) != "":
			return thing("resource "+textOf(r.URI), textOf(r.MIMEType), decodedSize(r.Blob))
		}
		return textOf(r.Text)
	case "resource_link":
		size := -1
		if n, ok := (envelope{id: piece.Size}).number(); ok && !isNull(piece.Size) {
			size = int(n)
		}
		return thing("link "+textOf(piece.URI), mime, size)
	}
	if text := textOf(piece.Text); text != "" {
		return text
	}
	return "[content of type " + printable.Clip(kind, 64) + "]"
}

// decodedSize is how many bytes Base64 stands for.
func decodedSize(raw json.RawMessage) int {
	text := strings.TrimRight(textOf(raw), "=")
	return base64.RawStdEncoding.DecodedLen(len(text))
}

// thing returns "[image: image/png, 120 bytes]".
func thing(what, mimeType string, size int) string {
	var about []string
	if mimeType != "" {
		about = append(about, mimeType)
	}
	if size >= 0 {
		about = append(about, fmt.Sprintf("%d bytes", size))
	}
	if len(about) == 0 {
		return "[" + what + "]"
	}
	return "[" + what + ": " + strings.Join(about, ", ") + "]"
}
