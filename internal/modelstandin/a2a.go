package modelstandin

import (
	"net/http"
	"strings"

	"github.com/parley-run/parley/conversation"
)

// A2A is an agent that speaks the Agent2Agent protocol over JSON-RPC, with its card
// below the service's address. It keeps conversations by their context. It answers as
// agents made with the protocol's own SDK do, in one version alone.
type A2A struct {
	// Stream means that it streams.
	Stream bool
	// Version is "0.3" or "1.0". Default: "0.3".
	Version string
	// Tasks means that it works on a task, whose id it tells before the answer, instead
	// of answering with a message. A task that is not streamed is done when it has been
	// asked for twice.
	Tasks bool
}

func (a A2A) words() a2aWords {
	if a.Version == "1.0" {
		return a2a10{}
	}
	return a2a03{}
}

func (a A2A) routes(mux *http.ServeMux, s *Service) {
	agent := &a2aAgent{A2A: a, service: s, words: a.words(), kept: newMemory(), tasks: a2aTasks{all: map[string]*a2aTask{}}}
	mux.HandleFunc("GET /.well-known/agent-card.json", func(w http.ResponseWriter, r *http.Request) {
		Write(http.StatusOK, JSON(agent.words.card("http://"+r.Host+"/rpc", a.Stream)))(w, r)
	})
	mux.HandleFunc("POST /rpc", agent.serve)
}

// An a2aAgent is a running A2A.
type a2aAgent struct {
	A2A
	service *Service
	words   a2aWords
	kept    *memory
	tasks   a2aTasks
}

func (a *a2aAgent) serve(w http.ResponseWriter, r *http.Request) {
	var req a2aRequest
	if _, ok := read(w, r, &req); !ok {
		return
	}
	op := a.words.operation(req.Method)
	if op == a2aGet || op == a2aCancel {
		a.task(w, r, req, op)
		return
	}
	asked := Asked{Stream: op == a2aStream, Header: r.Header}
	for _, p := range req.Params.Message.Parts {
		asked.Lines = append(asked.Lines, line(conversation.RoleUser, p.Text))
	}
	id := req.Params.Message.ContextID
	before, known := a.kept.get(id)
	asked.Known = append(before, asked.Lines...)
	said := a.service.think(asked, a.check(r.Header, req, id == "" || known))
	if said.By != nil {
		said.By(w, r)
		return
	}
	if id == "" {
		id = a.kept.next("context")
	}
	a.kept.put(id, append(asked.Known, said.lines()...))
	a.answer(w, r, req, a2aTask{context: id, text: said.Text})
}

// answer answers with a message or a task.
func (a *a2aAgent) answer(w http.ResponseWriter, r *http.Request, req a2aRequest, task a2aTask) {
	answer := func(ev a2aEvent) string {
		return JSON(fields{"jsonrpc": "2.0", "id": req.ID, "result": a.words.event(ev)})
	}
	stream := a.words.operation(req.Method) == a2aStream
	events := []a2aEvent{{kind: "message", context: task.context, id: a.kept.next("message"), text: task.text}}
	if a.Tasks {
		task.id = a.kept.next("task")
		if !stream {
			a.tasks.put(task)
		}
		events = task.events()
	}
	if !stream {
		Write(http.StatusOK, answer(events[0]))(w, r)
		return
	}
	send := Events(w)
	for _, ev := range events {
		send(answer(ev))
	}
	task.polls = done
	a.tasks.put(task)
}

// task answers a request about a task.
func (a *a2aAgent) task(w http.ResponseWriter, r *http.Request, req a2aRequest, op a2aOperation) {
	body := fields{"jsonrpc": "2.0", "id": req.ID}
	task, known := a.tasks.poll(req.Params.ID)
	switch {
	case a.words.refuses(r.Header):
		body["error"] = a.words.failure(a2aVersion, "A2A version is not supported by this handler")
	case !known:
		body["error"] = a.words.failure(a2aTaskNotFound, "Task not found")
	case op == a2aCancel && task.polls >= done:
		body["error"] = a.words.failure(a2aNotCancelable, "Task cannot be canceled")
	case op == a2aCancel:
		body["result"] = a.words.bare(a2aEvent{kind: "task", context: task.context, id: task.id, state: "canceled"})
	default:
		body["result"] = a.words.bare(task.event())
	}
	Write(http.StatusOK, JSON(body))(w, r)
}

// a2aWords are a version's words.
type a2aWords interface {
	card(url string, stream bool) fields
	operation(method string) a2aOperation
	// refuses reports whether the version refuses a request with these headers.
	refuses(http.Header) bool
	role() string
	message(kind string) bool
	part(a2aPart) bool
	// event is a result, bare one that was asked for by the task's id.
	event(a2aEvent) fields
	bare(a2aEvent) fields
	failure(code int, message string) fields
}

type a2aOperation int

const (
	a2aUnknown a2aOperation = iota
	a2aSend
	a2aStream
	a2aGet
	a2aCancel
)

// a2a03 is version 0.3.
type a2a03 struct{}

func (a2a03) card(url string, stream bool) fields {
	return fields{
		"name": "standin-1", "description": "stands in", "version": "1", "protocolVersion": "0.3.0",
		"url": url, "preferredTransport": "JSONRPC", "capabilities": fields{"streaming": stream},
		"defaultInputModes": []string{"text/plain"}, "defaultOutputModes": []string{"text/plain"}, "skills": []any{},
	}
}

func (a2a03) operation(method string) a2aOperation {
	return map[string]a2aOperation{"message/send": a2aSend, "message/stream": a2aStream, "tasks/get": a2aGet, "tasks/cancel": a2aCancel}[method]
}

func (a2a03) refuses(http.Header) bool { return false }

func (a2a03) role() string { return "user" }

func (a2a03) failure(code int, message string) fields {
	return fields{"code": code, "message": message}
}

func (v a2a03) bare(ev a2aEvent) fields { return v.event(ev) }

func (a2a03) event(ev a2aEvent) fields {
	out := ev.fields(fields{"kind": "text", "text": ev.text}, ev.state, "agent")
	out["kind"] = ev.kind
	if ev.kind == "status-update" {
		out["final"] = ev.state == "completed"
	}
	return out
}

// a2a10 is version 1.0.
type a2a10 struct{}

func (a2a10) card(url string, stream bool) fields {
	return fields{
		"name": "standin-1", "description": "stands in", "version": "1",
		"supportedInterfaces": []any{fields{"url": url, "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}},
		"capabilities":        fields{"streaming": stream},
		"defaultInputModes":   []string{"text/plain"}, "defaultOutputModes": []string{"text/plain"}, "skills": []any{},
	}
}

func (a2a10) operation(method string) a2aOperation {
	return map[string]a2aOperation{"SendMessage": a2aSend, "SendStreamingMessage": a2aStream, "GetTask": a2aGet, "CancelTask": a2aCancel}[method]
}

// refuses takes a request without the header as one of version 0.3, as the protocol
// requires.
func (a2a10) refuses(h http.Header) bool { return !strings.HasPrefix(h.Get("A2A-Version"), "1.") }

func (a2a10) role() string { return "ROLE_USER" }

func (a2a10) failure(code int, message string) fields {
	return fields{"code": code, "message": message, "data": []any{fields{
		"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "STANDIN", "domain": "a2a-protocol.org", "metadata": fields{},
	}}}
}

func (a2a10) bare(ev a2aEvent) fields {
	return ev.fields(fields{"text": ev.text}, "TASK_STATE_"+strings.ToUpper(ev.state), "ROLE_AGENT")
}

func (v a2a10) event(ev a2aEvent) fields {
	name := map[string]string{"status-update": "statusUpdate", "artifact-update": "artifactUpdate"}[ev.kind]
	if name == "" {
		name = ev.kind
	}
	return fields{name: v.bare(ev)}
}
