// Package wire is the contract between Parley and agents of your own, whether
// they are reached over HTTP (executors/http) or run as a program
// (executors/command): one JSON object asks for a reply, and one or more
// answer it. The contract as a JSON Schema is schema.json, see [Schema].
//
//	→ {"conversation": {"platform": "onerun", "id": "Cv7"}, "turn": 1, "attempt": 1, "new": 1,
//	   "idempotency_key": "onerun/p1/Cv7/0197f3a2-0d5c-7c41-9d0e-5a1f3b6c2e77/reply/1",
//	   "messages": [{"role": "user", "text": "Hi", "parts": [{"type": "text", "text": "Hi"}]}]}
//	← {"message": "Hello! How can I help?"}
//
// An answer may come in pieces, each a [Frame]; an [Answer] puts them together
// and judges the whole. A [Failure] gives every error its kind. A [Watch] holds
// the timers.
//
// Fields are only ever added: both sides leave alone what they do not know.
package wire
