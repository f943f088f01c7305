package onerun

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/parley-run/parley/conversation"
)

// maxMetadata is how much metadata is passed on: it becomes part of a workflow's
// history.
const maxMetadata = 16 << 10

// Context reads the conversation, with its persona, and the simulation.
// Metadata is an object of what OneRun has under "conversation", "persona",
// "simulation" and "agent"; above 16 KiB that is left out. Beside it is the
// "executor" that they ask for: the conversation's word counts most, then the
// persona's, the simulation's and the agent's.
func (p *Platform) Context(ctx context.Context, ref conversation.Ref) (conversation.Context, error) {
	// First, for it answers 404 where the simulation is unknown too.
	cv, err := p.client.Conversation(ctx, location(ref))
	if err != nil {
		return conversation.Context{}, err
	}
	s, err := p.client.Simulation(ctx, ref.Project, ref.Simulation)
	if err != nil {
		return conversation.Context{}, err
	}
	out := conversation.Context{
		Scenario:    s.Scenario,
		Simulation:  s.Name,
		MaxMessages: max(0, s.MaxTurns),
		Expires:     s.ExpiresAt.Time,
		AgentFirst:  p.opening == OpeningAgent,
	}
	metadata := map[string]json.RawMessage{"conversation": cv.Metadata, "simulation": s.Metadata}
	if cv.Persona != nil {
		out.Persona = persona(*cv.Persona)
		metadata["persona"] = cv.Persona.Metadata
	}
	if s.Agent != nil {
		out.AgentName = s.Agent.Name
		metadata["agent"] = s.Agent.Metadata
	}
	for _, o := range s.Objectives {
		out.Objectives = append(out.Objectives, conversation.Objective{ID: o.ID, Name: o.Name, Criteria: o.Criteria})
	}
	out.Metadata = joinMetadata(metadata)
	return out, nil
}

func persona(p Persona) conversation.Persona {
	return conversation.Persona{
		ID: p.ID, Summary: p.Summary, Story: p.Story, Purpose: p.Purpose,
		Attributes: attributes(p.Attributes),
	}
}

// attributes makes strings of an object's values. What is null or empty is
// unknown to OneRun and left out.
func attributes(raw json.RawMessage) map[string]string {
	var values map[string]json.RawMessage
	if json.Unmarshal(raw, &values) != nil {
		return nil
	}
	out := map[string]string{}
	for key, value := range values {
		var text string
		if json.Unmarshal(value, &text) != nil {
			var compact bytes.Buffer
			if json.Compact(&compact, value) == nil {
				text = compact.String()
			}
		}
		if text != "" {
			out[key] = text
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// joinMetadata is an object of those that are not empty and of the executor they
// ask for, or of that alone if it would be too large, or nil.
func joinMetadata(all map[string]json.RawMessage) json.RawMessage {
	for key, value := range all {
		switch string(bytes.TrimSpace(value)) {
		case "", "null", "{}":
			delete(all, key)
		}
	}
	chosen := map[string]json.RawMessage{}
	if name := executor(all); name != nil {
		all["executor"], chosen["executor"] = name, name
	}
	for _, fields := range []map[string]json.RawMessage{all, chosen} {
		joined, err := json.Marshal(fields)
		if err == nil && len(fields) > 0 && len(joined) <= maxMetadata {
			return joined
		}
	}
	return nil
}

// executor is the name, as JSON, that the metadata nearest to the conversation
// ask for, or nil.
func executor(all map[string]json.RawMessage) json.RawMessage {
	for _, of := range []string{"conversation", "persona", "simulation", "agent"} {
		if name := (conversation.Context{Metadata: all[of]}).Executor(); name != "" {
			out, _ := json.Marshal(name) // a string: it cannot fail
			return out
		}
	}
	return nil
}
