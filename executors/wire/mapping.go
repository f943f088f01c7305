package wire

import "github.com/parley-run/parley/conversation"

// RequestMapping makes requests in another format than the contract's.
type RequestMapping struct {
	// Body is a text/template of the request's JSON. It sees the fields of [Request],
	// with State and Attach decoded, and two more: NewMessages, the messages the agent
	// has not received, and Input, their text. The function json must encode every
	// value. Empty: the contract's request.
	Body string `yaml:"body"`
}

// ResponseMapping names the places of values in an answer. Every value but
// ErrorKinds is a path in the syntax of github.com/tidwall/gjson: "output.content",
// "messages.@reverse.0.content", "@this". An empty path reads nothing, unless its
// field says otherwise.
type ResponseMapping struct {
	// Text is the path of the reply: a string, or a list of strings or of objects
	// with a text field. Empty: the answer has the contract's format, and no other
	// path is used.
	Text string `yaml:"text"`
	// State is the path of the state to send with the next request.
	State string `yaml:"state"`
	// Paths of the token counts.
	InputTokens       string `yaml:"input_tokens"`
	OutputTokens      string `yaml:"output_tokens"`
	CachedInputTokens string `yaml:"cached_input_tokens"`
	Model             string `yaml:"model"`
	FinishReason      string `yaml:"finish_reason"`
	// End is the path of the value that ends the conversation if it is true.
	End string `yaml:"end"`
	// Error is the path of the error. There is one if the value is neither null,
	// false nor empty.
	Error string `yaml:"error"`
	// ErrorMessage is the path of the error's message. Default: Error.
	ErrorMessage string `yaml:"error_message"`
	// ErrorCode is the path of the error's code; ErrorKinds are the kinds by code.
	ErrorCode  string                       `yaml:"error_code"`
	ErrorKinds map[string]conversation.Kind `yaml:"error_kinds"`
}
