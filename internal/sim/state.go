package sim

import (
	"cmp"
	"slices"
	"time"
)

// The rows of the state, in memory and in the journal. Only state.apply changes them, so
// that a restart reads the same state.
type (
	projectRow struct {
		ID      string    `json:"id"`
		Name    string    `json:"name"`
		Created time.Time `json:"created"`
		Updated time.Time `json:"updated"`
	}
	agentRow struct {
		ID          string         `json:"id"`
		Project     string         `json:"project"`
		Name        string         `json:"name"`
		Description *string        `json:"description,omitempty"`
		Metadata    map[string]any `json:"metadata,omitempty"`
		Created     time.Time      `json:"created"`
		Updated     time.Time      `json:"updated"`
	}
	objectiveRow struct {
		ID       string    `json:"id"`
		Project  string    `json:"project"`
		Name     string    `json:"name"`
		Criteria string    `json:"criteria"`
		Version  int       `json:"version"`
		Measure  string    `json:"measure,omitempty"`
		Forbid   []string  `json:"forbid,omitempty"`
		Created  time.Time `json:"created"`
		Updated  time.Time `json:"updated"`
	}
	simulationRow struct {
		ID      string `json:"id"`
		Project string `json:"project"`
		Agent   string `json:"agent"`
		// Ordinal counts simulations from 1; with the seed it decides what their
		// personas say.
		Ordinal     int            `json:"ordinal"`
		Name        string         `json:"name"`
		Scenario    string         `json:"scenario"`
		MaxTurns    int            `json:"max_turns"`
		AutoApprove bool           `json:"auto_approve"`
		Status      string         `json:"status"`
		Target      int            `json:"target_conversations"`
		Personas    int            `json:"target_personas"`
		Objectives  []objectiveRow `json:"objectives,omitempty"` // as they were at creation
		Passes      int            `json:"passes"`
		Created     time.Time      `json:"created"`
		Updated     time.Time      `json:"updated"`
		Expires     time.Time      `json:"expires"`
	}
	personaRow struct {
		ID         string            `json:"id"`
		Simulation string            `json:"simulation"`
		Seq        int               `json:"seq"`
		Key        string            `json:"key"` // of the scenario's persona
		Approval   string            `json:"approval"`
		Summary    string            `json:"summary"`
		Story      string            `json:"story"`
		Purpose    string            `json:"purpose"`
		Attributes map[string]string `json:"attributes"`
		Created    time.Time         `json:"created"`
		Updated    time.Time         `json:"updated"`
	}
	conversationRow struct {
		ID          string          `json:"id"`
		Simulation  string          `json:"simulation"`
		Persona     string          `json:"persona"`
		Seq         int             `json:"seq"`
		Status      string          `json:"status"`
		EndReason   string          `json:"end_reason,omitempty"`
		Evaluation  string          `json:"evaluation"`
		Evaluations []evaluationRow `json:"evaluations,omitempty"`
		Created     time.Time       `json:"created"`
		Updated     time.Time       `json:"updated"`
	}
	evaluationRow struct {
		ID        string    `json:"id"`
		Objective string    `json:"objective"`
		Score     float64   `json:"score"`
		Reason    string    `json:"reason"`
		Created   time.Time `json:"created"`
	}
	itemRow struct {
		ID           string    `json:"id"`
		Conversation string    `json:"conversation"`
		Role         string    `json:"role"`
		Texts        []string  `json:"texts"`
		Created      time.Time `json:"created"`
	}
	// answerRow is the answer to a request with an Idempotency-Key.
	answerRow struct {
		Conversation string         `json:"conversation"`
		Key          string         `json:"key"`
		Request      uint64         `json:"request,string"` // hash of the input
		Response     responseAnswer `json:"response"`
	}
	eventRow struct {
		Conversation string `json:"conversation"`
		Event
	}
)

// An entry is one change. All of it takes effect or none.
type entry struct {
	Projects      []projectRow      `json:"projects,omitempty"`
	Agents        []agentRow        `json:"agents,omitempty"`
	Objectives    []objectiveRow    `json:"objectives,omitempty"`
	Simulations   []simulationRow   `json:"simulations,omitempty"`
	Personas      []personaRow      `json:"personas,omitempty"`
	Conversations []conversationRow `json:"conversations,omitempty"`
	Items         []itemRow         `json:"items,omitempty"`
	Answers       []answerRow       `json:"answers,omitempty"`
	Events        []eventRow        `json:"events,omitempty"`
}

type project struct {
	row         projectRow
	agents      []*agent      // oldest first, as all lists here
	objectives  []*objective  //
	simulations []*simulation //
}

type agent struct{ row agentRow }

type objective struct{ row objectiveRow }

type simulation struct {
	row           simulationRow
	personas      []*persona
	conversations []*talk
	ended         int // conversations that have
	evaluated     int // conversations that have been
}

type persona struct {
	row   personaRow
	talks int
}

// A talk is a conversation with its history.
type talk struct {
	row     conversationRow
	items   []itemRow
	answers map[string]answerRow
	events  []Event
	counts  Counts
	// calls counts the calls of each operation, to number them. Calls before a restart
	// that left no event are not counted.
	calls map[string]int
	// turn is held by the call that adds to or ends the conversation: one at a time.
	turn chan struct{}
	// busy is how many calls hold turn or wait for it.
	busy int
}

// A state is all data of a simulator. Its owner guards it.
type state struct {
	projects    []*project
	project     map[string]*project
	agent       map[string]*agent
	objective   map[string]*objective
	simulation  map[string]*simulation
	simulations []*simulation
	persona     map[string]*persona
	talk        map[string]*talk
	lenient     Lenient
}

func newState() *state {
	return &state{
		project: map[string]*project{}, agent: map[string]*agent{}, objective: map[string]*objective{},
		simulation: map[string]*simulation{}, persona: map[string]*persona{}, talk: map[string]*talk{},
	}
}

// apply makes a change. Rows with a known id replace the old ones. Rows whose owner is
// unknown are dropped: they can only come from a damaged file.
func (st *state) apply(e entry) {
	for _, row := range e.Projects {
		p, ok := st.project[row.ID]
		if !ok {
			p = &project{}
			st.project[row.ID] = p
			st.projects = append(st.projects, p)
		}
		p.row = row
	}
	for _, row := range e.Agents {
		a, ok := st.agent[row.ID]
		if !ok && st.project[row.Project] != nil {
			a = &agent{}
			st.agent[row.ID] = a
			st.project[row.Project].agents = append(st.project[row.Project].agents, a)
		}
		if a != nil {
			a.row = row
		}
	}
	for _, row := range e.Objectives {
		o, ok := st.objective[row.ID]
		if !ok && st.project[row.Project] != nil {
			o = &objective{}
			st.objective[row.ID] = o
			st.project[row.Project].objectives = append(st.project[row.Project].objectives, o)
		}
		if o != nil {
			o.row = row
		}
	}
	for _, row := range e.Simulations {
		s, ok := st.simulation[row.ID]
		if !ok && st.project[row.Project] != nil {
			s = &simulation{}
			st.simulation[row.ID] = s
			st.simulations = append(st.simulations, s)
			st.project[row.Project].simulations = append(st.project[row.Project].simulations, s)
		}
		if s != nil {
			s.row = row
		}
	}
	for _, row := range e.Personas {
		p, ok := st.persona[row.ID]
		if !ok && st.simulation[row.Simulation] != nil {
			p = &persona{}
			st.persona[row.ID] = p
			st.simulation[row.Simulation].personas = append(st.simulation[row.Simulation].personas, p)
		}
		if p != nil {
			p.row = row
		}
	}
	for _, row := range e.Conversations {
		st.applyConversation(row)
	}
	for _, row := range e.Items {
		if t := st.talk[row.Conversation]; t != nil {
			t.items = append(t.items, row)
			if row.Role == roleAgent {
				t.counts.AgentMessages++
			} else {
				t.counts.PersonaMessages++
			}
		}
	}
	for _, row := range e.Answers {
		if t := st.talk[row.Conversation]; t != nil {
			t.answers[row.Key] = row
		}
	}
	for _, row := range e.Events {
		if t := st.talk[row.Conversation]; t != nil {
			t.events = append(t.events, row.Event)
			t.counts.add(row.Event)
			t.calls[row.Op] = max(t.calls[row.Op], row.Call)
		}
	}
}

func (st *state) applyConversation(row conversationRow) {
	s := st.simulation[row.Simulation]
	if s == nil {
		return
	}
	t, ok := st.talk[row.ID]
	if !ok {
		t = &talk{answers: map[string]answerRow{}, calls: map[string]int{}, turn: make(chan struct{}, 1)}
		st.talk[row.ID] = t
		s.conversations = append(s.conversations, t)
		if p := st.persona[row.Persona]; p != nil {
			p.talks++
		}
	}
	if row.Status == statusEnded && t.row.Status != statusEnded {
		s.ended++
	}
	if row.Evaluation == statusCompleted && t.row.Evaluation != statusCompleted {
		s.evaluated++
	}
	t.row = row
}

// dump returns the entries that rebuild the state. It keeps the order of lists.
func (st *state) dump(yield func(entry) error) error {
	for _, p := range st.projects {
		e := entry{Projects: []projectRow{p.row}}
		for _, a := range p.agents {
			e.Agents = append(e.Agents, a.row)
		}
		for _, o := range p.objectives {
			e.Objectives = append(e.Objectives, o.row)
		}
		if err := yield(e); err != nil {
			return err
		}
	}
	slices.SortStableFunc(st.simulations, func(a, b *simulation) int { return cmp.Compare(a.row.Ordinal, b.row.Ordinal) })
	for _, s := range st.simulations {
		e := entry{Simulations: []simulationRow{s.row}}
		for _, p := range s.personas {
			e.Personas = append(e.Personas, p.row)
		}
		if err := yield(e); err != nil {
			return err
		}
		for _, t := range s.conversations {
			if err := yield(t.dump()); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *talk) dump() entry {
	e := entry{Conversations: []conversationRow{t.row}, Items: t.items}
	for _, a := range t.answers {
		e.Answers = append(e.Answers, a)
	}
	for _, ev := range t.events {
		e.Events = append(e.Events, eventRow{t.row.ID, ev})
	}
	return e
}

// done is whether the simulation is finished unless it is run again.
func (s *simulation) done() bool {
	switch s.row.Status {
	case statusCanceled, statusExpired, statusCompleted:
		return true
	}
	return s.ended >= s.row.Target
}
