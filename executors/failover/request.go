package failover

import (
	"encoding/json"

	"github.com/parley-run/parley/executors"
)

// maxState is what an executor's state may take in a conversation.
const maxState = 4 << 10

// A memory is what one link wants to be given again, with the link's name.
type memory struct {
	Link  string          `json:"link"`
	Value json.RawMessage `json:"value,omitempty"`
}

func wrap(link string, value json.RawMessage) json.RawMessage {
	data, err := json.Marshal(memory{Link: link, Value: value})
	if err != nil {
		return nil // not JSON; the caller finds that out
	}
	return data
}

// wrapState drops a state that has become too large with the name: the link then
// gets the whole conversation as new the next time.
func wrapState(link string, state json.RawMessage) json.RawMessage {
	if data := wrap(link, state); len(data) <= maxState {
		return data
	}
	return nil
}

// unwrap returns the link whose memory it is. No name: of none.
func unwrap(data json.RawMessage) (link string, value json.RawMessage) {
	var m memory
	if len(data) == 0 || json.Unmarshal(data, &m) != nil {
		return "", nil
	}
	return m.Link, m.Value
}

// request is req as the link sees it. Streamed is set once any text has come.
func (l *link) request(req executors.Request, streamed *bool) executors.Request {
	if req.State != nil {
		link, state := unwrap(req.State)
		req.State = state
		if link != l.Name {
			req.State, req.New = nil, len(req.Messages)
		}
	}
	if req.Attach != nil {
		link, token := unwrap(req.Attach)
		req.Attach = token
		if link != l.Name {
			req.Attach = nil
		}
	}
	// The same key with another body is an error at some providers, and at a
	// gateway that both links share it would get the other link's answer.
	if req.IdempotencyKey != "" {
		req.IdempotencyKey += "/" + l.Name
	}
	if attach := req.OnAttach; attach != nil {
		if req.Attach == nil && l.atMostOnce() {
			// With another link's token the next attempt would think that it can find
			// what this one is about to begin.
			attach(nil)
		}
		req.OnAttach = func(token json.RawMessage) {
			if token != nil {
				token = wrap(l.Name, token)
			}
			attach(token)
		}
	}
	if delta := req.OnDelta; delta != nil {
		req.OnDelta = func(text string) {
			*streamed = *streamed || text != ""
			delta(text)
		}
	}
	return req
}
