package sim

import (
	"encoding/json"
	"maps"
	"net/http"
	"time"
)

// A Hint is a call that a careful worker would avoid.
type Hint string

// The hints.
const (
	HintStartedTwice      Hint = "started_twice"           // start on a conversation that was not queued
	HintNotStarted        Hint = "responses_without_start" // responses on a conversation that was not started
	HintResponsesAfterEnd Hint = "responses_after_ended"
	HintEndAfterEnd       Hint = "end_after_ended"
	HintEndBeforeStart    Hint = "end_before_start"
	HintConcurrent        Hint = "concurrent_calls"  // responses or end during another call
	HintDuplicate         Hint = "duplicate_message" // the agent sent the same message twice in a row
	HintAskedTwice        Hint = "asked_twice"       // no input in mid-conversation: the persona writes twice in a row
	HintEmpty             Hint = "empty_message"
	HintKeyReused         Hint = "idempotency_key_reused" // with another input
	HintNotRunning        Hint = "simulation_not_running" // started or continued a simulation that was over
)

var hintTexts = map[Hint]string{
	HintStartedTwice:      "worker started a conversation that was not queued: normal when several workers race, a bug when one does it twice",
	HintNotStarted:        "worker sent a message to a conversation that had not been started",
	HintResponsesAfterEnd: "worker called responses after ended",
	HintEndAfterEnd:       "worker called end after ended: a conversation that answers with \"ended\": true is closed already",
	HintEndBeforeStart:    "worker called end on a conversation that was not in progress",
	HintConcurrent:        "worker called responses during another call in the same conversation: OneRun would have mixed them up",
	HintDuplicate:         "agent sent the same message twice in a row: it repeats itself, or the worker sent a stored message again",
	HintAskedTwice:        "worker sent no input in mid-conversation: the persona writes twice in a row",
	HintEmpty:             "agent sent a message without text: OneRun's persona model would have failed",
	HintKeyReused:         "worker used an Idempotency-Key for two different messages",
	HintNotRunning:        "worker continued a simulation that was over",
}

// Text is the hint in words.
func (h Hint) Text() string { return hintTexts[h] }

// An Event is one call that started, continued or ended a conversation, successful or
// not.
type Event struct {
	At time.Time `json:"at"`
	Op string    `json:"op"`
	// Call numbers the calls of this operation on this conversation, from 1.
	Call int `json:"call"`
	// Status is the status of the call's result. If Fault names a fault that spoils
	// answers, the worker received another.
	Status int `json:"status"`
	// Fault is the fault drawn for the call: error, rate_limited, answer_lost,
	// connection_cut, malformed, slow.
	Fault string `json:"fault,omitempty"`
	// Accepted is how many messages of the agent were stored.
	Accepted int    `json:"accepted,omitempty"`
	Hints    []Hint `json:"hints,omitempty"`
	Detail   string `json:"detail,omitempty"`
}

// Counts counts the calls in a conversation, or in all of them: by operation, successful
// or not; stored messages; messages of the agent that repeat its last one; calls without
// input in mid-conversation; and refusals.
type Counts struct {
	Starts          int `json:"starts"`
	Responses       int `json:"responses"`
	Ends            int `json:"ends"`
	AgentMessages   int `json:"agent_messages"`
	PersonaMessages int `json:"persona_messages"`
	Duplicates      int `json:"duplicates"`
	AskedTwice      int `json:"asked_twice"`
	Status400       int `json:"status_400"`
	Status409       int `json:"status_409"`
}

func (c *Counts) add(e Event) {
	switch e.Op {
	case OpStart:
		c.Starts++
	case OpResponses:
		c.Responses++
	case OpEnd:
		c.Ends++
	}
	switch e.Status {
	case http.StatusBadRequest:
		c.Status400++
	case http.StatusConflict:
		c.Status409++
	}
	for _, h := range e.Hints {
		switch h {
		case HintDuplicate:
			if e.Accepted > 0 {
				c.Duplicates++
			}
		case HintAskedTwice:
			if e.Status == http.StatusOK {
				c.AskedTwice++
			}
		}
	}
}

func (c *Counts) plus(d Counts) {
	c.Starts += d.Starts
	c.Responses += d.Responses
	c.Ends += d.Ends
	c.AgentMessages += d.AgentMessages
	c.PersonaMessages += d.PersonaMessages
	c.Duplicates += d.Duplicates
	c.AskedTwice += d.AskedTwice
	c.Status400 += d.Status400
	c.Status409 += d.Status409
}

type totals struct {
	calls    map[string]int
	statuses map[int]int
	faults   map[string]int
}

func newTotals() totals {
	return totals{map[string]int{}, map[int]int{}, map[string]int{}}
}

// A Report sums up what workers have done so far.
type Report struct {
	Scenario      string               `json:"scenario"`
	Seed          int64                `json:"seed"`
	Totals        Counts               `json:"totals"`
	Simulations   []SimulationReport   `json:"simulations"`
	Conversations []ConversationReport `json:"conversations"`
	Hints         []HintReport         `json:"hints"`
	// Calls by operation, answers by HTTP status (0: connection cut) and faults by
	// name, since the simulator was started.
	Calls    map[string]int `json:"calls"`
	Statuses map[int]int    `json:"statuses"`
	Faults   map[string]int `json:"faults"`
}

// A SimulationReport sums a simulation up.
type SimulationReport struct {
	ID        string `json:"id"`
	ProjectID string `json:"project_id"`
	AgentID   string `json:"agent_id"`
	Name      string `json:"name"`
	Status    string `json:"status"`
	Target    int    `json:"target_conversations"`
	// Conversations by status, and those ended by reason.
	Conversations map[string]int `json:"conversations"`
	EndReasons    map[string]int `json:"end_reasons"`
	Evaluated     int            `json:"evaluated"`
	// Scores are means by the objective's name.
	Scores map[string]float64 `json:"scores"`
}

// A ConversationReport sums a conversation up.
type ConversationReport struct {
	ID           string `json:"id"`
	SimulationID string `json:"simulation_id"`
	Seq          int    `json:"seq_id"`
	// Persona is the key of the scenario's persona.
	Persona   string `json:"persona"`
	Status    string `json:"status"`
	EndReason string `json:"end_reason,omitempty"`
	Counts
	// Scores by the objective's name.
	Scores map[string]float64 `json:"scores"`
	Hints  []Hint             `json:"hints"`
}

// A HintReport is a hint with its place.
type HintReport struct {
	ConversationID string    `json:"conversation_id"`
	At             time.Time `json:"at"`
	Hint           Hint      `json:"hint"`
	Text           string    `json:"text"`
}

// Report sums up what has happened so far.
func (s *Simulator) Report() Report {
	s.catchUp()
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := Report{
		Scenario: s.cfg.Scenario.Name, Seed: s.cfg.Seed, Simulations: []SimulationReport{}, Conversations: []ConversationReport{},
		Hints: []HintReport{}, Calls: maps.Clone(s.totals.calls), Statuses: maps.Clone(s.totals.statuses), Faults: maps.Clone(s.totals.faults),
	}
	for _, sim := range s.st.simulations {
		r := SimulationReport{
			ID: sim.row.ID, ProjectID: sim.row.Project, AgentID: sim.row.Agent, Name: sim.row.Name, Status: sim.row.Status,
			Target: sim.row.Target, Evaluated: sim.evaluated, Conversations: map[string]int{}, EndReasons: map[string]int{},
			Scores: map[string]float64{},
		}
		names, judged := map[string]string{}, map[string]int{}
		for _, o := range sim.row.Objectives {
			names[o.ID] = o.Name
		}
		for _, t := range sim.conversations {
			c := t.report(names, s.st.persona[t.row.Persona].row.Key)
			r.Conversations[c.Status]++
			if c.EndReason != "" {
				r.EndReasons[c.EndReason]++
			}
			for name, score := range c.Scores {
				r.Scores[name] += score
				judged[name]++
			}
			out.Totals.plus(c.Counts)
			out.Conversations = append(out.Conversations, c)
			for _, e := range t.events {
				for _, h := range e.Hints {
					out.Hints = append(out.Hints, HintReport{t.row.ID, e.At, h, h.Text()})
				}
			}
		}
		for name, n := range judged {
			r.Scores[name] /= float64(n)
		}
		out.Simulations = append(out.Simulations, r)
	}
	return out
}

func (t *talk) report(objectives map[string]string, persona string) ConversationReport {
	out := ConversationReport{
		ID: t.row.ID, SimulationID: t.row.Simulation, Seq: t.row.Seq, Persona: persona, Status: t.row.Status, EndReason: t.row.EndReason,
		Counts: t.counts, Scores: map[string]float64{}, Hints: []Hint{},
	}
	for _, e := range t.row.Evaluations {
		out.Scores[objectives[e.Objective]] = e.Score
	}
	for _, e := range t.events {
		out.Hints = append(out.Hints, e.Hints...)
	}
	return out
}

// Events is the calls to a conversation, oldest first. Nil: it is unknown.
func (s *Simulator) Events(conversationID string) []Event {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if t := s.st.talk[conversationID]; t != nil {
		return append([]Event{}, t.events...)
	}
	return nil
}

func (s *Simulator) getEvents(r *http.Request) (any, error) {
	events := s.Events(r.PathValue("cid"))
	if events == nil {
		return nil, notFound("Conversation")
	}
	return list[Event]{Data: events}, nil
}

func (s *Simulator) getFaults(*http.Request) (any, error) {
	return s.view(func() (any, error) { return s.faults, nil })
}

// putFaults replaces the faults. Durations are in nanoseconds.
func (s *Simulator) putFaults(r *http.Request) (any, error) {
	var f Faults
	dec := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxBody))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		return nil, badRequest("faults: " + err.Error())
	}
	if err := s.SetFaults(f); err != nil {
		return nil, badRequest(err.Error())
	}
	return f, nil
}
