package main

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/converter"

	"github.com/parley-run/parley"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/tools"
)

var key = strings.Repeat("1f", 32)

func environment(values map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := values[name]; return v, ok }
}

// What the program brings is what its parley.yaml names.
func TestConfiguration(t *testing.T) {
	options, err := newOptions(environment(map[string]string{"EMBED_KEY": key, "EMBED_BUILD_ID": "7"}))
	require.NoError(t, err)
	require.Equal(t, "7", options.Deployment.BuildID)
	options.Config = "parley.yaml"
	require.NoError(t, parley.Check(options))

	_, err = newOptions(environment(nil))
	require.ErrorContains(t, err, "EMBED_KEY is not a key: set it to")
}

// The executor keeps the contract that openai's keeps.
func TestExecutorConformance(t *testing.T) {
	executortest.Run(t, executortest.Fixture{Model: true, New: func(t *testing.T) executors.Executor {
		model, err := newModel("", "")
		require.NoError(t, err)
		return withoutCards{model}
	}})
}

func TestNoCardNumberReachesTheModel(t *testing.T) {
	var asked executors.Request
	fake := &executortest.Fake{OnCall: func(req executors.Request) { asked = req }}
	said := conversation.Text(conversation.RoleUser, "My card is 4111 1111 1111 1111, my order 1042.")
	_, err := withoutCards{fake}.Execute(t.Context(), executors.Request{Turn: 1, Messages: []conversation.Message{said}})
	require.NoError(t, err)
	require.Equal(t, "My card is [card number], my order 1042.", asked.Messages[0].Text())
	require.Contains(t, said.Text(), "4111", "the request is left alone")
}

func TestCodec(t *testing.T) {
	c, err := newCodec(key)
	require.NoError(t, err)
	plain, err := converter.GetDefaultDataConverter().ToPayloads("Where is order 1042?", 3)
	require.NoError(t, err)
	encoded, err := c.Encode(plain.Payloads)
	require.NoError(t, err)
	require.NotContains(t, string(encoded[0].Data), "order")
	decoded, err := c.Decode(encoded)
	require.NoError(t, err)
	require.True(t, decoded[0].Equal(plain.Payloads[0]))

	before, err := c.Decode(plain.Payloads)
	require.NoError(t, err)
	require.True(t, before[1].Equal(plain.Payloads[1]), "what was written without the codec stays readable")
	other, err := newCodec(strings.Repeat("2e", 32))
	require.NoError(t, err)
	_, err = other.Decode(encoded)
	require.ErrorContains(t, err, "check EMBED_KEY")
}

func TestShop(t *testing.T) {
	shop, err := newShop()
	require.NoError(t, err)
	found, err := shop.Call(context.Background(), tools.Call{Name: "find_order", Arguments: []byte(`{"number": 1042}`)})
	require.NoError(t, err)
	require.Equal(t, "order 1042: a monstera, arrives tomorrow", found.Content)
	missing, err := shop.Call(context.Background(), tools.Call{Name: "find_order", Arguments: []byte(`{"number": 7}`)})
	require.NoError(t, err)
	require.True(t, missing.IsError)
}
