package pulsetest

import (
	"bytes"
	"cmp"
	"crypto/md5" //nolint:gosec // what the server uses
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/parley-run/parley/platforms/pulse"
)

// routes are those of the stage.
func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	open := func(pattern, op string, handle http.HandlerFunc) { mux.HandleFunc(pattern, s.faulty(op, handle)) }
	keyed := func(pattern, op string, handle http.HandlerFunc) {
		mux.HandleFunc(pattern, s.authorized(s.faulty(op, handle)))
	}
	open("GET /health", OpHealth, s.health)
	open("GET /openapi.json", OpOpenAPI, s.openAPI)
	keyed("POST /tasks/schedule", OpSchedule, s.schedule)
	keyed("GET /tasks/poll", OpPoll, s.poll)
	keyed("GET /tasks", OpList, s.list)
	keyed("GET /tasks/{id}", OpGet, s.get)
	keyed("PATCH /tasks/{id}", OpPatch, s.patch)
	keyed("DELETE /tasks/{id}", OpDelete, s.cancel)
	keyed("POST /tasks/{id}/claim", OpClaim, s.serveClaim)
	keyed("POST /tasks/{id}/ack", OpAck, s.serveAck)
	keyed("GET /tasks/{id}/history", OpHistory, s.serveHistory)
	if s.quirks.ResultRoute {
		keyed("GET /tasks/{id}/result", OpResult, s.result)
	}
	if s.quirks.ResultsRoute {
		keyed("GET /tasks/{id}/results", OpResults, s.result)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { detail(w, http.StatusNotFound, "Not Found") })
	return mux
}

// authorized checks the key as Pulse does: exactly.
func (s *Server) authorized(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		given, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		switch {
		case s.cfg.Key == "":
		case !found:
			detail(w, http.StatusUnauthorized, "Missing or malformed authorization header")
			return
		case given != s.cfg.Key:
			detail(w, http.StatusUnauthorized, "Wrong API key")
			return
		}
		next(w, r)
	}
}

func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	active := 0
	for _, t := range s.order {
		if t.status == pulse.StatusActive {
			active++
		}
	}
	ok(w, map[string]any{"status": "healthy", "uptime_seconds": s.second(), "active_tasks": active})
}

func (s *Server) openAPI(w http.ResponseWriter, _ *http.Request) {
	paths := map[string]any{
		"/health": struct{}{}, "/tasks": struct{}{}, "/tasks/schedule": struct{}{}, "/tasks/poll": struct{}{},
		"/tasks/{task_id}": struct{}{}, "/tasks/{task_id}/claim": struct{}{}, "/tasks/{task_id}/ack": struct{}{},
		"/tasks/{task_id}/history": struct{}{},
	}
	if s.cfg.Stage != pulse.StageA {
		paths["/meta/tools"] = struct{}{}
	}
	if s.quirks.ResultRoute {
		paths["/tasks/{task_id}/result"] = struct{}{}
	}
	if s.quirks.ResultsRoute {
		paths["/tasks/{task_id}/results"] = struct{}{}
	}
	ok(w, map[string]any{"openapi": "3.1.0", "paths": paths})
}

func (s *Server) poll(w http.ResponseWriter, r *http.Request) {
	limit, good := number(w, r, "limit", 10, 1, 100)
	if !good {
		return
	}
	types := strings.Split(r.URL.Query().Get("types"), ",")
	for i := range types {
		types[i] = strings.TrimSpace(types[i])
	}
	if !r.URL.Query().Has("types") {
		unprocessable(w, "query", "types", "Field required")
		return
	}
	if r.Header.Get("ETag") != "" {
		broken(w) // Pulse means to answer 304 here
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.second()
	tasks, next := []map[string]any{}, int64(0)
	for _, t := range s.order {
		if t.status != pulse.StatusActive || !slices.Contains(types, t.kind) {
			continue
		}
		if t.next > now && (next == 0 || t.next < next) {
			next = t.next
		}
		seen := t.next <= now
		if s.quirks.MinutePoll {
			seen = seen && t.bucket == now/60 && now-t.next <= 60
		}
		if !seen || len(tasks) == limit {
			continue
		}
		item := map[string]any{
			"task_id": t.id, "schedule_type": t.kind, "payload": t.payload, "scheduled_for": isoOrNull(t.next),
		}
		if s.quirks.PollMetadata {
			item["metadata"] = t.wire()["metadata"]
		}
		tasks = append(tasks, item)
	}
	w.Header().Set("X-Poll-Interval", "5")
	w.Header()["ETag"] = []string{tagOf(tasks)}
	ok(w, map[string]any{"tasks": tasks, "next_poll_at": isoOrNull(next)})
}

// tagOf is the ETag of a poll, not quoted.
func tagOf(tasks any) string {
	data, _ := json.Marshal(tasks) // marshalled again for the answer
	sum := md5.Sum(data)
	return hex.EncodeToString(sum[:])
}

func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	limit, good := number(w, r, "limit", 100, 1, 1000)
	offset, alsoGood := number(w, r, "offset", 0, 0, 1<<30)
	if !good || !alsoGood {
		return
	}
	q := r.URL.Query()
	start, _ := strconv.ParseInt(q.Get("start_time"), 10, 64)
	end, _ := strconv.ParseInt(q.Get("end_time"), 10, 64)
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*task
	for _, t := range s.order {
		if q.Has("status") && t.status != q.Get("status") || q.Has("schedule_type") && t.kind != q.Get("schedule_type") ||
			start > 0 && t.next < start || end > 0 && (t.next == 0 || t.next > end) {
			continue
		}
		found = append(found, t)
	}
	slices.SortStableFunc(found, func(a, b *task) int { return cmp.Or(cmp.Compare(a.next, b.next), cmp.Compare(b.created, a.created)) })
	found = found[min(offset, len(found)):]
	found = found[:min(limit, len(found))]
	tasks := make([]map[string]any, len(found))
	for i, t := range found {
		tasks[i] = t.wire()
	}
	ok(w, map[string]any{"tasks": tasks, "count": len(tasks)})
}

// on calls handle with the task of the path, under the server's lock.
func (s *Server) on(w http.ResponseWriter, r *http.Request, handle func(*task)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tasks[r.PathValue("id")]
	if t == nil {
		detail(w, http.StatusNotFound, "Task not found")
		return
	}
	handle(t)
}

func (s *Server) get(w http.ResponseWriter, r *http.Request) {
	s.on(w, r, func(t *task) { ok(w, t.wire()) })
}

// patch replaces columns. A task that becomes active again is seen by polls at the
// time that it had before.
func (s *Server) patch(w http.ResponseWriter, r *http.Request) {
	var columns map[string]json.RawMessage
	if !body(w, r, &columns) {
		return
	}
	s.on(w, r, func(t *task) {
		before := t.next
		for name, value := range columns {
			var err error
			switch name {
			case "status":
				err = json.Unmarshal(value, &t.status)
			case "payload":
				t.payload = value
			case "metadata":
				t.metadata = nil
				err = decode(value, &t.metadata)
				t.wholeNumbers()
			case "next_execution":
				err = json.Unmarshal(value, &t.next)
			case "schedule_config", "schedule_type":
			default:
				err = fmt.Errorf("no column %q", name)
			}
			if err != nil {
				detail(w, http.StatusInternalServerError, "Internal error: "+err.Error())
				return
			}
		}
		if _, given := columns["status"]; given {
			t.bucket = -1
			if t.status == pulse.StatusActive {
				t.bucket = before / 60
			}
		}
		ok(w, t.wire())
	})
}

// wholeNumbers keeps the values that a claim compares comparable after a round trip
// through JSON.
func (t *task) wholeNumbers() {
	if written, isNumber := t.metadata["locked_at"].(json.Number); isNumber {
		if at, err := written.Float64(); err == nil {
			t.metadata["locked_at"] = int64(at)
		}
	}
}

func (s *Server) cancel(w http.ResponseWriter, r *http.Request) {
	s.on(w, r, func(t *task) {
		t.over(pulse.StatusCancelled)
		ok(w, map[string]any{"status": "cancelled"})
	})
}

func (s *Server) serveClaim(w http.ResponseWriter, r *http.Request) {
	var in struct {
		WorkerID *string `json:"worker_id"`
	}
	if !body(w, r, &in) {
		return
	}
	if in.WorkerID == nil {
		unprocessable(w, "body", "worker_id", "Field required")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id := r.PathValue("id")
	s.compete(id, false)
	executionID, won := s.claim(id, *in.WorkerID)
	if !won {
		text := "Task cannot be claimed"
		if s.quirks.ConflictStatus == http.StatusInternalServerError {
			text = "Internal error: 409: " + text
		}
		detail(w, s.quirks.ConflictStatus, text)
		return
	}
	s.compete(id, true)
	out := map[string]any{"status": "claimed"}
	if s.quirks.ExecutionIDs {
		out["execution_id"] = executionID
	}
	ok(w, out)
}

func (s *Server) serveAck(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Status      *string `json:"status"`
		WorkerID    *string `json:"worker_id"`
		ExecutionID string  `json:"execution_id"`
		TookMS      int64   `json:"execution_time_ms"`
		Error       string  `json:"error"`
	}
	if !body(w, r, &in) {
		return
	}
	if in.Status == nil {
		unprocessable(w, "body", "status", "Field required")
		return
	}
	if in.WorkerID == nil {
		unprocessable(w, "body", "worker_id", "Field required")
		return
	}
	s.on(w, r, func(t *task) {
		holder, _ := t.metadata["locked_by"].(string)
		running := t.status == pulse.StatusActive || t.status == pulse.StatusProcessing
		switch {
		case t.status == pulse.StatusFailed:
			detail(w, http.StatusNotFound, "Task not found")
			return
		case s.quirks.FencedAcks && running && holder != *in.WorkerID:
			detail(w, http.StatusConflict, "Task is locked by another worker")
			return
		case s.quirks.RecurringAckFails && running && t.recurring():
			broken(w)
			return
		}
		s.acknowledge(t, Ack{
			Worker: *in.WorkerID, ExecutionID: in.ExecutionID, Status: *in.Status, Error: in.Error, TookMS: in.TookMS,
		})
		var next any
		if t.status == pulse.StatusActive {
			next = isoOrNull(t.next)
		}
		ok(w, map[string]any{"next_execution": next})
	})
}

func (s *Server) serveHistory(w http.ResponseWriter, r *http.Request) {
	limit, good := number(w, r, "limit", 100, 1, 1000)
	if !good {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	lines := []map[string]any{}
	t := s.tasks[r.PathValue("id")]
	if t != nil && len(t.history) > 0 && s.quirks.HistoryFails {
		broken(w)
		return
	}
	if t != nil {
		for _, e := range slices.Backward(t.history) {
			if len(lines) == limit {
				break
			}
			lines = append(lines, e.wire())
		}
	}
	ok(w, map[string]any{"history": lines})
}

func (e Execution) wire() map[string]any {
	line := map[string]any{
		"execution_id": nil, "executed_at": e.ExecutedAt, "executed_at_iso": iso(e.ExecutedAt),
		"expired_at": nil, "expired_at_iso": isoOrNull(e.ExpiredAt), "status": e.Status,
		"execution_time_ms": e.TookMS, "error": nil,
	}
	if e.ExecutionID != "" {
		line["execution_id"] = e.ExecutionID
	}
	if e.ExpiredAt > 0 {
		line["expired_at"] = e.ExpiredAt
	}
	if e.Error != "" {
		line["error"] = e.Error
	}
	return line
}

// result serves /result and /results: only the built-in worker stores results, and
// no stage that has them can show them.
func (s *Server) result(w http.ResponseWriter, r *http.Request) {
	s.on(w, r, func(t *task) {
		execution := r.URL.Query().Get("execution_id")
		switch {
		case len(t.results) > 0 && s.quirks.ResultFails:
			broken(w)
		case strings.HasSuffix(r.URL.Path, "/results"):
			lines := []map[string]any{}
			for _, e := range slices.Backward(t.history) {
				lines = append(lines, e.wire())
			}
			ok(w, map[string]any{"task_id": t.id, "total_executions": len(lines), "executions": lines})
		case execution != "" && s.quirks.ResultsRoute: // only stage C checks it
			for _, e := range t.history {
				if line := e.wire(); e.ExecutionID == execution {
					ok(w, map[string]any{"status": line["status"], "error": line["error"], "execution_time_ms": line["execution_time_ms"]})
					return
				}
			}
			ok(w, map[string]any{"status": "not_found"})
		case len(t.history) == 0:
			ok(w, map[string]any{"status": "pending"})
		default:
			last := t.history[len(t.history)-1].wire()
			ok(w, map[string]any{"status": last["status"], "error": last["error"]})
		}
	})
}

// number reads a query parameter, or answers 422.
func number(w http.ResponseWriter, r *http.Request, name string, otherwise, least, most int) (int, bool) {
	if !r.URL.Query().Has(name) {
		return otherwise, true
	}
	n, err := strconv.Atoi(r.URL.Query().Get(name))
	if err != nil || n < least || n > most {
		unprocessable(w, "query", name, fmt.Sprintf("Input should be a whole number from %d to %d", least, most))
		return 0, false
	}
	return n, true
}

// maxBody bounds a request; Pulse has no bound.
const maxBody = 256 << 20

// body reads the request's JSON, or answers 422.
func body(w http.ResponseWriter, r *http.Request, into any) bool {
	data, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err == nil {
		err = decode(data, into)
	}
	if err != nil {
		unprocessable(w, "body", "0", "JSON decode error")
		return false
	}
	return true
}

// decode keeps numbers as they were written, as Pulse does: a float64 has fewer
// digits than an id may have.
func decode(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more than one value")
	}
	return nil
}

func ok(w http.ResponseWriter, out any) { answer(w, http.StatusOK, out) }

func detail(w http.ResponseWriter, status int, text string) {
	answer(w, status, map[string]any{"detail": text})
}

func unprocessable(w http.ResponseWriter, where, name, msg string) {
	answer(w, http.StatusUnprocessableEntity, map[string]any{
		"detail": []map[string]any{{"loc": []string{where, name}, "msg": msg, "type": "value_error"}},
	})
}

// broken answers as an uncaught exception does.
func broken(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(http.StatusInternalServerError)
	_, _ = io.WriteString(w, "Internal Server Error")
}

func answer(w http.ResponseWriter, status int, out any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(out)
}
