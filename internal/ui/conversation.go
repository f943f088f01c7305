package ui

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/printable"
	"github.com/parley-run/parley/internal/records"
)

const (
	// refreshOpen is how often a page of an open conversation is rendered anew.
	refreshOpen = time.Second
	// messagesShown is how many messages one page shows.
	messagesShown = 200
	// maxText bounds what is shown of one text, in bytes.
	maxText = 64 << 10
)

// A fact is a name and a value of the facts of a conversation.
type fact struct {
	Name, Value string
	At          moment
	Link        string
	Code, Copy  bool
}

// A message is one message for reading.
type message struct {
	Number      int
	Role, Class string
	At          moment
	Marks       []string
	Parts       []messagePart
	Turn        int
}

type messagePart struct {
	Kind            string // "text", "data", "call" or "result"
	Title, Text     string
	Failed, TooLong bool
	Decisions       []string
}

func (s *site) conversation(ctx context.Context, id, before string) (*view, error) {
	if id == "" {
		return nil, errNoPage{"The address names no conversation."}
	}
	r, err := s.record(ctx, id)
	if err != nil {
		if records.KindOf(err) == records.NotFound {
			return nil, errNoPage{"There is no conversation " + line(id, 120) + ". Temporal deletes closed ones after the namespace's retention."}
		}
		return nil, err
	}
	return s.recordView(&r, before)
}

func (s *site) recordView(r *records.Record, before string) (*view, error) {
	title := line(r.Persona, 80)
	if title == "" {
		title = line(r.ID, 120)
	}
	v := newView(s.frame(), "conversation", "list", title)
	if r.Open {
		v.refresh = refreshOpen
	}
	messages, earlier, later := window(r.Messages, before)
	if s.files { // there is no page for the others
		messages, earlier, later = r.Messages, 0, 0
	}
	here := func(before int) string {
		q := url.Values{"id": {r.ID}}
		if before > 0 {
			q.Set("before", strconv.Itoa(before))
		}
		return s.root + "conversation?" + q.Encode()
	}
	data := struct {
		ID, Heading, Earlier, Newest string
		TemporalUI                   string
		Hidden                       int
	}{ID: visible(r.ID), Heading: title, TemporalUI: web(r.UI)}
	if earlier > 0 {
		data.Earlier, data.Hidden = here(messages[0].Index), earlier
	}
	if later > 0 {
		data.Newest = here(0)
	}
	v.Data = data

	errs := []error{
		v.add("state", "state", "state", s.card(&r.Conversation, r, nil)),
		v.add("facts", "facts", "facts", s.facts(r)),
	}
	for i, text := range nonEmpty(r.Unreadable, r.Incomplete) {
		errs = append(errs, v.add("state", fmt.Sprint("missing", i), "searched", searched{Text: "Not all is shown: " + line(text, 400)}))
	}
	other := otherSide(r)
	next := -1
	if len(messages) > 0 {
		next = messages[0].Index
	}
	for _, m := range messages {
		if m.Index > next {
			errs = append(errs, v.add("messages", fmt.Sprint("gap", next), "gap", count(m.Index-next, "message")))
		}
		next = m.Index + 1
		errs = append(errs, v.add("messages", fmt.Sprint("m", m.Index), "message", newMessage(m, other)))
	}
	if len(r.Messages) == 0 {
		errs = append(errs, v.add("messages", "none", "no-messages", r.Open))
	}
	for _, t := range newLanes(r.Timeline) {
		errs = append(errs, v.add("turns", fmt.Sprint("t", t.Number), "lane", t))
	}
	return v, firstError(errs)
}

// window is the part of the messages that one page shows: those before an index, or the
// newest.
func window(all []records.Message, before string) (shown []records.Message, earlier, later int) {
	end := len(all)
	if n, err := strconv.Atoi(before); err == nil {
		for end > 0 && all[end-1].Index >= n {
			end--
		}
	}
	from := max(end-messagesShown, 0)
	return all[from:end], from, len(all) - end
}

// web is an address that a link may lead to.
func web(address string) string {
	if u, err := url.Parse(address); err == nil && (u.Scheme == "http" || u.Scheme == "https") {
		return address
	}
	return ""
}

func (s *site) facts(r *records.Record) []fact {
	var out []fact
	add := func(f fact) {
		if f.Value != "" || f.At.Text != "" {
			out = append(out, f)
		}
	}
	add(fact{Name: "Workflow id", Value: visible(r.ID), Code: true, Copy: true})
	add(fact{Name: "Persona", Value: line(r.Persona, 300)})
	link := ""
	if r.Agent != "" {
		link = s.Run("agent", r.Agent)
	}
	add(fact{Name: "Agent", Value: line(r.Agent, 100), Link: link})
	link = ""
	if r.Simulation != "" {
		link = s.Run("simulation", r.Simulation)
	}
	add(fact{Name: "Simulation", Value: line(r.Simulation, 100), Link: link})
	executor := line(r.Executor, 100)
	if r.Model != "" && r.Model != r.Executor {
		executor += " (" + line(r.Model, 100) + ")"
	}
	add(fact{Name: "Executor", Value: executor})
	add(fact{Name: "Turns", Value: strconv.Itoa(r.Turns)})
	add(fact{Name: "Tokens", Value: tokens(r.Usage)})
	add(fact{Name: "Cost", Value: money(float64(r.Usage.Cost)/1e6, r.Currency)})
	add(fact{Name: "Started", At: at(r.Started)})
	if !r.Ended.IsZero() {
		add(fact{Name: "Ended", At: at(r.Ended)})
		add(fact{Name: "Time", Value: span(r.Duration())})
	}
	if r.Open {
		add(fact{Name: "Step", Value: line(r.Step, 80)})
	}
	if r.Queued > 0 {
		add(fact{Name: "Queued", Value: count(r.Queued, "message")})
	}
	add(fact{Name: "Outcome", Value: line(strings.Join(nonEmpty(r.Result(), r.Detail), ": "), 600)})
	if t := r.Task; t != nil {
		add(fact{Name: "Task", Value: line(t.TaskID, 100)})
		add(fact{Name: "Execution", Value: line(t.ExecutionID, 100)})
		add(fact{Name: "Due", At: at(t.ScheduledFor)})
		add(fact{Name: "Result", Value: line(string(t.Status), 60)})
		add(fact{Name: "Error", Value: line(t.Error, 500)})
		if d := t.Delivery; d != nil {
			add(fact{Name: "Callback", Value: line(strings.Join(nonEmpty(string(d.State), d.Error), ": "), 500)})
		}
	}
	if r.Source == records.SourceHistory && r.Open {
		add(fact{Name: "Read from", Value: "the history: no worker answered"})
	}
	return out
}

func nonEmpty(values ...string) (out []string) {
	for _, v := range values {
		if v != "" {
			out = append(out, v)
		}
	}
	return out
}

// tokens is a usage in words.
func tokens(u conversation.Usage) string {
	if u == (conversation.Usage{}) {
		return ""
	}
	text := number(u.InputTokens) + " in"
	var of []string
	if u.CachedInputTokens > 0 {
		of = append(of, number(u.CachedInputTokens)+" cached")
	}
	if u.CacheWriteTokens > 0 {
		of = append(of, number(u.CacheWriteTokens)+" written to the cache")
	}
	if len(of) > 0 {
		text += " (" + strings.Join(of, ", ") + ")"
	}
	text += ", " + number(u.OutputTokens) + " out"
	if u.EstimatedTokens > 0 {
		text += ", about " + number(u.EstimatedTokens) + " not reported"
	}
	if u.Calls > 0 {
		text += ", " + count(int(u.Calls), "call")
	}
	return text
}

// otherSide names the other side of a conversation: platforms play personas.
func otherSide(r *records.Record) string {
	if r.Task != nil || r.Persona == "" {
		return "user"
	}
	return "persona"
}

func newMessage(m records.Message, other string) message {
	out := message{Number: m.Index + 1, At: clock(m.Time)}
	switch m.Role {
	case conversation.RoleUser:
		out.Role, out.Class = other, "user"
	case conversation.RoleAssistant:
		out.Role, out.Class = "agent", "agent"
	default:
		out.Role, out.Class = line(string(m.Role), 20), "other"
	}
	if m.Unsent {
		out.Marks = append(out.Marks, "not sent")
	}
	if m.CutOff {
		out.Marks = append(out.Marks, "cut off")
	}
	if m.Cleaned > 0 {
		out.Marks = append(out.Marks, count(m.Cleaned, "character")+" taken out")
	}
	if m.ProviderStateBytes > 0 {
		out.Marks = append(out.Marks, number(int64(m.ProviderStateBytes))+" bytes of provider state")
	}
	if len(m.Parts) == 0 {
		out.Parts = []messagePart{textPart(m.Text)}
		return out
	}
	for _, p := range m.Parts {
		out.Parts = append(out.Parts, newPart(p))
	}
	return out
}

func textPart(text string) messagePart {
	shown := printable.Clip(text, maxText)
	return messagePart{Kind: "text", Text: visible(shown), TooLong: len(shown) < len(text)}
}

func newPart(p conversation.Part) messagePart {
	switch {
	case p.ToolCall != nil:
		return messagePart{Kind: "call", Title: line(p.ToolCall.Name, 100), Text: clipped(pretty(p.ToolCall.Arguments))}
	case p.ToolResult != nil:
		out := messagePart{Kind: "result", Title: line(p.ToolResult.Content, 80), Text: clipped(visible(p.ToolResult.Content)), Failed: p.ToolResult.IsError}
		for _, d := range p.ToolResult.Decisions {
			out.Decisions = append(out.Decisions, line(d.At.Local().Format("15:04:05")+", "+d.String(), 500))
		}
		return out
	case p.Type == conversation.PartData:
		return messagePart{Kind: "data", Title: "data", Text: clipped(pretty(p.Data))}
	}
	return textPart(p.Text)
}

func clipped(text string) string { return printable.Clip(text, maxText) }

// faultView says on a page what is wrong.
func (s *site) faultView(err error) (*view, error) {
	v := newView(s.frame(), "fault", "", "Not shown")
	n := notice{Class: "bad", Text: line(err.Error(), 600)}
	v.Status = http.StatusBadGateway
	switch e := err.(type) { //nolint:errorlint // made here
	case errNoPage:
		n.Text, v.Status = e.text, http.StatusNotFound
	default:
		switch records.KindOf(err) {
		case records.Unreachable:
			n.Remedy = "Start Temporal, or check the address; then load this page again."
		case records.NoWorker:
			n.Remedy = "Start a worker (go run ./worker); then load this page again."
		}
	}
	v.Data = n
	return v, nil
}
