package runagenttest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/coder/websocket"
)

var errGone = errors.New("WebSocket disconnected")

// stream is the route that runs an entrypoint that streams.
func (s *Server) stream(w http.ResponseWriter, r *http.Request) {
	a, ok := s.agents[r.PathValue("agent")]
	if !ok { // this is how FastAPI turns away a WebSocket to no route
		w.WriteHeader(http.StatusForbidden)
		return
	}
	fault := s.nextFault()
	if fault.Status != 0 {
		refuse(w, fault)
		return
	}
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = conn.CloseNow() }()
	ctx := r.Context()
	_, body, err := conn.Read(ctx)
	if err != nil {
		return
	}
	call, stream, reason := start(a, body)
	switch {
	case reason != "":
		_ = send(ctx, conn, object{"type": "error", "detail": reason})
		_ = conn.Close(websocket.StatusUnsupportedData, "")
		return
	case fault.Close != 0:
		_ = conn.Close(websocket.StatusCode(fault.Close), "")
		return
	}
	ctx = conn.CloseRead(ctx) // a client that goes ends the run
	id := s.begin(call)
	switch {
	case fault.Raw != "":
		_ = conn.Write(ctx, websocket.MessageText, []byte(fault.Raw))
		s.end(id, nil, nil)
		_ = conn.Close(websocket.StatusNormalClosure, "")
		return
	case fault.Stall:
		<-ctx.Done()
		s.end(id, nil, errGone)
		return
	}
	_ = send(ctx, conn, object{"type": "status", "status": "stream_started", "invocation_id": id})
	n := 0
	err = stream(ctx, call, func(chunk any) {
		if n++; fault.Drop && n > 1 {
			return
		}
		_ = send(ctx, conn, object{"type": "data", "content": structured(chunk)})
	})
	if err == nil && ctx.Err() != nil {
		err = errGone
	}
	s.end(id, object{"stream_completed": true, "total_chunks": n}, err)
	switch {
	case fault.Drop: // without a word
		return
	case err != nil:
		_ = send(ctx, conn, object{"type": "error", "error": fmt.Sprintf("Streaming error: %v", err)})
	default:
		_ = send(ctx, conn, object{"type": "status", "status": "stream_completed", "total_chunks": n, "execution_time": 0.1, "invocation_id": id})
	}
	_ = conn.Close(websocket.StatusNormalClosure, "")
}

// start reads the first frame, and says what is wrong with it.
func start(a Agent, body []byte) (Call, Stream, string) {
	call := Call{Agent: a.ID, Body: body}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return call, nil, fmt.Sprintf("Invalid JSON format: %v", err)
	}
	for _, name := range []string{"entrypoint_tag", "input_args", "input_kwargs"} {
		if _, ok := fields[name]; !ok {
			return call, nil, "Missing required field: " + name
		}
	}
	if err := json.Unmarshal(body, &call); err != nil {
		return call, nil, fmt.Sprintf("Invalid JSON format: %v", err)
	}
	stream := a.Streams[call.Entrypoint]
	switch {
	case stream == nil && a.Entrypoints[call.Entrypoint] != nil:
		return call, nil, fmt.Sprintf("Entrypoint `%s` is not a streaming entrypoint. Use a streaming entrypoint (ending with '_stream').", call.Entrypoint)
	case stream == nil:
		return call, nil, fmt.Sprintf("Entrypoint %s not found", call.Entrypoint)
	}
	return call, stream, ""
}

func send(ctx context.Context, conn *websocket.Conn, v any) error {
	return conn.Write(ctx, websocket.MessageText, []byte(encode(v)))
}
