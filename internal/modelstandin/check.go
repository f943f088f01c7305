package modelstandin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// A request is the part that a service checks before it reads the messages.
type request struct {
	header http.Header
	// top are the parameters.
	top map[string]json.RawMessage
}

// read decodes a request into a dialect's parameters. It answers invalid JSON itself.
func read(w http.ResponseWriter, r *http.Request, into any) (request, bool) {
	out := request{header: r.Header}
	data, err := io.ReadAll(r.Body) // to its end: only then does the server notice a client that leaves
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err == nil {
		err = json.NewDecoder(bytes.NewReader(data)).Decode(&out.top)
	}
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); err == nil && kind != "application/json" {
		err = fmt.Errorf("the content type is %q", kind)
	}
	if err != nil {
		Write(http.StatusBadRequest, JSON(fields{"error": fields{"message": "We could not parse the JSON body of your request: " + err.Error()}}))(w, r)
		return out, false
	}
	return out, true
}

// unknown are the parameters that are not among those known, by name.
func (q request) unknown(known string) []string {
	list := strings.Fields(known)
	var out []string
	for _, name := range slices.Sorted(maps.Keys(q.top)) {
		if !slices.Contains(list, name) {
			out = append(out, name)
		}
	}
	return out
}

func (q request) has(name string) bool {
	raw, ok := q.top[name]
	return ok && string(raw) != "null"
}

func (q request) text(name string) string {
	var out string
	_ = json.Unmarshal(q.top[name], &out) // "" for what is no text
	return out
}

func (q request) number(name string) float64 {
	var out float64
	_ = json.Unmarshal(q.top[name], &out) // 0 for other types
	return out
}

// list is a parameter that is a list of objects; nil for other types.
func (q request) list(name string) []map[string]json.RawMessage {
	var out []map[string]json.RawMessage
	_ = json.Unmarshal(q.top[name], &out) // nil for other types
	return out
}

var wellNamed = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)

// object reports whether raw is a JSON object.
func object(raw json.RawMessage) bool {
	return json.Valid(raw) && bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{"))
}

func blank(s string) bool { return strings.TrimSpace(s) == "" }

// open are calls that have no result yet.
type open []string

func (o *open) call(id string) { *o = append(*o, id) }

// result reports whether id is an open call, and closes it.
func (o *open) result(id string) bool {
	i := slices.Index(*o, id)
	if i < 0 {
		return false
	}
	*o = slices.Delete(*o, i, i+1)
	return true
}

// pair checks that every result follows its call, and that every call has its result.
func pair(lines []string) (orphans, unanswered []string) {
	var waiting open
	for _, l := range lines {
		kind, rest, _ := strings.Cut(l, " ")
		id, _, _ := strings.Cut(rest, " ")
		switch kind {
		case "call":
			waiting.call(id)
		case "result":
			if !waiting.result(id) {
				orphans = append(orphans, id)
			}
		}
	}
	return orphans, waiting
}
