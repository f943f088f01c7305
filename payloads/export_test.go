package payloads

import "time"

// At sets the ring's clock.
func (r *Ring) At(now func() time.Time) { r.now = now }
