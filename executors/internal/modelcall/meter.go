package modelcall

// A Meter bounds all that one answer brings in, whatever channel it comes through: bytes,
// events, and events in a row that bring nothing of an answer. Bounds of a reply alone do
// not end a stream of what is no part of one. The zero value is ready; MaxReplyBytes must
// not change.
type Meter struct {
	// MaxReplyBytes is the largest reply.
	MaxReplyBytes int

	bytes, events, idle, idleBytes int
}

// Event counts an event of n bytes. Brings reports that it has a part of an answer. The
// error is [ErrFlood].
func (m *Meter) Event(n int, brings bool) error {
	m.events++
	m.bytes += n
	m.idle++
	m.idleBytes += n
	if brings {
		m.idle, m.idleBytes = 0, 0
	}
	switch {
	case m.bytes > maxStreamBytes+bytesPerByte*m.MaxReplyBytes, m.events > maxStreamEvents+m.MaxReplyBytes,
		m.idle > maxIdle, m.idleBytes > maxIdleBytes+bytesPerByte*m.MaxReplyBytes:
		return ErrFlood
	}
	return nil
}
