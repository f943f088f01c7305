// Package function makes tools of Go functions, for programs that embed Parley.
//
// The arguments are a struct: its fields, their json tags and their jsonschema
// tags (descriptions) are what the model is told. A call with other arguments
// than these does not reach the function; the model is told why.
//
// What a function returns goes to the model: a string as it is, anything else as
// JSON. So does an error, as the tool's failure. Only an error that wraps a
// [conversation.Error] of kind Unavailable or RateLimited is for us rather than
// for the model: the call is tried again, with the same key. A function with
// effects finds the key in [CallOf] and passes it on, or looks there whether it
// has done the work already.
package function
