package pulsetest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/parley-run/parley/platforms/pulse"
)

// The operations, for faults and counts.
const (
	OpHealth   = "health"
	OpSchedule = "schedule"
	OpPoll     = "poll"
	OpList     = "list"
	OpGet      = "get"
	OpPatch    = "patch"
	OpDelete   = "delete"
	OpClaim    = "claim"
	OpAck      = "ack"
	OpHistory  = "history"
	OpResult   = "result"
	OpResults  = "results"
	OpOpenAPI  = "openapi"
)

// A Fault affects requests.
type Fault struct {
	// Op is which. Empty: all.
	Op string
	// Skip is the number of requests before the first affected one. Times is the number
	// of affected ones; zero: all, until [Server.ClearFaults].
	Skip, Times int
	// Latency delays the request.
	Latency time.Duration
	// Late executes the request at once, and delays its answer by this time.
	Late time.Duration
	// Lose closes the connection without an answer. With After, the request has been
	// executed by then; otherwise it is not.
	Lose, After bool
	// Status is the answer instead of the server's. With After, the request has been
	// executed. Zero: the server answers.
	Status int
	Header map[string]string
	// Body is the answer's body. Empty: Pulse's own for that status.
	Body string
}

// said is Pulse's body for a status of failure.
func said(status int) string {
	text := http.StatusText(status)
	switch {
	case status < 400 || status > http.StatusInternalServerError:
		return "" // it never does
	case status == http.StatusInternalServerError:
		text = "Internal error: something went wrong"
	case status == http.StatusUnauthorized:
		text = "Invalid API key"
	case status == http.StatusNotFound:
		text = "Task not found"
	}
	data, err := json.Marshal(map[string]string{"detail": text})
	if err != nil {
		panic(err) // a map of texts
	}
	return string(data)
}

// Fail adds a fault. Each request meets the first that fits.
func (s *Server) Fail(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &f)
}

// ClearFaults removes all faults.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// A Rival is another worker, which claims a task at the same moment as a claim through
// the API.
type Rival struct {
	Worker string
	// After lets the rival come second.
	After bool
	// Done lets the rival acknowledge at once. Otherwise it never does.
	Done bool
	// Times is the number of its claims. Zero: once.
	Times int
}

// Compete adds a rival.
func (s *Server) Compete(r Rival) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.Times = max(1, r.Times)
	s.rivals = append(s.rivals, &r)
}

// compete lets the rivals of a task claim it.
func (s *Server) compete(id string, after bool) {
	for _, r := range s.rivals {
		if r.After == after && r.Times > 0 {
			r.Times--
			execution, claimed := s.claim(id, r.Worker)
			if claimed && r.Done {
				s.acknowledge(s.tasks[id], Ack{Worker: r.Worker, ExecutionID: execution, Status: pulse.AckSuccess})
			}
		}
	}
}

// fault is the fault of this request. Nil: none.
func (s *Server) fault(op string) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests[op]++
	for i, f := range s.faults {
		if f.Op != "" && f.Op != op {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		if f.Times > 0 {
			if f.Times--; f.Times == 0 {
				s.faults = slices.Delete(s.faults, i, i+1)
			}
		}
		return f
	}
	return nil
}

// faulty is the handler with its faults.
func (s *Server) faulty(op string, handle http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		f := s.fault(op)
		if f == nil {
			handle(w, r)
			return
		}
		if f.Latency > 0 {
			// Only after the body is read does the server notice a client that has gone.
			data, err := io.ReadAll(r.Body)
			if err != nil {
				panic(http.ErrAbortHandler)
			}
			r.Body = io.NopCloser(bytes.NewReader(data))
			timer := time.NewTimer(f.Latency)
			defer timer.Stop()
			select {
			case <-timer.C:
			case <-r.Context().Done():
				panic(http.ErrAbortHandler)
			}
		}
		if f.Late > 0 {
			late(w, r, handle, f.Late)
			return
		}
		if !f.Lose && f.Status == 0 {
			handle(w, r)
			return
		}
		if f.After {
			handle(unheard{header: http.Header{}}, r)
		}
		if f.Lose {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Content-Type", "application/json")
		for name, value := range f.Header {
			w.Header().Set(name, value)
		}
		w.WriteHeader(f.Status)
		_, _ = w.Write([]byte(cmp.Or(f.Body, said(f.Status))))
	}
}

// late executes the request, and delays the answer.
func late(w http.ResponseWriter, r *http.Request, handle http.HandlerFunc, wait time.Duration) {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(data))
	kept := &answerKept{header: http.Header{}, status: http.StatusOK}
	handle(kept, r)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
		panic(http.ErrAbortHandler)
	}
	maps.Copy(w.Header(), kept.header)
	w.WriteHeader(kept.status)
	_, _ = w.Write(kept.body.Bytes())
}

// answerKept is a delayed answer.
type answerKept struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answerKept) Header() http.Header         { return a.header }
func (a *answerKept) Write(p []byte) (int, error) { return a.body.Write(p) }
func (a *answerKept) WriteHeader(status int)      { a.status = status }

// unheard swallows a lost answer.
type unheard struct{ header http.Header }

func (u unheard) Header() http.Header         { return u.header }
func (u unheard) Write(p []byte) (int, error) { return len(p), nil }
func (u unheard) WriteHeader(int)             {}
