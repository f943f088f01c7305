package openai

import "github.com/parley-run/parley/executors"

// defaultModel answers where there is a key and no word about the model: a small one
// that every key may use.
const defaultModel = "gpt-4.1-mini"

// Defaults are the executors that there are where none are configured. Only its owner
// knows which models a server has.
func Defaults() []executors.Default {
	with := func(when string, model executors.Variable) executors.Default {
		return executors.Default{Name: "openai", Type: "openai", If: when, Environment: []executors.Variable{
			{Name: "OPENAI_API_KEY", Setting: "api_key"}, {Name: "OPENAI_BASE_URL", Setting: "base_url"}, model,
		}}
	}
	return []executors.Default{
		with("OPENAI_BASE_URL", executors.Variable{Name: "OPENAI_MODEL", Setting: "model", Required: "the model to ask at OPENAI_BASE_URL"}),
		with("OPENAI_API_KEY", executors.Variable{Name: "OPENAI_MODEL", Setting: "model", Default: defaultModel}),
	}
}
