package a2a

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/modelcall"
)

// Check reads the agent's card again and reports its faults. It sends the agent no
// message.
func (e *Executor) Check(ctx context.Context) error {
	return modelcall.Check(ctx, "a2a: check the agent at "+e.cardURL.Host, e.readCard, func(ctx context.Context, err error) *conversation.Error {
		var unfit *conversation.Error
		if errors.As(err, &unfit) {
			return unfit
		}
		return (&exchange{Executor: e}).failed(ctx, err)
	})
}

// readCard reads the card and caches a valid one.
func (e *Executor) readCard(ctx context.Context) error {
	a, err := e.findAgent(ctx)
	if err != nil || a.card == nil {
		return err
	}
	if err := e.fits(a); err != nil {
		return err
	}
	e.cards.set(a)
	return nil
}

// fits validates the card against the configuration.
func (e *Executor) fits(a *agent) error {
	c := a.card
	if required := c.requirements(); !e.hasKeys && len(required) > 0 && !slices.ContainsFunc(required, func(all map[string]json.RawMessage) bool { return len(all) == 0 }) {
		return &conversation.Error{
			Kind: conversation.Unauthorized, Err: fmt.Errorf("the agent's card asks for authentication: %s", e.failure.Clean(schemes(c))),
			Remedy: "set bearer_token, or headers",
		}
	}
	if in := c.modes(c.DefaultInputModes, func(s skill) []string { return s.InputModes }); len(in) > 0 && !slices.ContainsFunc(in, isText) {
		return &cardError{fmt.Errorf("the agent takes no text, but %s", strings.Join(in, ", ")), "use an agent that takes text/plain"}
	}
	out := c.modes(c.DefaultOutputModes, func(s skill) []string { return s.OutputModes })
	if len(e.cfg.Accept) > 0 && len(out) > 0 && !slices.ContainsFunc(out, func(mode string) bool { return slices.Contains(e.cfg.Accept, mode) || mode == "*/*" }) {
		return &cardError{fmt.Errorf("the agent answers with none of what accept names, but with %s", strings.Join(out, ", ")), "set accept to some of these"}
	}
	return nil
}

// schemes returns the names of the card's security schemes.
func schemes(c *card) string {
	var out []string
	for _, all := range c.requirements() {
		for name := range all {
			if !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}
