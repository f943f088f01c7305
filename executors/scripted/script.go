package scripted

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
)

// A script is a parsed script file.
type script struct {
	name     string
	latency  time.Duration
	greeting []template
	rules    []rule
	fallback []template
	farewell []template
	endAfter int       // turn; 0: never
	endWhen  condition // empty: never
	failures []failure
}

// A rule has replies for a condition.
type rule struct {
	when    condition
	replies []template
	end     bool
}

// A condition holds if all of its given parts hold.
type condition struct {
	contains []phrase // any of them
	matches  *regexp.Regexp
	turn     int // 0: any
}

func (c condition) empty() bool {
	return len(c.contains) == 0 && c.matches == nil && c.turn == 0
}

// holds also returns the matches of the expression's named groups.
func (c condition) holds(turn int, userText, folded string) (map[string]string, bool) {
	if c.empty() || c.turn != 0 && c.turn != turn {
		return nil, false
	}
	if len(c.contains) > 0 {
		found := false
		for _, p := range c.contains {
			found = found || p.in(folded)
		}
		if !found {
			return nil, false
		}
	}
	if c.matches == nil {
		return nil, true
	}
	groups := c.matches.FindStringSubmatch(userText)
	if groups == nil {
		return nil, false
	}
	caught := make(map[string]string)
	for i, name := range c.matches.SubexpNames() {
		if name != "" {
			caught[name] = groups[i]
		}
	}
	return caught, true
}

// A candidate is a reply that fits.
type candidate struct {
	text string
	end  bool
}

// reply returns the first candidate that the agent has not used in this
// conversation and, if all are used, the first that differs from its last message.
func (s *script) reply(req executors.Request) candidate {
	var (
		all  = s.candidates(req)
		used = make(map[string]bool)
		last string
	)
	for _, m := range req.Messages {
		if m.Role == conversation.RoleAssistant {
			last = m.Text()
			used[last] = true
		}
	}
	for _, c := range all {
		if !used[c.text] {
			return c
		}
	}
	// All candidates are used. Choosing by turn keeps a long conversation from
	// alternating between two sentences.
	for i := range all {
		if c := all[(req.Turn+i)%len(all)]; c.text != last {
			return c
		}
	}
	return candidate{text: all[0].text + " (" + strconv.Itoa(req.Turn) + ")", end: all[0].end}
}

// candidates returns the replies that fit, best first: those of the first matching
// rule, of the other matching rules, and the fallbacks. Within a rule the
// conversation's id selects the first.
func (s *script) candidates(req executors.Request) []candidate {
	var (
		out      []candidate
		userText = userText(req.Messages)
		folded   = fold(userText)
		start    = int(hash(req.Conversation) % (1 << 16))
		turn     = max(req.Turn, 1)
	)
	add := func(replies []template, caught map[string]string, end bool) {
		for i := range replies {
			t := replies[(start+i)%len(replies)]
			out = append(out, candidate{text: t.render(turn, caught), end: end})
		}
	}
	if caught, ends := s.endWhen.holds(turn, userText, folded); ends || s.endAfter > 0 && turn >= s.endAfter {
		add(s.farewell, caught, true)
		return out
	}
	if userText == "" {
		add(s.greeting, nil, false)
	}
	for _, r := range s.rules {
		if caught, ok := r.when.holds(turn, userText, folded); ok {
			add(r.replies, caught, r.end)
		}
	}
	add(s.fallback, nil, false)
	return out
}

// userText returns the text of the user since the agent's last message.
func userText(messages []conversation.Message) string {
	first := 0
	for i, m := range messages {
		if m.Role == conversation.RoleAssistant {
			first = i + 1
		}
	}
	var texts []string
	for _, m := range messages[first:] {
		if m.Role == conversation.RoleSystem {
			continue
		}
		for _, p := range m.Parts {
			switch {
			case p.Text != "":
				texts = append(texts, p.Text)
			case len(p.Data) > 0:
				texts = append(texts, string(p.Data))
			case p.ToolResult != nil:
				texts = append(texts, p.ToolResult.Content)
			}
		}
	}
	return strings.Join(texts, "\n")
}

func hash(ref conversation.Ref) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(ref.String()))
	return h.Sum64()
}

// A failure is an intended error.
type failure struct {
	turn       int
	times      int // attempts of the turn that fail
	kind       conversation.Kind
	retryAfter time.Duration
	message    string
	hang       bool // instead wait until the context is done
}

// failure returns the failure of this attempt, or nil.
func (s *script) failure(req executors.Request) *failure {
	for i := range s.failures {
		f := &s.failures[i]
		if f.turn == max(req.Turn, 1) && max(req.Attempt, 1) <= f.times {
			return f
		}
	}
	return nil
}

func (f *failure) play(ctx context.Context, req executors.Request) error {
	if f.hang {
		<-ctx.Done()
		return cancelled(ctx)
	}
	return &conversation.Error{
		Kind:       f.kind,
		Op:         fmt.Sprintf("scripted: turn %d attempt %d", req.Turn, req.Attempt),
		RetryAfter: f.retryAfter,
		Err:        errors.New(f.message),
		Remedy:     "the script lists this failure under failures",
	}
}
