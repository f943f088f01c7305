package iiitest

import "time"

// earlyAnswer is how long after it has sent a call an engine records that the call is
// pending. It drops an answer that comes before.
const earlyAnswer = 100 * time.Microsecond

// Kindness is what an engine may be asked to do better than real ones do. The zero
// value is none of it.
type Kindness struct {
	// KeepTopics keeps a message of a topic without a subscriber for the first
	// subscriber. Engines before 0.11 do; later ones put it where no subscriber reads.
	KeepTopics bool
	// FreeRedelivery does not count an attempt to deliver a message that found no
	// worker, or whose worker left meanwhile, and waits for another worker. An engine
	// counts it, and after MaxAttempts the message is a dead letter.
	FreeRedelivery bool
	// AllAtOnce delivers all messages of a topic or queue at once. An engine delivers
	// ten at a time for each trigger, and the rest waits.
	AllAtOnce bool
	// EarlyAnswers are taken. An engine drops one that comes within 100 µs of its
	// call, and the call stays pending until its worker disconnects.
	EarlyAnswers bool
	// OwnFunctionsOnly has a worker that leaves take only functions away that are
	// still its own. Engines before 0.11 take away all that it ever announced, though
	// another worker has replaced it since.
	OwnFunctionsOnly bool
}
