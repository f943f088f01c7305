package ui

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/parley-run/parley/internal/records"
)

// A site renders the pages of one source.
type site struct {
	links
	source Source
	where  string // which Temporal, for readers
	live   bool
	acts   bool
	csrf   string
	index  index
}

func (s *site) frame() frame {
	return frame{Root: s.root, Live: s.live, Acts: s.acts, CSRF: s.csrf, Where: s.where, links: s.links}
}

// errNoPage means that there is no page at an address.
type errNoPage struct{ text string }

func (e errNoPage) Error() string { return e.text }

// view makes the page at an address.
func (s *site) view(ctx context.Context, path string, q url.Values) (*view, error) {
	v, err := s.route(ctx, path, q)
	if err != nil {
		return nil, err
	}
	v.Self = path
	if len(q) > 0 {
		v.Self += "?" + q.Encode()
	}
	return v, nil
}

func (s *site) route(ctx context.Context, path string, q url.Values) (*view, error) {
	switch path {
	case "/":
		return s.list(parseQuery(q))
	case "/waiting":
		return s.waiting(ctx)
	case "/conversation":
		return s.conversation(ctx, q.Get("id"), q.Get("before"))
	}
	return nil, errNoPage{"There is no such page."}
}

// record reads a conversation in the time that a reader waits.
func (s *site) record(ctx context.Context, id string) (records.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	r, err := s.source.Record(ctx, id)
	if err == nil {
		s.index.add(r)
	}
	return r, err
}

// A notice says what is wrong, and what to do.
type notice struct {
	Class, Text, Remedy string
}

// notices adds what concerns all conversations.
func (s *site) notices(v *view, snapshot records.Snapshot) error {
	if err := snapshot.Err; err != nil {
		text, remedy := line(err.Error(), 400), "This page goes on by itself when it answers."
		if !snapshot.At.IsZero() && len(snapshot.Conversations) > 0 {
			remedy = "What is shown was read before. " + remedy
		}
		return v.add("notices", "error", "notice", notice{"bad", text, remedy})
	}
	stranded := map[string]string{}
	for i := range snapshot.Conversations {
		if st := snapshot.Conversations[i].Stranded; st != nil {
			stranded[st.Reason] = st.Remedy
		}
	}
	for reason, remedy := range stranded {
		if len(stranded) > 3 {
			return v.add("notices", "stranded", "notice", notice{"needs", "No worker can run some of the conversations, for several reasons.", "starter doctor lists them."})
		}
		if err := v.add("notices", keyOf("stranded", reason), "notice", notice{"needs", "Stranded: " + line(reason, 300), line(remedy, 400)}); err != nil {
			return err
		}
	}
	return nil
}

// index holds the texts of the conversations that have been read.
type index struct{ texts map[string]string }

func (index) add(records.Record) {}

// searched says how much was searched.
type searched struct {
	Text  string
	Read  int
	Total int
}

// search finds the conversations that meet all conditions.
func (s *site) search(all []records.Conversation, q query) ([]found, *searched) {
	var out []found
	text := strings.ToLower(q.Text)
	for i := range all {
		c := &all[i]
		if !q.matches(c) {
			continue
		}
		if text != "" && !strings.Contains(strings.ToLower(c.ID), text) && !strings.Contains(strings.ToLower(c.Persona), text) {
			continue
		}
		out = append(out, found{c: c})
	}
	return out, nil
}
