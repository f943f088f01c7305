// Package function makes tools of Go functions, for programs that embed Parley.
//
// The arguments are a struct: the model receives its fields, their json tags and
// their jsonschema tags (descriptions) as the schema. A call with other arguments
// does not reach the function; the model receives the reason.
//
// The model receives what a function returns: a string unchanged, anything else as
// JSON. It receives an error too, as the tool's failure. Only an error that wraps a
// [conversation.Error] of kind Unavailable or RateLimited is not for the model: the
// call is retried with the same key. If the error is Ambiguous, the work may have been
// done: then only a tool that is Idempotent is called again. A function with effects reads
// the key from [CallOf] and passes it on, or checks whether it has done the work already.
package function
