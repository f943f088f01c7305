package onerun

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
)

// Platform is OneRun as a platform. It is safe for concurrent use and holds no
// state but its connections.
type Platform struct {
	name    string
	opening Opening
	client  *Client
	pace    pace
}

var (
	_ platforms.Conversations = (*Platform)(nil)
	_ platforms.Source        = (*Platform)(nil)
)

// New checks the configuration, reporting every fault at once, and makes no
// request. [Platform.Check] finds out whether OneRun can be reached.
func New(cfg Config) (*Platform, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("onerun: %w", err)
	}
	client, err := NewClient(cfg.client())
	if err != nil {
		return nil, err
	}
	return &Platform{
		name:    cmp.Or(cfg.Name, DefaultName),
		opening: cmp.Or(cfg.Opening, OpeningPersona),
		client:  client,
	}, nil
}

// Client is the client that the platform uses.
func (p *Platform) Client() *Client { return p.client }

// Claim starts the conversation.
func (p *Platform) Claim(ctx context.Context, ref conversation.Ref) error {
	return p.client.Start(ctx, location(ref))
}

// Send sends the messages' text, and their data as JSON, and returns the persona's. It never ends the
// conversation: OneRun does, where Ended is set. A stock OneRun answers with the
// persona's message alone; what a compatible server repeats of the agent's is Echo.
func (p *Platform) Send(ctx context.Context, ref conversation.Ref, in platforms.Send) (platforms.Reply, error) {
	var input []WireMessage
	for i, m := range in.Messages {
		text := m.PlainText() // OneRun carries text only
		if strings.TrimSpace(text) == "" {
			return platforms.Reply{}, &conversation.Error{
				Kind:   conversation.Invalid,
				Op:     fmt.Sprintf("onerun: send to conversation %q", ref.ID),
				Err:    fmt.Errorf("message %d of %d has neither text nor data", i+1, len(in.Messages)),
				Remedy: "have the executor reply with some",
			}
		}
		input = append(input, TextMessage(text))
	}
	response, err := p.client.Respond(ctx, location(ref), input, in.IdempotencyKey)
	if err != nil {
		return platforms.Reply{}, p.orEnded(ctx, ref, err)
	}
	reply := platforms.Reply{Ended: response.Ended}
	for _, m := range response.Output {
		message := conversation.Message{Role: conversation.RoleUser, Parts: parts(m.Content)}
		if role(m.Role) == conversation.RoleAssistant {
			message.Role = conversation.RoleAssistant
			reply.Echo = append(reply.Echo, message)
			continue
		}
		reply.Messages = append(reply.Messages, message)
	}
	return reply, nil
}

// End ends the conversation for the agent.
func (p *Platform) End(ctx context.Context, ref conversation.Ref) error {
	err := p.client.End(ctx, location(ref))
	if err == nil {
		return nil
	}
	if err = p.orEnded(ctx, ref, err); conversation.IsKind(err, conversation.Ended) {
		return nil
	}
	return err
}

// orEnded reads why OneRun refused err's request. The status does not distinguish a
// conversation that has ended from one that has not begun, and the wording of
// the detail is nothing to rely on.
func (p *Platform) orEnded(ctx context.Context, ref conversation.Ref, err error) error {
	var refused *conversation.Error
	var answer *answerError
	if !errors.As(err, &answer) || answer.Foreign() || !errors.As(err, &refused) {
		return err
	}
	if answer.Status != http.StatusBadRequest && answer.Status != http.StatusConflict {
		return err
	}
	cv, readErr := p.client.Conversation(ctx, location(ref))
	if readErr != nil {
		if e := (*conversation.Error)(nil); errors.As(readErr, &e) {
			e.Ambiguous = refused.Ambiguous
		}
		return readErr
	}
	if state(cv.Status) == platforms.StateEnded {
		refused.Kind, refused.Ambiguous, refused.Remedy = conversation.Ended, false, ""
	}
	return refused
}

// Transcript reads the items and where the conversation stands.
func (p *Platform) Transcript(ctx context.Context, ref conversation.Ref) (platforms.Transcript, error) {
	at := location(ref)
	items, err := p.client.Items(ctx, at)
	if err != nil {
		return platforms.Transcript{}, err
	}
	cv, err := p.client.Conversation(ctx, at)
	if err != nil {
		return platforms.Transcript{}, err
	}
	t := platforms.Transcript{State: state(cv.Status)}
	if t.State == platforms.StateEnded {
		// It may have ended between the two reads, with last words. Nothing is
		// added afterwards.
		if items, err = p.client.Items(ctx, at); err != nil {
			return platforms.Transcript{}, err
		}
		t.EndedBy, t.EndDetail = ending(cv)
	}
	for _, item := range items {
		t.Messages = append(t.Messages, conversation.Message{
			Role: role(item.Role), Parts: parts(item.Content), Time: item.CreatedAt.Time,
		})
	}
	return t, nil
}

// location is where the ref is on the wire.
func location(ref conversation.Ref) Location {
	return Location{Project: ref.Project, Simulation: ref.Simulation, Conversation: ref.ID}
}
