package a2a

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
)

// Values of Config.Protocol.
const (
	ProtocolAuto = "auto" // the version on the agent's card
	Protocol03   = "0.3"
	Protocol10   = "1.0"
)

// A dialect writes requests in one version of the protocol. Results are read by
// their shape, not by the version (see event): agents and gateways mix them.
type dialect interface {
	// version is the value of Config.Protocol.
	version() string
	// method returns an operation's name.
	method(operation) string
	// header sets the headers of a request.
	header(http.Header)
	// send, get and cancel return the parameters of requests.
	send(outgoing) any
	get(task string, history int) any
	cancel(task string) any
}

// An operation of the protocol.
type operation int

const (
	opSend operation = iota
	opStream
	opGet
	opCancel
)

// An outgoing message.
type outgoing struct {
	id, context, task string
	parts             []outgoingPart
	accept            []string // media types of the answer; empty: any
	history           int
}

// An outgoingPart is a text, or an object of data.
type outgoingPart struct {
	text string
	data map[string]any
}

// dialectOf returns the dialect of a version on a card, or nil if it is not
// supported. A version that states nothing is the one of the card's shape.
func dialectOf(version string, shape dialect) dialect {
	major, _, _ := strings.Cut(strings.TrimLeft(strings.TrimSpace(version), "vV"), ".")
	switch major {
	case "":
		return shape
	case "0":
		return version03{}
	case "1":
		return version10{}
	}
	return nil
}

// in sets what an interface requires in each request.
func in(d dialect, i face) dialect {
	if _, ok := d.(version10); ok {
		return version10{tenant: i.tenant}
	}
	return d
}

// otherDialect returns the dialect of the other version.
func otherDialect(d dialect) dialect {
	if d.version() == Protocol10 {
		return version03{}
	}
	return version10{}
}

// codeVersion is the error code for a version that the agent does not speak.
const codeVersion = -32009

// unknownRequest reports whether the agent refused a request because it does not
// know the request's version or method. It has then done nothing.
func unknownRequest(err error) bool {
	var f *fault
	if !errors.As(err, &f) {
		return false
	}
	return f.Code == codeMethodNotFound || f.Code == codeVersion
}

// errorInfo is the type of an error's details in version 1.0.
const errorInfo = "type.googleapis.com/google.rpc.ErrorInfo"

// details returns the code and the data of an error as an agent wrote them: version 1.0
// wraps them in a list of typed details.
func details(data json.RawMessage) (code int, own json.RawMessage) {
	var list []struct {
		Type     string          `json:"@type"`
		Reason   string          `json:"reason"`
		Metadata json.RawMessage `json:"metadata"`
	}
	if len(data) == 0 || data[0] != '[' || json.Unmarshal(data, &list) != nil {
		return 0, data
	}
	for _, d := range list {
		if d.Type != errorInfo {
			continue
		}
		if len(d.Metadata) > 2 { // not {}
			data = d.Metadata
		}
		return reasons[d.Reason], data
	}
	return 0, data
}
