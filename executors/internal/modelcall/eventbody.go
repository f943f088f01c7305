package modelcall

import (
	"bytes"
	"encoding/json"
	"io"
	"regexp"
	"strings"
)

// Body returns the events as a body in the one form that SDKs read: one line of data and a
// blank line for each, and before it the event's name. An event without a name that has a
// type gets that as its name.
func (e *Events) Body() io.ReadCloser { return &eventBody{events: e} }

type eventBody struct {
	events *Events
	ready  []byte
}

func (b *eventBody) Close() error { return b.events.Close() }

func (b *eventBody) Read(p []byte) (int, error) {
	if len(b.ready) == 0 {
		ev, err := b.events.Next()
		if err != nil {
			return 0, err
		}
		b.ready = ev.encode()
	}
	n := copy(p, b.ready)
	b.ready = b.ready[n:]
	return n, nil
}

// typeName matches the types that are names of events.
var typeName = regexp.MustCompile(`^[a-z][a-z0-9_.]{0,63}$`)

// oneLine keeps data that is not JSON within its event.
var oneLine = strings.NewReplacer("\r", " ", "\n", " ")

func (e Event) encode() []byte {
	var out bytes.Buffer
	name := e.Name
	if name == "" {
		var typed struct {
			Type string `json:"type"`
		}
		if json.Unmarshal(e.Data, &typed) == nil && typeName.MatchString(typed.Type) {
			name = typed.Type
		}
	}
	if name != "" {
		out.WriteString("event: " + name + "\n")
	}
	var compact bytes.Buffer
	if json.Compact(&compact, e.Data) == nil {
		out.WriteString("data: " + compact.String() + "\n")
	} else {
		out.WriteString("data: " + oneLine.Replace(string(e.Data)) + "\n")
	}
	out.WriteString("\n")
	return out.Bytes()
}
