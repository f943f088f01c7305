package ui

import (
	"fmt"
	"strings"

	"github.com/parley-run/parley/internal/records"
)

// searched says how many conversations' messages were searched.
type searched struct {
	Text string
	More bool // some are being read
}

// search finds the conversations that meet all conditions. A text is looked for in ids,
// personas, and the messages of those that have been read; the rest is read meanwhile.
func (s *site) search(all []records.Conversation, q query) ([]found, *searched) {
	var out []found
	text := strings.ToLower(q.Text)
	total, read := 0, 0
	var unread []*records.Conversation
	for i := range all {
		c := &all[i]
		if !q.matches(c) {
			continue
		}
		if text == "" {
			out = append(out, found{c: c})
			continue
		}
		total++
		excerpt, in, known := s.library.find(c, text)
		if known {
			read++
		} else {
			unread = append(unread, c)
		}
		if in || strings.Contains(strings.ToLower(c.ID), text) || strings.Contains(strings.ToLower(c.Persona), text) {
			out = append(out, found{c: c, excerpt: excerpt})
		}
	}
	if text == "" {
		return out, nil
	}
	s.library.want(unread)
	says := &searched{Text: fmt.Sprintf("Searched the messages of %s of %s conversations.", number(int64(read)), number(int64(total)))}
	for _, c := range unread {
		if !c.Open {
			says.More = true
			says.Text += " The others are being read."
			break
		}
	}
	return out, says
}
