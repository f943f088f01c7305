package main

import (
	"context"
	"regexp"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/openai"
	"github.com/parley-run/parley/secret"
)

// withoutCards keeps card numbers from a model: it replaces them in everything that the
// user says.
type withoutCards struct{ executors.Executor }

// Unwrap leads to the optional powers of the model behind, such as Check.
func (e withoutCards) Unwrap() executors.Executor { return e.Executor }

var cardNumber = regexp.MustCompile(`\b(?:\d[ -]?){13,19}\b`)

// Execute passes on a copy: the messages of a request are not the executor's to change.
func (e withoutCards) Execute(ctx context.Context, req executors.Request) (executors.Result, error) {
	messages := make([]conversation.Message, len(req.Messages))
	for i, m := range req.Messages {
		if m.Role == conversation.RoleUser {
			parts := make([]conversation.Part, len(m.Parts))
			for j, p := range m.Parts {
				p.Text = cardNumber.ReplaceAllString(p.Text, "[card number]")
				parts[j] = p
			}
			m.Parts = parts
		}
		messages[i] = m
	}
	req.Messages = messages
	return e.Executor.Execute(ctx, req)
}

// newModel is a model of OpenAI's, or without a key a stand-in that this process serves.
func newModel(key, name string) (executors.Executor, error) {
	config := openai.Config{
		ModelConfig: executors.ModelConfig{
			Model: name, APIKey: secret.String(key),
			Instructions: "You answer the customers of a shop, in one or two sentences. Look orders up before you answer.",
		},
	}
	if key == "" {
		address, err := serveStandIn()
		if err != nil {
			return nil, err
		}
		stream := false
		config.Model, config.BaseURL, config.Stream = "stand-in", address, &stream
	}
	return openai.New(config)
}
