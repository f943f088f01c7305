// Package apierror reads the errors of models, agents and gateways, whatever their
// shape, and says what they mean for the conversation.
//
// [Read] is for the body of an error response, [Within] for a body or an event that came
// with a status of success. Both return an [Error]: its code, message and parameter, and
// what the body says of a status and a wait. [Error.Kind] and [Error.Remedy] translate it.
//
// A status does not suffice for that: an empty account comes as 400, 402, 403 and 429, a
// conversation that is too long as 400, 413, 422 and 500, and every error also within a
// stream that began with 200. The kind is therefore decided by a code with one meaning,
// then by the message, then by a general code, and by the status only at last.
package apierror
