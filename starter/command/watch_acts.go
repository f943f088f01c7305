package command

import (
	"context"
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/parley-run/parley/workflows"
)

// request begins an act on the selected conversation, after a question where it cannot be
// undone or needs a text.
func (m *screen) request(key string) tea.Cmd {
	id := m.selected
	if id == "" {
		return nil
	}
	switch key {
	case "r":
		return m.do("resuming", id, func(ctx context.Context) (workflows.Status, error) {
			return m.acts.Resume(ctx, id, workflows.ResumeRequest{By: m.by})
		})
	case "p":
		return m.do("pausing", id, func(ctx context.Context) (workflows.Status, error) {
			return m.acts.Pause(ctx, id, workflows.PauseRequest{By: m.by})
		})
	case "t":
		m.ask("answer in place of the agent: ", "", func(text string) tea.Cmd {
			if strings.TrimSpace(text) == "" {
				return nil
			}
			return m.do("taking over", id, func(ctx context.Context) (workflows.Status, error) {
				return m.acts.Takeover(ctx, id, workflows.TakeoverRequest{Text: text, By: m.by})
			})
		})
	case "e":
		m.confirm("end this conversation on its platform?", func() tea.Cmd {
			return m.do("ending", id, func(ctx context.Context) (workflows.Status, error) {
				return m.acts.End(ctx, id, workflows.EndRequest{By: m.by})
			})
		})
	case "y", "n":
		m.decide(id, key == "n")
	}
	return nil
}

// decide approves or refuses the first call that waits, as it is shown: its digest goes
// with the decision, so that it is one on what was seen.
func (m *screen) decide(id string, deny bool) {
	if m.record == nil || len(m.record.Approvals) == 0 {
		m.said = "no tool call of this conversation waits for approval"
		return
	}
	call := m.record.Approvals[0]
	send := func(reason string) tea.Cmd {
		return m.do("deciding on "+clip(call.Tool, 100), id, func(ctx context.Context) (workflows.Status, error) {
			return m.acts.Approve(ctx, id, workflows.ApproveRequest{CallID: call.CallID, Digest: call.Digest, Deny: deny, Reason: reason, By: m.by})
		})
	}
	if deny {
		m.ask("refuse "+clip(call.Tool, 60)+"; the reason, for the agent: ", "", send)
		return
	}
	m.confirm("approve "+clip(call.Tool, 60)+" with the arguments that are shown?", func() tea.Cmd { return send("") })
}

// do sends a request.
func (m *screen) do(doing, id string, send func(context.Context) (workflows.Status, error)) tea.Cmd {
	m.said = doing + " …"
	return func() tea.Msg {
		ctx, cancel := m.bounded(context.Background())
		defer cancel()
		status, err := send(ctx)
		if err != nil {
			return actedMsg{clip(err.Error(), 500)}
		}
		return actedMsg{fmt.Sprintf("%s %s: %s", doing, clip(id, 100), words(string(status.State)))}
	}
}
