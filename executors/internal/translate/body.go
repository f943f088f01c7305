// Package translate maps between package wire and agents with other formats: a
// template makes requests, paths read answers.
package translate

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
	"github.com/parley-run/parley/executors/wire"
	"github.com/parley-run/parley/internal/settings"
)

// A Body makes requests from a text/template of JSON. The template sees the fields
// of wire.Request, with State and Attach decoded, and two more: NewMessages, the
// messages the agent has not received, and Input, their text. The function json
// must encode every value.
type Body struct{ t *template.Template }

// bodyData is the template's data.
type bodyData struct {
	wire.Request
	State, Attach any
	NewMessages   []wire.Message
	Input         string
}

var bodyFuncs = template.FuncMap{
	"json": toJSON,
	// uuid maps equal texts to equal UUIDs, for servers whose threads have UUIDs.
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

// ParseBody parses the template of request.body and tests it on sample requests.
func ParseBody(text string, f *settings.Faults) *Body {
	t, err := template.New("body").Option("missingkey=error").Funcs(bodyFuncs).Parse(text)
	if err != nil {
		// Package text/template has no error types: its text has the line.
		f.Add("request.body", "", "is no template: %s", strings.TrimPrefix(err.Error(), "template: "))
		return nil
	}
	safe := true
	for _, part := range t.Templates() {
		if part.Tree == nil {
			continue
		}
		eachAction(part.Root, func(a *parse.ActionNode) {
			if !endsInJSON(a.Pipe) {
				safe = false
				f.Add("request.body", "write {{json …}}, without quotation marks around it", "is not safe in line %d: %s", a.Line, a)
			}
		})
	}
	b := &Body{t: t}
	if !safe {
		return b
	}
	for _, sample := range []struct {
		what string
		req  executors.Request
	}{
		{"the agent speaks first", sampleRequest()},
		{"there are messages", sampleRequest("Hello \"you\"\n\\", "Hi", "Bye")},
	} {
		if _, err := b.Make(sample.req, wire.SendAll, nil); err != nil {
			f.Add("request.body", "", "cannot be used where %s: %s", sample.what, err)
		}
	}
	return b
}

// endsInJSON reports whether the pipeline outputs JSON.
func endsInJSON(p *parse.PipeNode) bool {
	if len(p.Decl) > 0 {
		return true // no output
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

var errBody = errors.New("the output is not JSON")

// Make makes a request. Token identifies a run to attach to, if not empty.
func (b *Body) Make(req executors.Request, send wire.Send, token json.RawMessage) ([]byte, error) {
	data := bodyData{Request: wire.NewRequest(req, send), NewMessages: wire.NewRequest(req, wire.SendNew).Messages}
	var texts []string
	for _, m := range data.NewMessages {
		texts = append(texts, m.Text)
	}
	data.Input = strings.Join(texts, "\n\n")
	for raw, to := range map[*json.RawMessage]*any{&req.State: &data.State, &token: &data.Attach} {
		if len(*raw) > 0 {
			if err := json.Unmarshal(*raw, to); err != nil {
				return nil, err
			}
		}
	}
	var out bytes.Buffer
	if err := b.t.Execute(&out, data); err != nil {
		return nil, err
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, out.Bytes()); err != nil {
		return nil, fmt.Errorf("%w: %w", errBody, err)
	}
	return compact.Bytes(), nil
}

// sampleRequest makes a request of alternating messages, to test a template.
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
