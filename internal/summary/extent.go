package summary

import (
	"fmt"
	"strings"
)

// A Coverage says over how many of how many conversations a summary speaks.
type Coverage struct {
	// Exist is how many match the filters. Visibility may be a second behind.
	Exist int `json:"exist"`
	// Read is how many could be read: all figures are theirs.
	Read int `json:"read"`
	// Ended and Open are parts of Read.
	Ended int `json:"ended"`
	Open  int `json:"open"`
	// Timed is the part of Read whose steps are known: times, failures and tools are theirs.
	Timed int `json:"timed"`
	// Unread says why conversations could not be read, by the reason.
	Unread []Count `json:"unread,omitempty"`
	// Limit is the largest number that was asked for. Zero: all.
	Limit int `json:"limit,omitempty"`
}

// Whole reports whether the figures are those of all conversations.
func (c Coverage) Whole() bool { return c.Read >= c.Exist }

// String is "over 998 of 1000 conversations, of which 990 have ended".
func (c Coverage) String() string {
	var b strings.Builder
	switch {
	case c.Exist == 1 && c.Read == 1:
		b.WriteString("over 1 conversation")
	case c.Whole():
		fmt.Fprintf(&b, "over all %d conversations", c.Read)
	default:
		fmt.Fprintf(&b, "over %d of %d conversations", c.Read, max(c.Exist, c.Read))
	}
	if c.Open > 0 {
		fmt.Fprintf(&b, ", of which %d have ended and %d are open", c.Ended, c.Open)
	}
	unread := 0
	for _, u := range c.Unread {
		unread += u.N
	}
	if unread > 0 {
		fmt.Fprintf(&b, "; %d could not be read", unread)
	}
	if rest := c.Exist - c.Read - unread; rest > 0 && c.Limit > 0 {
		fmt.Fprintf(&b, "; %d are above the limit of %d", rest, c.Limit)
	}
	if c.Timed < c.Read {
		fmt.Fprintf(&b, "; times, failures and tools are known of %d", c.Timed)
	}
	return b.String()
}
