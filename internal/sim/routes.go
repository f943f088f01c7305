package sim

import (
	"bytes"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	htmlpage "github.com/parley-run/parley/internal/page"
)

// A handler returns the JSON body of a 200, or an error.
type handler func(r *http.Request) (any, error)

type route struct {
	method, path string
	handle       handler
}

func (s *Simulator) routes() http.Handler {
	const (
		project      = "/v1/projects/{id}"
		agent        = "/v1/agents/{id}"
		objective    = "/v1/objectives/{id}"
		simulation   = "/v1/simulations/{sid}"
		persona      = simulation + "/personas/{pid}"
		conversation = simulation + "/conversations/{cid}"
	)
	table := []route{
		{"GET", "/health", s.health},

		{"POST", "/v1/projects", s.createProject},
		{"GET", "/v1/projects", s.listProjects},
		{"GET", project, s.getProject},
		{"PATCH", project, s.updateProject},
		{"POST", "/v1/agents", s.createAgent},
		{"GET", "/v1/agents", s.listAgents},
		{"GET", agent, s.getAgent},
		{"PATCH", agent, s.updateAgent},
		{"POST", "/v1/objectives", s.createObjective},
		{"GET", "/v1/objectives", s.listObjectives},
		{"GET", objective, s.getObjective},
		{"PATCH", objective, s.updateObjective},

		{"POST", "/v1/simulations", s.createSimulation},
		{"GET", "/v1/simulations", s.listSimulations},
		{"GET", simulation, s.getSimulation},
		{"POST", simulation + "/run", s.runSimulation},
		{"POST", simulation + "/cancel", s.cancelSimulation},
		{"GET", simulation + "/personas", s.listPersonas},
		{"POST", persona + "/approve", s.approvePersona},
		{"POST", persona + "/reject", s.rejectPersona},

		{"GET", simulation + "/conversations", s.listConversations},
		{"GET", conversation, s.getConversation},
		{"POST", conversation + "/start", s.start},
		{"POST", conversation + "/responses", s.responses},
		{"POST", conversation + "/end", s.end},
		{"POST", conversation + "/items", s.items},

		{"GET", "/simulator/report", s.getReport},
		{"GET", "/simulator/conversations/{cid}/events", s.getEvents},
		{"GET", "/simulator/faults", s.getFaults},
		{"PUT", "/simulator/faults", s.putFaults},
	}
	if s.cfg.Lenient.Items {
		table = append(table, route{"GET", conversation + "/items", s.items})
	}
	methods := map[string]map[string]handler{}
	for _, row := range table {
		if methods[row.path] == nil {
			methods[row.path] = map[string]handler{}
		}
		methods[row.path][row.method] = row.handle
	}
	mux := http.NewServeMux()
	for path, byMethod := range methods {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { s.dispatch(w, r, byMethod) })
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if trimmed := strings.TrimRight(r.URL.Path, "/"); trimmed != r.URL.Path && trimmed != "" {
			u := *r.URL
			u.Path, u.RawPath = trimmed, ""
			if _, pattern := mux.Handler(&http.Request{Method: r.Method, URL: &u, Host: r.Host}); pattern != "/" {
				w.Header().Set("Location", u.RequestURI())
				w.WriteHeader(http.StatusTemporaryRedirect)
				return
			}
		}
		s.answer(w, nil, &httpError{status: http.StatusNotFound, detail: "Not Found"})
	})
	return s.cors(mux)
}

// cors admits web pages of the given origins. OneRun admits all, with credentials; a
// server on a user's machine must not.
func (s *Simulator) cors(next http.Handler) http.Handler {
	if len(s.cfg.Origins) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Add("Vary", "Origin")
		if origin := r.Header.Get("Origin"); slices.Contains(s.cfg.Origins, origin) {
			h.Set("Access-Control-Allow-Origin", origin)
			if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
				h.Set("Access-Control-Allow-Methods", "GET, POST, PATCH, PUT, OPTIONS")
				h.Set("Access-Control-Allow-Headers", r.Header.Get("Access-Control-Request-Headers"))
				h.Set("Access-Control-Max-Age", "600")
				w.WriteHeader(http.StatusOK)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Simulator) dispatch(w http.ResponseWriter, r *http.Request, byMethod map[string]handler) {
	if !s.cfg.Lenient.Connections {
		w.Header().Set("Date", time.Now().Add(-dateLag).UTC().Format(http.TimeFormat))
	}
	handle, ok := byMethod[r.Method]
	if !ok {
		s.answer(w, nil, &httpError{status: http.StatusMethodNotAllowed, detail: "Method Not Allowed"})
		return
	}
	if r.URL.Path != "/health" {
		if err := s.authorize(r); err != nil {
			askBrowser(w, r)
			s.answer(w, nil, err)
			return
		}
	}
	if err := s.awaitLoop(); err != nil {
		s.answer(w, nil, err)
		return
	}
	s.catchUp()
	body, err := handle(r)
	if wait := s.awaitLoop(); wait != nil {
		body, err = nil, wait
	}
	s.answer(w, body, err)
}

// authorize requires the key. An Authorization header takes precedence, as in OneRun;
// there are no users here, so its token must be the key too.
func (s *Simulator) authorize(r *http.Request) error {
	s.mu.RLock()
	want := s.key
	s.mu.RUnlock()
	if want == "" {
		return nil
	}
	given, detail := r.Header.Get("X-Api-Key"), "Invalid API key"
	if _, password, ok := r.BasicAuth(); ok && isReport(r) {
		given = password
	} else if auth := r.Header.Get("Authorization"); auth != "" {
		given, detail = strings.TrimPrefix(auth, "Bearer "), "Invalid token"
	} else if given == "" {
		detail = "Not authenticated"
	}
	if subtle.ConstantTimeCompare([]byte(given), []byte(want)) == 1 {
		return nil
	}
	return &httpError{status: http.StatusUnauthorized, detail: detail}
}

// answer writes the result of a call, once all changes it reports are on the disk.
func (s *Simulator) answer(w http.ResponseWriter, body any, err error) {
	if jerr := s.journal.wait(); jerr != nil {
		s.cfg.Logger.Error("state cannot be kept", "error", jerr)
		body, err = nil, internalError()
	}
	var (
		failed *httpError
		ruined *spoiled
	)
	status := http.StatusOK
	switch {
	case errors.Is(err, errClosing) && !s.cfg.Lenient.Connections,
		errors.As(err, &ruined) && ruined.cut:
		s.count(0)
		panic(http.ErrAbortHandler) // net/http's way to drop the connection
	case errors.As(err, &ruined):
		s.count(status)
		data := encode(ruined.body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(data[:len(data)/2])
		return
	case errors.As(err, &failed):
		status = failed.status
		if failed.retryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(failed.retryAfter.Seconds()))))
		}
		if failed.plain {
			s.count(status)
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, failed.detail.(string))
			return
		}
		body = map[string]any{"detail": failed.detail}
	case err != nil:
		s.cfg.Logger.Error("call failed", "error", err)
		s.answer(w, nil, internalError())
		return
	}
	s.count(status)
	if p, ok := body.(htmlpage.Page); ok {
		s.answerPage(w, p)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(encode(body))
}

func (s *Simulator) count(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.totals.statuses[status]++
}

func encode(v any) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return []byte(`{"detail":"the answer cannot be written as JSON"}`)
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}

func (s *Simulator) health(*http.Request) (any, error) {
	return map[string]string{"status": "ok", "message": "Practice partner is running"}, nil
}
