package command

import (
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/parley-run/parley/internal/printable"
)

var (
	titleStyle    = lipgloss.NewStyle().Bold(true)
	selectedStyle = lipgloss.NewStyle().Reverse(true)
	urgentStyle   = lipgloss.NewStyle().Foreground(lipgloss.Yellow)
	faintStyle    = lipgloss.NewStyle().Faint(true)
)

// wideFrom is the width from which the detail stands beside the table.
const wideFrom = 150

const screenKeys = "↑↓ choose · enter read · / search · r resume · p pause · t take over · y approve · n refuse · e end · ? keys · q quit"

const screenHelp = `↑ ↓ j k        choose a conversation
pgup pgdn g G  a page, the first, the last
enter, tab     scroll the conversation; again: the table
/              search in ids, personas, agents, status; esc clears it
r              resume: the failed step is retried
p              pause before the next step
t              take over: answer the next turn in place of the agent
y, n           approve or refuse the tool call that waits
e              end the conversation on its platform
q, ctrl+c      leave; conversations continue

What needs a person comes first.`

func (m *screen) wide() bool { return m.width >= wideFrom }

// tableHeight is how many conversations are shown.
func (m *screen) tableHeight() int {
	rest := m.height - 4 // title, header, line, keys
	if m.wide() {
		return max(1, rest)
	}
	return max(1, min(len(m.rows), rest/3))
}

func (m *screen) layout() {
	if m.wide() {
		m.detail.SetWidth(m.width - m.tableWidth() - 3)
		m.detail.SetHeight(max(1, m.height-3))
	} else {
		m.detail.SetWidth(max(1, m.width))
		m.detail.SetHeight(max(1, m.height-4-m.tableHeight()))
	}
	m.fill()
}

func (m *screen) tableWidth() int {
	if m.wide() {
		return m.width / 2
	}
	return m.width
}

// fill shows the selected conversation.
func (m *screen) fill() {
	text := ""
	switch {
	case m.help:
		text = screenHelp
	case m.recordErr != nil:
		text = "cannot be read: " + clip(m.recordErr.Error(), 500)
	case m.record != nil:
		now := time.Now()
		text = header(*m.record, now)
		if turns := turnsText(*m.record); turns != "" {
			text += "\n" + turns
		}
		text += transcriptText(*m.record, now)
	}
	m.detail.SetContent(ansi.Wrap(clean(text), max(1, m.detail.Width()), ""))
}

func (m *screen) View() tea.View {
	v := tea.View{AltScreen: true, WindowTitle: "parley"}
	if m.width == 0 {
		return v
	}
	table := strings.Join(append([]string{m.title(), m.header()}, m.lines()...), "\n")
	body := table + "\n" + faintStyle.Render(strings.Repeat("─", m.width)) + "\n" + m.detail.View()
	if m.wide() {
		column := lipgloss.NewStyle().Width(m.tableWidth()).Height(m.height - 1).Render(table)
		body = lipgloss.JoinHorizontal(lipgloss.Top, column, " │ ", m.detail.View())
	}
	v.SetContent(lipgloss.NewStyle().MaxHeight(m.height-1).Height(m.height-1).Render(body) + "\n" + m.foot())
	return v
}

func (m *screen) title() string {
	text := "reading …"
	switch s := m.snapshot; {
	case s.Err != nil:
		text = clip(s.Err.Error(), 300)
	case !s.At.IsZero() && len(s.Conversations) == 0:
		text = "no conversations: they appear here once a worker has some"
	case !s.At.IsZero():
		urgent := 0
		for _, c := range s.Conversations {
			if urgency(c) == 0 {
				urgent++
			}
		}
		text = count(len(s.Conversations), "conversation")
		if m.text != "" {
			text = fmt.Sprintf("%d of %s with %q", len(m.rows), text, clip(m.text, 40))
		}
		if urgent > 0 {
			text += " · " + plural(int64(urgent), "needs", "need") + " a person"
		}
	}
	return titleStyle.Render(ansi.Truncate(text, m.tableWidth(), "…"))
}

// shortID is the conversation's id on its platform, which names it unless another platform
// has the same.
func shortID(id string) string { return id[strings.LastIndexByte(id, '/')+1:] }

// row is a line of the table.
func (m *screen) row(state, turns, lasts, persona, id string) string {
	rest := max(0, m.tableWidth()-stateWidth-turnsWidth-lastsWidth-4)
	name := rest * 3 / 5
	return strings.Join([]string{fit(state, stateWidth), fit(turns, turnsWidth), fit(lasts, lastsWidth), fit(persona, name), fit(id, rest-name)}, " ")
}

// Widths of columns. Persona and id share what is left.
const (
	stateWidth = 22
	turnsWidth = 5
	lastsWidth = 7
)

// fit makes a text as wide as a column.
func fit(text string, width int) string {
	text = ansi.Truncate(printable.Line(text), width, "…")
	return text + strings.Repeat(" ", max(0, width-ansi.StringWidth(text)))
}

func (m *screen) header() string {
	return faintStyle.Render(m.row("status", "turns", "for", "persona", "conversation"))
}

// lines are the part of the table around the selected conversation.
func (m *screen) lines() []string {
	height, at := m.tableHeight(), max(0, m.index())
	from := min(max(0, at-height/2), max(0, len(m.rows)-height))
	var out []string
	for i := from; i < min(from+height, len(m.rows)); i++ {
		c := m.rows[i]
		if m.record != nil && m.record.ID == c.ID {
			c.Turns = max(c.Turns, m.record.Turns) // visibility has them later
		}
		state := statusText(c)
		if result := c.Result(); result != "" {
			state = result
		}
		line := m.row(state, fmt.Sprint(c.Turns), span(c.Duration()), c.Persona, shortID(c.ID))
		switch {
		case i == at && !m.focusDetail:
			line = selectedStyle.Render(line)
		case i == at:
			line = titleStyle.Render(line)
		case urgency(c) == 0:
			line = urgentStyle.Render(line)
		case !c.Open:
			line = faintStyle.Render(line)
		}
		out = append(out, line)
	}
	return out
}

func (m *screen) foot() string {
	if q := m.asking; q != nil {
		text := ansi.Truncate(clean(q.prompt), max(1, m.width-2), "…")
		if q.input != nil {
			q.input.SetWidth(max(5, m.width-ansi.StringWidth(text)-2))
			text += q.input.View()
		}
		return text
	}
	if m.said != "" {
		return titleStyle.Render(ansi.Truncate(clean(m.said), m.width, "…"))
	}
	return faintStyle.Render(ansi.Truncate(screenKeys, m.width, "…"))
}
