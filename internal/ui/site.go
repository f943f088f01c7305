package ui

import (
	"context"
	"net/url"
	"time"

	"github.com/parley-run/parley/internal/records"
)

const (
	// readPatience bounds the reading of one conversation.
	readPatience = 20 * time.Second
	// refreshReading is how often a page is rendered anew while conversations are read for it.
	refreshReading = time.Second
)

// A site renders the pages of one source.
type site struct {
	links
	source Source
	where  string // which Temporal, for readers
	live   bool
	acts   bool
	csrf   string
	// library holds what has been read of conversations.
	library *library
}

func (s *site) frame() frame {
	return frame{Root: s.root, Live: s.live, Acts: s.acts, CSRF: s.csrf, Where: line(s.where, 200), links: s.links}
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
	case "/runs":
		return s.runs()
	case "/run":
		for _, kind := range []string{"simulation", "agent"} {
			if id := q.Get(kind); id != "" {
				return s.run(runKey{kind, id})
			}
		}
		return nil, errNoPage{"The address names no run."}
	case "/compare":
		return s.compare(q.Get("a"), q.Get("b"))
	case "/conversation":
		return s.conversation(ctx, q.Get("id"), q.Get("before"))
	}
	return nil, errNoPage{"There is no such page."}
}

// record reads a conversation in the time that a reader waits.
func (s *site) record(ctx context.Context, id string) (records.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, readPatience)
	defer cancel()
	r, err := s.source.Record(ctx, id)
	if err == nil {
		s.library.add(r)
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
