package apierror

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/parley-run/parley/conversation"
)

// Own reports whether the body of an error response, no web page, comes from a service of
// the kind that we call or from a gateway to it: it is JSON or XML that reports an error, or
// a text with a meaning of such services. Any server may answer 404 and 405: then the error
// must say more than the status, or one of the fields must be there.
func Own(status int, body []byte, fields ...string) bool {
	e, ok := Read(body)
	if !ok {
		return false
	}
	if kind, meant := e.Meaning(status, Table{}); meant && kind != conversation.Unavailable {
		return true
	}
	if e.plain {
		return false
	}
	return status != http.StatusNotFound && status != http.StatusMethodNotAllowed || specific(status, body, fields)
}

// specific reports whether JSON says more than the status: error is an object or another
// text, or a type or code stands beside the message.
func specific(status int, body []byte, names []string) bool {
	var list []json.RawMessage
	if json.Unmarshal(body, &list) == nil && len(list) > 0 {
		body = list[0] // some of Google's servers put it into a list
	}
	var fields map[string]any
	if json.Unmarshal(body, &fields) != nil {
		return false
	}
	said := func(name string) bool {
		switch v := fields[name].(type) {
		case string:
			return v != ""
		case map[string]any:
			return len(v) > 0
		case []any:
			return len(v) > 0
		}
		return false
	}
	for _, name := range append([]string{"errors", "base_resp", "fault", "error_code", "errcode"}, names...) {
		if said(name) || fields[name] != nil && strings.HasSuffix(name, "code") {
			return true
		}
	}
	if text, isText := fields["error"].(string); !isText && said("error") || isText && text != "" && !strings.EqualFold(text, http.StatusText(status)) {
		return true
	}
	return object(fields).message() != "" && (fields["type"] != nil || fields["code"] != nil)
}
