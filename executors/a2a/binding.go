package a2a

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/parley-run/parley/executors/internal/apierror"
)

// A binding carries requests and results over HTTP. JSON-RPC is preferred: it has
// both versions of the protocol.
type binding interface {
	// request returns a request with the parameters of a dialect.
	request(ctx context.Context, to route, op operation, params any, id int) (*http.Request, error)
	// read reads a whole answer or the data of an event.
	read(data []byte) (*event, error)
}

// jsonRPC posts everything to one address.
type jsonRPC struct{}

func (jsonRPC) request(ctx context.Context, to route, op operation, params any, id int) (*http.Request, error) {
	return post(ctx, to.endpoint, rpcRequest{Version: "2.0", ID: id, Method: to.dialect.method(op), Params: params})
}

func (jsonRPC) read(data []byte) (*event, error) { return parseResponse(data) }

// httpJSON has a path for each operation of version 1.0. Errors have an HTTP status.
type httpJSON struct{}

func (httpJSON) request(ctx context.Context, to route, op operation, params any, _ int) (*http.Request, error) {
	base := to.endpoint
	if v, ok := to.dialect.(version10); ok && v.tenant != "" {
		base = base.JoinPath(url.PathEscape(v.tenant))
	}
	switch op {
	case opSend:
		return post(ctx, base.JoinPath("message:send"), params)
	case opStream:
		return post(ctx, base.JoinPath("message:stream"), params)
	}
	task, _ := params.(taskRequest10)
	if task.ID == "." || task.ID == ".." {
		return nil, fmt.Errorf("%w: the task's id is no name", errOffProtocol)
	}
	if op == opCancel {
		return post(ctx, base.JoinPath("tasks", url.PathEscape(task.ID)+":cancel"), struct{}{})
	}
	at := base.JoinPath("tasks", url.PathEscape(task.ID))
	if task.HistoryLength != nil {
		query := at.Query()
		query.Set("historyLength", strconv.Itoa(*task.HistoryLength))
		at.RawQuery = query.Encode()
	}
	return http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
}

func (httpJSON) read(data []byte) (*event, error) {
	var report struct {
		Error json.RawMessage `json:"error"`
	}
	if err := parse(data, &report); err != nil {
		return nil, err
	}
	if isError(report.Error) {
		return nil, newFault(report.Error, data)
	}
	if said, ok := apierror.Within(data); ok { // of a server in front of the agent
		return nil, &fault{Message: said.Message, report: said}
	}
	return readEvent(data)
}

func post(ctx context.Context, at *url.URL, value any) (*http.Request, error) {
	body, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	return req, nil
}

// reasons are the codes of the errors that version 1.0 names beside an HTTP status.
var reasons = map[string]int{
	"TASK_NOT_FOUND": codeTaskNotFound, "TASK_NOT_CANCELABLE": codeNotCancelable,
	"PUSH_NOTIFICATION_NOT_SUPPORTED": codeNoPush, "UNSUPPORTED_OPERATION": codeUnsupported,
	"CONTENT_TYPE_NOT_SUPPORTED": codeContentType, "EXTENDED_AGENT_CARD_NOT_CONFIGURED": codeNoExtendedCard,
	"EXTENSION_SUPPORT_REQUIRED": codeExtension, "VERSION_NOT_SUPPORTED": codeVersion,
	"INVALID_PARAMS": codeInvalidParams, "INVALID_REQUEST": codeInvalidRequest, "METHOD_NOT_FOUND": codeMethodNotFound,
}
