package main

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/parley-run/parley"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/tools"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

	"example.com/embed/folder"
)

// newOptions makes the parts of this worker. It reports every fault at once.
func newOptions(lookup func(string) (string, bool)) (parley.Options, error) {
	env := func(name, otherwise string) string {
		value, _ := lookup(name)
		return cmp.Or(value, otherwise)
	}
	model, modelErr := newModel(env("OPENAI_API_KEY", ""), env("EMBED_MODEL", "gpt-4.1-mini"))
	codec, codecErr := newCodec(env("EMBED_KEY", ""))
	shop, shopErr := newShop()
	if err := errors.Join(modelErr, codecErr, shopErr); err != nil {
		return parley.Options{}, fmt.Errorf("embed: %w", err)
	}
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	data := converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), codec)
	options := parley.Options{
		Executors: map[string]executors.Executor{"helpdesk": withoutCards{model}},
		Platforms: map[string]platforms.Instance{
			"folder": {Platform: folder.New("folder", env("EMBED_FOLDER", "conversations")), MaxOpen: 20},
		},
		// Looking up an order may be repeated; nothing else may.
		Tools: map[string]parley.Tools{"shop": {Set: shop, Rules: tools.Rules{Allow: []string{"find_order"}}}},

		Client: func(o *client.Options) {
			o.DataConverter = data
			// Without this, the texts of errors stay readable.
			o.FailureConverter = temporal.NewDefaultFailureConverter(temporal.DefaultFailureConverterOptions{
				DataConverter: data, EncodeCommonAttributes: true,
			})
			o.Interceptors = append(o.Interceptors, &starts{logger: logger})
		},
		Worker: func(o *worker.Options) {
			o.Interceptors = append(o.Interceptors, &attempts{logger: logger})
		},
		HealthAddress: env("EMBED_HEALTH_ADDRESS", ""),
		Logger:        logger,
	}
	if build := env("EMBED_BUILD_ID", ""); build != "" {
		options.Deployment = worker.WorkerDeploymentVersion{DeploymentName: "embed", BuildID: build}
	}
	return options, nil
}
