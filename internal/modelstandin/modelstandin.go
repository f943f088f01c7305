// Package modelstandin has servers on this machine that speak as the services
// behind executors do, so that a whole Parley can be tested against them. What a
// service says is up to the test, in words of no vendor; what it was asked is
// kept the same way.
package modelstandin

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/parley-run/parley/conversation"
)

// Asked is one request for an answer.
type Asked struct {
	// Lines are the messages in the request, a line for each part: "user: text",
	// "assistant: text", "call ID NAME ARGUMENTS", "result ID CONTENT".
	Lines []string
	// Known are all the messages the service knows of: Lines, after those that it
	// has kept of the conversation where it keeps any.
	Known []string
	// Tools are the names of those offered.
	Tools []string
	// Stream is whether the answer is to come piece by piece.
	Stream bool
	// Header is the request's, and Time when it came.
	Header http.Header
	Time   time.Time
}

// Said is an answer.
type Said struct {
	Text  string
	Calls []Call
	// By, if not nil, answers instead, in the service's own words.
	By http.HandlerFunc
}

// A Call is a model's call of a tool. Its arguments may be broken.
type Call struct{ ID, Name, Arguments string }

// A Mind decides what the service says. It is called by many requests at once.
type Mind func(Asked) Said

// A Dialect is how a service speaks.
type Dialect interface {
	// routes registers the pages, all of which answer with s.serve.
	routes(mux *http.ServeMux, s *Service)
}

// A Service is a server that speaks a dialect.
type Service struct {
	// URL is where it listens.
	URL string

	mind  Mind
	mu    sync.Mutex
	asked []Asked
}

// Start starts a service that ends with the test.
func Start(t testing.TB, dialect Dialect, mind Mind) *Service {
	t.Helper()
	s := &Service{mind: mind}
	mux := http.NewServeMux()
	dialect.routes(mux, s)
	server := httptest.NewUnstartedServer(mux)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Start()
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// Asked returns every request so far, in the order they came.
func (s *Service) Asked() []Asked {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

// think keeps the request and decides on the answer.
func (s *Service) think(a Asked) Said {
	if a.Known == nil {
		a.Known = a.Lines
	}
	a.Time = time.Now()
	s.mu.Lock()
	s.asked = append(s.asked, a)
	s.mu.Unlock()
	return s.mind(a)
}

func line(role conversation.Role, text string) string { return string(role) + ": " + text }

func callLine(id, name, arguments string) string { return "call " + id + " " + name + " " + arguments }

func resultLine(id, content string) string { return "result " + id + " " + content }

func (said Said) lines() []string {
	var out []string
	if said.Text != "" {
		out = append(out, line(conversation.RoleAssistant, said.Text))
	}
	for _, c := range said.Calls {
		out = append(out, callLine(c.ID, c.Name, c.Arguments))
	}
	return out
}

// halves is a text in the pieces that it is streamed in.
func halves(text string) []string {
	runes := []rune(text)
	return []string{string(runes[:len(runes)/2]), string(runes[len(runes)/2:])}
}
