// Package onerun connects Parley to OneRun, where simulated users, personas,
// talk to an agent under test.
//
// [Client] is the API as it is on the wire: one method a route, OneRun's own
// words, no retries. [Platform] translates it into the words of package
// conversation: a persona speaks as [conversation.RoleUser], the agent under test
// as [conversation.RoleAssistant].
//
// # What OneRun promises, and what not
//
// OneRun pushes nothing and leases nothing. A worker lists the conversations
// that are queued and claims one by starting it; the loser of a race gets an error.
// The server does not check later who claimed what, nothing returns a conversation to the
// queue, and there is no way to report a failure: a conversation is either ended
// or stays in progress until its simulation expires.
//
// Sending is not idempotent. OneRun stores the agent's message together with the
// persona's reply, after its model has answered and whether or not the caller
// still listens. Hence two flags on every failed write: Ambiguous, after
// which a caller reads the transcript before it sends again, and Answered, which
// tells it that there is nothing left to wait for before reading.
//
// A conversation that a send reports as ended is closed already, and the
// persona's last words may have come with that report. The reason of the end is
// not in it: [Platform.Transcript] reads it from the conversation.
package onerun
