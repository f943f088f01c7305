// Package modelstandin has servers on this machine that speak as the services
// behind executors do, so that a whole Parley can be tested against them. What a
// service says is up to the test, in words of no vendor; what it was asked is
// kept the same way.
//
// A stand-in is as hard to please as the services: it refuses what they refuse, in
// their form, is too busy now and then, and sends streams as networks deliver them.
// [Lenient] has a switch for each of these. What still differs:
//
//   - HTTP/1.1 without TLS; a connection is closed only after it was announced.
//   - Unknown parameters are refused at the top of a request, not within its parts,
//     and schemas of tools are not read. Content is text, tools' calls and results.
//   - Any credentials are taken. Nothing counts tokens, limits the length of a
//     conversation, or fails in the middle of a stream. Usage is always the same.
//   - Models do not think: there are no blocks of thought.
//   - Stored responses and sessions are kept until the test ends. There are no
//     background responses.
//   - The Gemini API's calls have ids, and a stream without alt=sse is sent as events.
//   - A task of an agent behind A2A is done after two polls, and never fails or asks.
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
	// Known are all the messages the service knows: Lines, after those that it has kept
	// of the conversation.
	Known []string
	// Tools are the names of those offered.
	Tools []string
	// Stream is whether the answer is to be streamed.
	Stream bool
	// Header is the request's, and Time when it came.
	Header http.Header
	Time   time.Time
}

// Said is an answer.
type Said struct {
	Text  string
	Calls []Call
	// By, if not nil, writes the answer instead, in the service's own format
	By http.HandlerFunc
}

// A Call is a model's call of a tool. Its arguments may be broken.
type Call struct{ ID, Name, Arguments string }

// A Mind decides what the service says. It is called by many requests at once.
type Mind func(Asked) Said

// A Dialect is the protocol of a service.
type Dialect interface {
	// routes registers the pages, which answer with the result of s.think.
	routes(mux *http.ServeMux, s *Service)
	// limited refuses a request because of a rate limit, overloaded because of the
	// service's load.
	limited() http.HandlerFunc
	overloaded() http.HandlerFunc
}

// A Service is a server that speaks a dialect.
type Service struct {
	// URL is its address.
	URL string

	mind    Mind
	dialect Dialect
	lenient Lenient
	mu      sync.Mutex
	asked   []Asked
	valid   int // valid requests so far
	refused []string
}

// Start starts a service that ends with the test.
func Start(t testing.TB, dialect Dialect, mind Mind) *Service {
	t.Helper()
	return StartLenient(t, Lenient{}, dialect, mind)
}

// StartLenient starts a service that does some things better than the real one.
func StartLenient(t testing.TB, lenient Lenient, dialect Dialect, mind Mind) *Service {
	t.Helper()
	s := &Service{mind: mind, dialect: dialect, lenient: lenient}
	mux := http.NewServeMux()
	dialect.routes(mux, s)
	server := httptest.NewUnstartedServer(unkind(mux, lenient))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Start()
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// Asked returns every request that reached the mind, in order.
func (s *Service) Asked() []Asked {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

// Refused are the reasons of the refused requests.
func (s *Service) Refused() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.refused)
}

// A refusal says why a service refuses a request, in its own form.
type refusal struct {
	reason string
	answer http.HandlerFunc
}

// think records the request and decides on the answer. Why is nil for a valid request.
func (s *Service) think(a Asked, why *refusal) Said {
	if a.Known == nil {
		a.Known = a.Lines
	}
	a.Time = time.Now()
	if by := s.refuse(a, why); by != nil {
		return Said{By: by}
	}
	return s.mind(a)
}

func (s *Service) refuse(a Asked, why *refusal) http.HandlerFunc {
	s.mu.Lock()
	defer s.mu.Unlock()
	if why != nil && !s.lenient.Requests {
		s.refused = append(s.refused, why.reason)
		return why.answer
	}
	s.valid++
	switch {
	case s.lenient.Load:
	case s.valid == 2:
		return s.dialect.limited()
	case s.valid == 4:
		return s.dialect.overloaded()
	}
	s.asked = append(s.asked, a)
	return nil
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

// halves is a text in the pieces in which it is streamed.
func halves(text string) []string {
	runes := []rune(text)
	return []string{string(runes[:len(runes)/2]), string(runes[len(runes)/2:])}
}
