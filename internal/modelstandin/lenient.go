package modelstandin

import "time"

// Lenient lists what a stand-in does better than the services. The zero value does
// nothing better. Tests of other subjects may set a switch.
type Lenient struct {
	// Requests accepts every request that is JSON. The services refuse a request without
	// credentials, with a missing or unknown parameter, or whose messages, calls and
	// results do not fit together.
	Requests bool
	// Load answers every request. The services refuse some: a stand-in refuses its second
	// request with 429, and its fourth with 529 or 503, in the service's form and without
	// calling the [Mind].
	Load bool
	// Streams writes each event of a stream in one piece. Real streams come in
	// pieces that end within a line, a line's end or a character, with CRLF and with
	// keep-alive comments.
	Streams bool
	// Length sends the length of an answer. The services send answers of unknown length.
	Length bool
	// Connections keeps all connections open. The services close some after an answer.
	Connections bool
	// Pace answers at once. The services take some time to the first byte.
	Pace bool
}

const (
	// firstByte is how long an answer's first byte takes.
	firstByte = 10 * time.Millisecond
	// betweenPieces separates the pieces of an event, so that a client reads them
	// one by one.
	betweenPieces = time.Millisecond
	// separated is how many pieces of a stream are so separated.
	separated = 24
	// closesEvery is the number of answers after which a connection is closed.
	closesEvery = 3
)
