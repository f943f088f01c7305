package iii

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/template"
	"text/template/parse"

	"github.com/google/uuid"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/executors/wire"
)

// RequestMapping makes requests in another function's words.
type RequestMapping struct {
	// Body is a template (text/template) of the JSON to call the function with. It
	// sees the fields of wire.Request, with State decoded, and two more: NewMessages,
	// those that the function has not seen, and Input, their text. Every value goes
	// through the function json. Empty: the contract's own request.
	Body string `yaml:"body"`
}

// A bodyTemplate makes the data of calls.
type bodyTemplate struct{ t *template.Template }

// templateData is what a template sees.
type templateData struct {
	wire.Request
	State       any
	NewMessages []wire.Message
	Input       string
}

var templateFuncs = template.FuncMap{
	"json": toJSON,
	// uuid is the same for the same text: for functions whose threads have UUIDs.
	"uuid": func(text string) string { return uuid.NewSHA1(uuid.NameSpaceURL, []byte(text)).String() },
}

func toJSON(v any) (string, error) {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "", err
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// parseBody reads the template, and tries it.
func parseBody(text string, f *modelcall.Faults) *bodyTemplate {
	t, err := template.New("body").Option("missingkey=error").Funcs(templateFuncs).Parse(text)
	if err != nil {
		f.Add("request.body: %s", strings.TrimPrefix(err.Error(), "template: "))
		return nil
	}
	b, safe := &bodyTemplate{t}, true
	for _, part := range t.Templates() {
		if part.Tree == nil {
			continue
		}
		eachAction(part.Root, func(a *parse.ActionNode) {
			if !endsInJSON(a.Pipe) {
				safe = false
				f.Add("request.body: line %d: %s is not safe: write {{json …}}, without quotation marks around it", a.Line, a)
			}
		})
	}
	if !safe {
		return b
	}
	for what, req := range map[string]executors.Request{
		"the agent speaks first": sampleRequest(), "there are messages": sampleRequest("Hello \"you\"\n\\", "Hi", "Bye"),
	} {
		if _, err := b.make(req, wire.SendAll); err != nil {
			f.Add("request.body: where %s: %s", what, err)
		}
	}
	return b
}

// endsInJSON reports whether what the pipeline puts out is JSON.
func endsInJSON(p *parse.PipeNode) bool {
	if len(p.Decl) > 0 {
		return true // puts out nothing
	}
	last := p.Cmds[len(p.Cmds)-1]
	name, ok := last.Args[0].(*parse.IdentifierNode)
	return ok && name.Ident == "json"
}

// eachAction walks a template.
func eachAction(n parse.Node, do func(*parse.ActionNode)) {
	branch := func(b *parse.BranchNode) {
		eachAction(b.List, do)
		if b.ElseList != nil {
			eachAction(b.ElseList, do)
		}
	}
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return
		}
		for _, child := range n.Nodes {
			eachAction(child, do)
		}
	case *parse.ActionNode:
		do(n)
	case *parse.IfNode:
		branch(&n.BranchNode)
	case *parse.RangeNode:
		branch(&n.BranchNode)
	case *parse.WithNode:
		branch(&n.BranchNode)
	}
}

var errBody = errors.New("what comes out is no JSON")

func (b *bodyTemplate) make(req executors.Request, send wire.Send) (json.RawMessage, error) {
	data := templateData{Request: wire.NewRequest(req, send), NewMessages: wire.NewRequest(req, wire.SendNew).Messages}
	var texts []string
	for _, m := range data.NewMessages {
		texts = append(texts, m.Text)
	}
	data.Input = strings.Join(texts, "\n\n")
	if len(req.State) > 0 {
		if err := json.Unmarshal(req.State, &data.State); err != nil {
			return nil, err
		}
	}
	var out, compact bytes.Buffer
	if err := b.t.Execute(&out, data); err != nil {
		return nil, err
	}
	if err := json.Compact(&compact, out.Bytes()); err != nil {
		return nil, fmt.Errorf("%w: %w", errBody, err)
	}
	return compact.Bytes(), nil
}

// sampleRequest is one to try a template with: turns of both sides.
func sampleRequest(texts ...string) executors.Request {
	req := executors.Request{
		Conversation: conversation.Ref{Platform: "sample", ID: "sample"}, Turn: 1 + len(texts)/2, Attempt: 1,
		IdempotencyKey: "sample/sample/reply/1",
	}
	for i, text := range texts {
		role := conversation.RoleUser
		if i%2 == 1 {
			role = conversation.RoleAssistant
		}
		req.Messages = append(req.Messages, conversation.Text(role, text))
	}
	req.New = min(1, len(texts))
	return req
}
