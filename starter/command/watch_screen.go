package command

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"charm.land/bubbles/v2/textinput"
	"charm.land/bubbles/v2/viewport"
	tea "charm.land/bubbletea/v2"

	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/workflows"
)

// screen is `starter watch` on a terminal: a table of conversations, the selected one in
// full beside or below it, and an operator's acts on it.
type screen struct {
	live liveList
	// acts does an operator's requests, in the name of by.
	acts acting
	by   string
	// bounded bounds one request.
	bounded func(context.Context) (context.Context, context.CancelFunc)

	width, height int
	snapshot      records.Snapshot
	rows          []records.Conversation // of the snapshot, those that match the text
	selected      string                 // the workflow id
	record        *records.Record        // of the selected one
	recordErr     error
	detail        viewport.Model
	focusDetail   bool
	text          string // what is searched for
	asking        *prompting
	help          bool
	said          string // the result of the last act
}

// liveList is a records.Live.
type liveList interface {
	Snapshot() records.Snapshot
	Changed() <-chan struct{}
	Record(ctx context.Context, id string) (records.Record, error)
}

// acting are the acts of an operator.
type acting interface {
	Resume(ctx context.Context, id string, req workflows.ResumeRequest) (workflows.Status, error)
	Pause(ctx context.Context, id string, req workflows.PauseRequest) (workflows.Status, error)
	Takeover(ctx context.Context, id string, req workflows.TakeoverRequest) (workflows.Status, error)
	End(ctx context.Context, id string, req workflows.EndRequest) (workflows.Status, error)
	Approve(ctx context.Context, id string, req workflows.ApproveRequest) (workflows.Status, error)
}

// A prompting asks the operator for a line of text, or for a confirmation.
type prompting struct {
	prompt string
	// input is the text. Nil: y or n is asked for.
	input *textinput.Model
	// answered is given the text.
	answered func(text string) tea.Cmd
}

type (
	changedMsg struct{}
	recordMsg  struct {
		id     string
		record records.Record
		err    error
	}
	actedMsg   struct{ text string }
	refreshMsg struct{}
)

// shownEnded is how long before its start the screen shows conversations that have ended.
const shownEnded = time.Hour

// refreshEvery is how often an open conversation is read again while it is selected.
const refreshEvery = time.Second

func (m *screen) Init() tea.Cmd { return tea.Batch(m.change(), m.refresh()) }

// change waits for the next change of the list.
func (m *screen) change() tea.Cmd {
	changed := m.live.Changed()
	return func() tea.Msg { <-changed; return changedMsg{} }
}

func (m *screen) refresh() tea.Cmd {
	return tea.Tick(refreshEvery, func(time.Time) tea.Msg { return refreshMsg{} })
}

func (m *screen) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
		m.layout()
	case changedMsg:
		m.snapshot = m.live.Snapshot()
		return m, tea.Batch(m.change(), m.list())
	case refreshMsg:
		if m.record == nil || m.record.Open {
			return m, tea.Batch(m.read(), m.refresh())
		}
		return m, m.refresh()
	case recordMsg:
		if msg.id == m.selected {
			m.recordErr = msg.err
			if msg.err == nil {
				m.record = &msg.record
			}
			m.fill()
		}
	case actedMsg:
		m.said = msg.text
		return m, m.read()
	case tea.KeyPressMsg:
		return m, m.key(msg)
	case tea.PasteMsg:
		if m.asking != nil && m.asking.input != nil {
			return m, m.typed(msg)
		}
	}
	return m, nil
}

// list applies the search text to the snapshot, and keeps the selection.
func (m *screen) list() tea.Cmd {
	m.rows = m.rows[:0]
	for _, c := range m.snapshot.Conversations {
		if matches(c, m.text) {
			m.rows = append(m.rows, c)
		}
	}
	slices.SortStableFunc(m.rows, func(a, b records.Conversation) int { return urgency(a) - urgency(b) })
	if m.index() < 0 && len(m.rows) > 0 {
		return m.choose(m.rows[0].ID)
	}
	if len(m.rows) == 0 {
		m.selected, m.record = "", nil
		m.fill()
	}
	return nil
}

// urgency sorts what needs a person first.
func urgency(c records.Conversation) int {
	switch {
	case c.Open && (c.NeedsOperator() || c.Status == string(workflows.StateNeedsApproval)):
		return 0
	case c.Open:
		return 1
	}
	return 2
}

// matches reports whether a conversation has a text in what the table shows of it.
func matches(c records.Conversation, text string) bool {
	if text == "" {
		return true
	}
	shown := strings.Join([]string{c.ID, c.Persona, c.Agent, c.Simulation, c.Status, words(c.Status), c.Result()}, "\n")
	return strings.Contains(strings.ToLower(shown), strings.ToLower(text))
}

func (m *screen) index() int {
	return slices.IndexFunc(m.rows, func(c records.Conversation) bool { return c.ID == m.selected })
}

func (m *screen) choose(id string) tea.Cmd {
	if m.selected != id {
		m.selected, m.record, m.recordErr = id, nil, nil
		m.detail.GotoTop()
		m.fill()
	}
	return m.read()
}

func (m *screen) move(by int) tea.Cmd {
	if len(m.rows) == 0 {
		return nil
	}
	i := min(max(m.index()+by, 0), len(m.rows)-1)
	return m.choose(m.rows[i].ID)
}

// read reads the selected conversation.
func (m *screen) read() tea.Cmd {
	id := m.selected
	if id == "" {
		return nil
	}
	return func() tea.Msg {
		ctx, cancel := m.bounded(context.Background())
		defer cancel()
		record, err := m.live.Record(ctx, id)
		return recordMsg{id, record, err}
	}
}

func (m *screen) key(msg tea.KeyPressMsg) tea.Cmd {
	if m.asking != nil {
		return m.answer(msg)
	}
	m.said = ""
	page := max(1, m.tableHeight()-1)
	switch key := msg.String(); key {
	case "q", "ctrl+c":
		return tea.Quit
	case "?":
		m.help = !m.help
	case "esc":
		m.help, m.focusDetail = false, false
		if m.text != "" {
			m.text = ""
			return m.list()
		}
	case "tab", "enter":
		m.focusDetail = !m.focusDetail
	case "/":
		m.ask("search: ", m.text, func(text string) tea.Cmd { m.text = strings.TrimSpace(text); return m.list() })
	case "r", "p", "t", "e", "y", "n":
		return m.request(key)
	default:
		if m.focusDetail {
			var cmd tea.Cmd
			m.detail, cmd = m.detail.Update(msg)
			return cmd
		}
		switch key {
		case "up", "k":
			return m.move(-1)
		case "down", "j":
			return m.move(1)
		case "pgup":
			return m.move(-page)
		case "pgdown", "space":
			return m.move(page)
		case "home", "g":
			return m.move(-len(m.rows))
		case "end", "G":
			return m.move(len(m.rows))
		}
	}
	m.layout()
	return nil
}

// ask asks for a line of text.
func (m *screen) ask(prompt, value string, answered func(string) tea.Cmd) {
	input := textinput.New()
	input.Prompt = ""
	input.SetValue(value)
	input.CursorEnd()
	input.Focus()
	m.asking = &prompting{prompt: prompt, input: &input, answered: answered}
}

// confirm asks for y.
func (m *screen) confirm(prompt string, answered func() tea.Cmd) {
	m.asking = &prompting{prompt: prompt + " y/n ", answered: func(string) tea.Cmd { return answered() }}
}

func (m *screen) answer(msg tea.KeyPressMsg) tea.Cmd {
	q := m.asking
	switch key := msg.String(); {
	case key == "esc" || key == "ctrl+c", q.input == nil && key == "n":
		m.asking = nil
	case q.input == nil && key == "y":
		m.asking = nil
		return q.answered("")
	case q.input != nil && key == "enter":
		m.asking = nil
		return q.answered(q.input.Value())
	case q.input != nil:
		return m.typed(msg)
	}
	return nil
}

func (m *screen) typed(msg tea.Msg) tea.Cmd {
	input, cmd := m.asking.input.Update(msg)
	m.asking.input = &input
	return cmd
}

// watchScreen runs the screen until the operator leaves it or ctx is done.
func (s *starter) watchScreen(ctx context.Context, o *operate.Operator, f filterFlags) error {
	ctx, cancel := s.lasting(ctx)
	defer cancel()
	if len(f.statuses) == 0 && f.query == "" {
		// What has just ended stays for a while, to be read.
		f.query = fmt.Sprintf("ExecutionStatus = 'Running' OR CloseTime > '%s'", time.Now().Add(-shownEnded).UTC().Format(time.RFC3339))
	}
	live := &records.Live{Reader: o.Reader, Filter: s.filter(f), Every: boardEvery}
	reading, stop := context.WithCancel(ctx)
	read := make(chan struct{})
	go func() { defer close(read); live.Run(reading) }()
	defer func() { stop(); <-read }()
	m := &screen{live: live, acts: o, by: s.operatorName(), bounded: s.bounded, detail: viewport.New()}
	_, err := tea.NewProgram(m, tea.WithContext(ctx), tea.WithInput(s.stdin), tea.WithOutput(s.stdout), tea.WithoutSignalHandler()).Run()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	return nil
}
