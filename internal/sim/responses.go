package sim

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/parley-run/parley/conversation"
)

// responses receives the agent's message and answers with the persona's. Both are stored
// together, or neither is.
func (s *Simulator) responses(r *http.Request) (any, error) {
	f := newForm(r)
	body, err := f.body()
	if err != nil {
		return nil, err
	}
	input := f.input(body)
	t, err := s.conversation(f)
	if err != nil {
		return nil, err
	}
	key := r.Header.Get("Idempotency-Key")
	if !s.cfg.Lenient.Keys {
		key = ""
	}
	return s.operate(r, OpResponses, t, func(o *operation) (any, error) {
		leave, err := s.admit()
		if err != nil {
			return nil, err
		}
		defer leave()
		release, err := o.takeTurn()
		if err != nil {
			return nil, err
		}
		defer release()
		return s.respond(o, input, key)
	})
}

// respond stores its exchange after what it has read, whatever has been stored
// meanwhile: only [Lenient.Turns] excludes that.
func (s *Simulator) respond(o *operation, input [][]string, key string) (any, error) {
	turn, answered, err := s.prepare(o, input, key)
	if err != nil || answered != nil {
		return answered, err
	}
	if err := s.pause(o.fault.slow + o.latency()); err != nil {
		return nil, err
	}
	if !s.cfg.Lenient.Empty && slices.ContainsFunc(input, isEmpty) {
		o.hint(HintEmpty)
		o.detail = "the persona could not answer an empty message"
		return nil, internalError()
	}
	text, end, err := s.cfg.Player.Reply(s.ctx, turn)
	if s.ctx.Err() != nil {
		return nil, errClosing
	}
	if err != nil {
		o.detail = "the persona could not answer: " + err.Error()
		s.cfg.Logger.Warn("persona could not answer", "conversation_id", o.id, "error", err)
		return nil, internalError()
	}
	if err := s.awaitLoop(); err != nil {
		return nil, err
	}
	// OneRun wants the marker to be the very end; models like to add a line break.
	if s.cfg.Lenient.Markers {
		text = strings.TrimSpace(text)
	}
	if cut, found := strings.CutSuffix(text, EndMarker); found {
		text, end = strings.TrimSpace(cut), true
	}
	return s.store(o, input, key, text, end, len(turn.Messages)), nil
}

func isEmpty(texts []string) bool { return strings.TrimSpace(strings.Join(texts, "")) == "" }

// prepare collects the persona's input, or returns the earlier answer to the same key.
func (s *Simulator) prepare(o *operation, input [][]string, key string) (PersonaTurn, any, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	t := o.talk
	if old, ok := t.answers[key]; ok && key != "" {
		if old.Request != hash(input) {
			o.hint(HintKeyReused)
			return PersonaTurn{}, nil, &httpError{status: http.StatusUnprocessableEntity, detail: []fieldError{{
				Type: "idempotency_key_reused", Loc: []any{"header", "Idempotency-Key"},
				Msg: "The key was used with another input", Input: key,
			}}}
		}
		o.detail = "answered from the Idempotency-Key"
		return PersonaTurn{}, old.Response, nil
	}
	if t.row.Status == statusEnded {
		o.hint(HintResponsesAfterEnd)
		return PersonaTurn{}, nil, badRequest("Conversation has already ended")
	}
	sim := s.st.simulation[t.row.Simulation]
	row := s.st.persona[t.row.Persona].row
	turn := PersonaTurn{
		Conversation: conversation.Ref{
			Platform: "simulator", Project: sim.row.Project, Simulation: sim.row.ID, Agent: sim.row.Agent, ID: t.row.ID,
		},
		Persona:  s.script[row.Key],
		Scenario: sim.row.Scenario,
		MaxTurns: sim.row.MaxTurns,
		Seed:     s.seedOf(sim, row, t.row),
	}
	if a := s.st.agent[sim.row.Agent]; a != nil {
		turn.Agent.Name = a.row.Name
		if a.row.Description != nil {
			turn.Agent.Description = *a.row.Description
		}
	}
	for _, item := range t.items {
		turn.Messages = append(turn.Messages, item.message())
	}
	for _, texts := range input {
		turn.Messages = append(turn.Messages, itemRow{Role: roleAgent, Texts: texts}.message())
	}
	return turn, nil, nil
}

// seedOf is the conversation's own seed. It does not depend on ids, which differ between
// runs.
func (s *Simulator) seedOf(sim *simulation, p personaRow, t conversationRow) uint64 {
	return hash("talk", s.cfg.Seed, sim.row.Ordinal, p.Key, t.Seq)
}

// notice records hints about a call that the protocol permits. It needs mu.
func (s *Simulator) notice(o *operation, input [][]string) {
	t := o.talk
	if t.row.Status == statusQueued {
		o.hint(HintNotStarted)
	}
	if s.st.simulation[t.row.Simulation].row.Status != statusInProgress {
		o.hint(HintNotRunning)
	}
	if len(input) == 0 && len(t.items) > 0 {
		o.hint(HintAskedTwice)
	}
	last, any := "", false
	for _, item := range t.items {
		if item.Role == roleAgent {
			last, any = strings.Join(item.Texts, "\n"), true
		}
	}
	for _, texts := range input {
		said := strings.Join(texts, "\n")
		if strings.TrimSpace(said) == "" {
			o.hint(HintEmpty)
		}
		if any && said == last {
			o.hint(HintDuplicate)
		}
		last, any = said, true
	}
}

// store commits the exchange. seen is the number of messages that the persona has read,
// including those of input.
func (s *Simulator) store(o *operation, input [][]string, key, text string, end bool, seen int) responseAnswer {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, now := o.talk, s.now()
	s.notice(o, input)
	var e entry
	add := func(role string, texts []string) {
		// A microsecond apart, so that sorting by time keeps the order.
		at := now.Add(time.Duration(len(e.Items)) * time.Microsecond)
		e.Items = append(e.Items, itemRow{newID(longID), t.row.ID, role, texts, at})
	}
	for _, texts := range input {
		add(roleAgent, texts)
	}
	answer := responseAnswer{Output: []messageJSON{}}
	total := seen
	if text != "" {
		total++
		add(rolePersona, []string{text})
		answer.Output = append(answer.Output, messageJSON{"message", blocks([]string{text})})
	}
	reason := ""
	switch {
	case text == "", end:
		reason = reasonPersona
	case total >= s.st.simulation[t.row.Simulation].row.MaxTurns:
		reason = reasonMaxTurns
	}
	row := t.row
	if reason != "" {
		answer.Ended = true
		all := append(t.items[:len(t.items):len(t.items)], e.Items...)
		row = s.endedRow(t, all, reason, now)
	} else if row.Status != statusInProgress && row.Status != statusEnded {
		row.Status, row.Updated = statusInProgress, now
	}
	e.Conversations = []conversationRow{row}
	if key != "" {
		e.Answers = []answerRow{{t.row.ID, key, hash(input), answer}}
	}
	o.accepted, o.detail = len(input), reason
	e.Events = o.event(http.StatusOK, now)
	s.commit(e)
	if answer.Ended {
		s.settle(t, now)
	}
	return answer
}
