package runagenttest

import (
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

type object = map[string]any

// An invocation is the local server's record of a run.
type invocation struct {
	ID         string `json:"invocation_id"`
	Agent      string `json:"agent_id"`
	Entrypoint string `json:"entrypoint_tag"`
	Status     string `json:"status"`
	Input      any    `json:"input_data"`
	Output     any    `json:"output_data"`
	Error      any    `json:"error_detail"`
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1", s.info)
	mux.HandleFunc("GET /api/v1/health", s.health)
	mux.HandleFunc("GET /api/v1/users/profile", s.profile)
	mux.HandleFunc("GET /api/v1/agents/{agent}/architecture", s.architecture)
	mux.HandleFunc("GET /api/v1/agents/{agent}/invocations", s.listInvocations)
	mux.HandleFunc("GET /api/v1/agents/{agent}/invocations/stats", s.stats)
	mux.HandleFunc("GET /api/v1/invocations/{id}", s.getInvocation)
	mux.HandleFunc("POST /api/v1/agents/{agent}/run", s.run)
	mux.HandleFunc("GET /api/v1/agents/{agent}/run-stream", s.stream)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { lost(w) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.mayEnter(r) {
			writeJSON(w, http.StatusUnauthorized, object{"detail": "Invalid or expired API key"})
			return
		}
		r.URL.RawPath = "" // Starlette matches paths after decoding them
		mux.ServeHTTP(w, r)
	})
}

// mayEnter checks the key where one is required. The info and health routes are open; a
// stream has its key in the address.
func (s *Server) mayEnter(r *http.Request) bool {
	s.mu.Lock()
	key := s.key
	s.mu.Unlock()
	given := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if strings.HasSuffix(r.URL.Path, "/run-stream") {
		given = r.URL.Query().Get("token")
	}
	return key == "" || r.URL.Path == "/api/v1" || r.URL.Path == "/api/v1/health" ||
		subtle.ConstantTimeCompare([]byte(given), []byte(key)) == 1
}

// lost is FastAPI's answer for an unknown route: no envelope.
func lost(w http.ResponseWriter) { writeJSON(w, http.StatusNotFound, object{"detail": "Not Found"}) }

// agent finds the agent in the path. The real server has no routes for others.
func (s *Server) agent(w http.ResponseWriter, r *http.Request) (Agent, bool) {
	a, ok := s.agents[r.PathValue("agent")]
	if !ok {
		lost(w)
	}
	return a, ok
}

func (s *Server) info(w http.ResponseWriter, _ *http.Request) {
	host, port := s.Address()
	writeJSON(w, http.StatusOK, object{"message": "RunAgent API", "version": "1.0.0", "host": host, "port": port, "config": object{}, "endpoints": object{}})
}

func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	health := object{"status": "healthy", "server": "RunAgent FastAPI Local Server", "version": "1.0.0", "uptime_seconds": 1.5, "framework": "default"}
	if len(s.agents) == 1 { // as "runagent serve" has it
		for id := range s.agents {
			health["agent_id"], health["agent_name"] = id, id
		}
	}
	writeJSON(w, http.StatusOK, health)
}

// profile is the cloud's.
func (s *Server) profile(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	cloud := s.key != ""
	s.mu.Unlock()
	if !cloud {
		lost(w)
		return
	}
	writeJSON(w, http.StatusOK, enveloped(object{"email": "someone@example.com"}))
}

func (s *Server) architecture(w http.ResponseWriter, r *http.Request) {
	a, ok := s.agent(w, r)
	if !ok {
		return
	}
	s.mu.Lock()
	s.lists++
	unlisted := s.unlisted
	s.mu.Unlock()
	if unlisted {
		lost(w)
		return
	}
	entrypoints := []object{}
	for _, tag := range a.tags() {
		entrypoints = append(entrypoints, object{"file": "agent.py", "module": tag, "tag": tag, "extractor": object{}})
	}
	writeJSON(w, http.StatusOK, enveloped(object{"agent_id": a.ID, "entrypoints": entrypoints}))
}

func (s *Server) listInvocations(w http.ResponseWriter, r *http.Request) {
	a, ok := s.agent(w, r)
	if !ok {
		return
	}
	limit, err := strconv.Atoi(r.URL.Query().Get("limit"))
	if err != nil {
		limit = 50
	}
	status := r.URL.Query().Get("status")
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []invocation{}
	for _, i := range slices.Backward(s.invocations) {
		if i.Agent == a.ID && (status == "" || i.Status == status) && len(out) < limit {
			out = append(out, i)
		}
	}
	writeJSON(w, http.StatusOK, object{"agent_id": a.ID, "invocations": out, "total_count": len(out)})
}

func (s *Server) stats(w http.ResponseWriter, r *http.Request) {
	a, ok := s.agent(w, r)
	if !ok {
		return
	}
	counts := map[string]int{}
	s.mu.Lock()
	for _, i := range s.invocations {
		if i.Agent == a.ID {
			counts["total_invocations"]++
			counts[i.Status+"_invocations"]++
		}
	}
	s.mu.Unlock()
	writeJSON(w, http.StatusOK, object{"agent_id": a.ID, "stats": counts})
}

func (s *Server) getInvocation(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	s.mu.Lock()
	at := slices.IndexFunc(s.invocations, func(i invocation) bool { return i.ID == id })
	var found invocation
	if at >= 0 {
		found = s.invocations[at]
	}
	s.mu.Unlock()
	if at < 0 {
		failed(w, http.StatusNotFound, "NOT_FOUND", fmt.Sprintf("Invocation %s not found", id))
		return
	}
	writeJSON(w, http.StatusOK, found)
}

// run is the route that runs an agent.
func (s *Server) run(w http.ResponseWriter, r *http.Request) {
	a, ok := s.agent(w, r)
	if !ok {
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	call := Call{Agent: a.ID, Body: body, Gone: r.Context().Done()}
	if err := json.Unmarshal(body, &call); err != nil || call.Entrypoint == "" {
		writeJSON(w, http.StatusUnprocessableEntity, object{"detail": []object{
			{"type": "missing", "loc": []any{"body", "entrypoint_tag"}, "msg": "Field required", "input": object{}},
		}})
		return
	}
	fault := s.nextFault()
	switch {
	case fault.Drop && !fault.AfterRun:
		panic(http.ErrAbortHandler)
	case fault.Stall:
		s.begin(call)
		<-r.Context().Done()
		return
	case fault.Status != 0 && !fault.AfterRun:
		refuse(w, fault)
		return
	case fault.Raw != "":
		s.end(s.begin(call), nil, nil)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, fault.Raw)
		return
	}
	entrypoint, ok := a.Entrypoints[call.Entrypoint]
	switch {
	case !ok && a.Streams[call.Entrypoint] != nil:
		failed(w, http.StatusBadRequest, "VALIDATION_ERROR", fmt.Sprintf("Can't use Streaming Entrypoint `%s` through non-streaming endpoint.", call.Entrypoint))
		return
	case !ok:
		failed(w, http.StatusNotFound, "NOT_FOUND", fmt.Sprintf("Entrypoint %s not found", call.Entrypoint))
		return
	}
	id := s.begin(call)
	out, err := entrypoint(s.running, call)
	s.end(id, out, err)
	switch {
	case fault.Drop:
		panic(http.ErrAbortHandler)
	case fault.Status != 0:
		refuse(w, fault)
	case err != nil: // a failed run is no failed request
		failed(w, http.StatusOK, "INTERNAL_ERROR", fmt.Sprintf("Agent execution failed: Server error running agent %s: %v", a.ID, err))
	default:
		writeJSON(w, http.StatusOK, s.answer(call, out))
	}
}

// answer is the body for a result.
func (s *Server) answer(call Call, out any) object {
	s.mu.Lock()
	shape := s.shape
	s.mu.Unlock()
	switch shape {
	case ResultData:
		return enveloped(object{
			"execution_id": uuid.NewString(), "agent_id": call.Agent, "status": "completed", "runtime_seconds": 0.1,
			"result_data": object{"data": out, "type": "result"},
		})
	case OutputData:
		return object{"success": true, "output_data": out, "error": nil, "execution_time": 0.1, "agent_id": call.Agent}
	}
	return enveloped(structured(out))
}

// structured is the text in which values travel.
func structured(v any) string {
	payload := encode(v)
	kind := "object"
	switch payload[0] {
	case '"':
		kind = "string"
	case '[':
		kind = "array"
	case 't', 'f':
		kind = "boolean"
	case 'n':
		kind = "null"
	case '{':
	default:
		kind = "number"
	}
	return encode(object{"type": kind, "payload": payload})
}

func enveloped(data any) object {
	return object{
		"success": true, "data": data, "message": "Agent execution completed successfully", "error": nil,
		"timestamp": time.Now().Format("2006-01-02T15:04:05.000000"), "request_id": uuid.NewString(),
	}
}

func failed(w http.ResponseWriter, status int, code, message string) {
	writeJSON(w, status, object{
		"success": false, "data": nil, "message": nil,
		"error":     object{"code": code, "message": message, "details": nil, "field": nil},
		"timestamp": time.Now().Format("2006-01-02T15:04:05.000000"), "request_id": uuid.NewString(),
	})
}

func refuse(w http.ResponseWriter, f Fault) {
	if f.RetryAfter != "" {
		w.Header().Set("Retry-After", f.RetryAfter)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(f.Status)
	_, _ = io.WriteString(w, f.Body)
}

// begin records that a run has begun.
func (s *Server) begin(call Call) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := uuid.NewString()
	s.calls = append(s.calls, call)
	s.invocations = append(s.invocations, invocation{
		ID: id, Agent: call.Agent, Entrypoint: call.Entrypoint, Status: "pending",
		Input: object{"input_args": call.Args, "input_kwargs": call.Kwargs},
	})
	return id
}

func (s *Server) end(id string, out any, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.invocations {
		if in := &s.invocations[i]; in.ID == id {
			in.Status, in.Output = "completed", out
			if err != nil {
				in.Status, in.Output, in.Error = "failed", nil, err.Error()
			}
		}
	}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, encode(v))
}

func encode(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // an entrypoint of a test answered with what is not JSON
	}
	return string(data)
}
