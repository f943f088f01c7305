package iiifunction

import (
	"encoding/json"

	"github.com/tidwall/gjson"

	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/internal/translate"
	"github.com/parley-run/parley/executors/wire"
)

// plain is the dialect of any other function: the contract of package wire, or a mapping.
type plain struct {
	send    wire.Send
	mapping *mapping
}

func (p plain) request(req executors.Request) (json.RawMessage, string, error) {
	var (
		data json.RawMessage
		err  error
	)
	if p.mapping.body != nil {
		data, err = p.mapping.body.Make(req, p.send, nil)
	} else {
		data, err = json.Marshal(wire.NewRequest(req, p.send))
	}
	if err != nil {
		return nil, "", &requestError{err}
	}
	return data, unscanned(req), nil
}

// answer accepts a plain text as the reply, too, for functions that do not follow the
// contract.
func (p plain) answer(result json.RawMessage) (wire.Frame, error) {
	if p.mapping.mapped {
		return p.mapping.answer(result)
	}
	doc, err := translate.ParseJSON(result)
	switch {
	case err != nil:
		return wire.Frame{}, err
	case doc.Type == gjson.String:
		return wire.Frame{Message: &wire.Reply{Text: doc.Str}}, nil
	}
	return wire.ParseFrame(result)
}
