package ui

import (
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/workflows"
)

// actions are the buttons of one conversation.
type actions struct {
	ID, Key                                string
	Resume, NewReply, Takeover, End, Pause bool
	Approvals                              []approval
}

// An approval is a tool call that waits, with all that a decision is on.
type approval struct {
	ID, Key            string
	CallID, Digest     string // as they are: the forms return them
	Tool, Origin, Call string
	Seen               string // the digest, to show
	Arguments, Lost    string
	Since, Until       moment
}

func (s *site) actions(r *records.Record) actions {
	out := actions{ID: r.ID, Key: keyOf(r.ID)}
	for _, a := range r.Approvals {
		p := approval{
			ID: r.ID, Key: keyOf(r.ID, a.CallID, a.Digest), CallID: a.CallID, Digest: a.Digest, Tool: line(a.Tool, 200), Call: line(a.CallID, 200), Seen: line(a.Digest, 100),
			Arguments: pretty(a.Arguments), Lost: line(a.Lost, 500), Since: at(a.Since), Until: at(a.Until),
		}
		if origin := a.Set + "/" + a.Name; a.Set != "" && origin != a.Tool {
			p.Origin = line(origin, 200)
		}
		out.Approvals = append(out.Approvals, p)
	}
	if !s.acts || !r.Open || r.Stranded != nil || r.WaitsFor != nil {
		return out
	}
	switch r.Status {
	case string(workflows.StateNeedsAttention):
		out.Resume, out.Takeover = true, true
		out.NewReply = r.Attention != nil && r.Attention.NewReply
	case string(workflows.StatePaused):
		out.Resume, out.Takeover = true, true
	case string(workflows.StateTalking), string(workflows.StateListening), string(workflows.StateClaiming):
		out.Pause = true
	}
	out.End = r.Status != string(workflows.StateEnding)
	return out
}

// Any reports whether there is a button beside those of approvals.
func (a actions) Any() bool { return a.Resume || a.Takeover || a.End || a.Pause }
