package mcp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	"github.com/parley-run/parley/internal/foreign"
	"github.com/parley-run/parley/tools"
)

var (
	errNotOurs = errors.New("the answer belongs to no call, or to another one")
	errCut     = errors.New("the answer breaks off")
)

// read returns the message of a body with status 2xx that answers a request. An answer to
// a tool's call is kept in the delivery, readable or not.
func (g *guard) read(resp *http.Response, call jsonrpc.ID, d *delivery) (jsonrpc.Message, error) {
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if kind == "text/event-stream" {
		return g.readEvents(resp.Body, call, d)
	}
	if foreign.IsPage(resp.Header, nil) {
		return nil, notTheServers(resp, &foreign.Error{Status: resp.StatusCode, What: foreign.Page})
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errCut, err)
	case len(body) > maxAnswer:
		return g.unread(call, d, tooLarge, errTooLarge)
	}
	opened, ok := open(body)
	if ok {
		if e := find(opened, call); e != nil {
			return g.odd.response(*e, call, d), nil
		}
		if isMessage(opened) {
			return nil, errNotOurs
		}
	}
	_, seems := seemsAnswer(body)
	isJSON := kind == "application/json" || seems && !ok
	if e := foreign.Find(resp.StatusCode, resp.Header, body, func() bool { return isJSON || ok }); e != nil && (!isJSON || e.What != "") {
		return nil, notTheServers(resp, e.Clean(g.clean))
	}
	if isCut(resp, body) {
		return nil, errCut
	}
	return g.unread(call, d, func() (tools.Result, bool) { return unreadable(body) }, errUnreadable)
}

// find returns the message that answers the call; nil: none does.
func find(opened []envelope, call jsonrpc.ID) *envelope {
	for _, strict := range []bool{true, false} {
		for i := range opened {
			if opened[i].answers(call, strict) {
				return &opened[i]
			}
		}
	}
	return nil
}

// isMessage reports whether these are messages of the protocol, though not our answer.
func isMessage(opened []envelope) bool {
	for _, e := range opened {
		if e.isAnswer() || e.method != nil {
			return true
		}
	}
	return false
}

// isCut reports whether a body may have lost its end: nothing told its length, and its
// JSON is not complete.
func isCut(resp *http.Response, body []byte) bool {
	if resp.ContentLength >= 0 || len(resp.TransferEncoding) > 0 || resp.ProtoMajor > 1 || resp.Uncompressed {
		return false
	}
	body = trimmed(body)
	return len(body) > 0 && (body[0] == '{' || body[0] == '[') && !bytes.HasSuffix(body, []byte("}")) && !bytes.HasSuffix(body, []byte("]"))
}

// unread returns an answer in place of one that cannot be read.
func (g *guard) unread(call jsonrpc.ID, d *delivery, means func() (tools.Result, bool), reason error) (jsonrpc.Message, error) {
	if d == nil {
		return nil, reason
	}
	return kept(call, d, means), nil
}

// notTheServers is the error of an answer that something in front of the server gave.
func notTheServers(resp *http.Response, e *foreign.Error) error {
	e.Of = "server"
	return &statusError{status: resp.StatusCode, header: resp.Header, foreign: e}
}
