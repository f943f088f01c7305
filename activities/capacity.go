package activities

import (
	"time"

	"github.com/parley-run/parley/conversation/pressure"
)

// A Reservation is a conversation's right to be open on a platform instance that limits
// how many may be. The workflow Capacity of the instance grants and releases them.
type Reservation struct {
	// ID is the workflow id of the conversation.
	ID string `json:"id"`
	// Simulation is the simulation that the conversation belongs to.
	Simulation string `json:"simulation,omitempty"`
	// Seq tells this reservation from an earlier one of the same conversation: a release
	// must name it. Zero: nothing has been reserved yet.
	Seq int64 `json:"seq,omitempty"`
	// Since is when it was granted, by the clock of Temporal.
	Since time.Time `json:"since,omitzero"`
}

// ReservationValid is how long a reservation may be used to start a conversation. A
// conversation that starts later reserves again first: the worker that reserved may have
// been frozen, and Capacity may have granted the capacity to another.
const ReservationValid = 30 * time.Second

// ReservationLost is how old a reservation must be before it counts as lost when no
// workflow has been started for it. It must be well above ReservationValid.
const ReservationLost = time.Minute

// ReserveRequest releases reservations of a platform instance and asks for others. It is the argument of the update "reserve" of Capacity, which takes the
// fields in the order in which they stand here.
type ReserveRequest struct {
	// Limit is how many conversations may be open from now on. Below zero: no limit.
	// Zero: as before.
	Limit int `json:"limit,omitempty"`
	// Ended are reservations of conversations that have ended.
	Ended []Reservation `json:"ended,omitempty"`
	// Unused are reservations for which no workflow has been started. Those younger than
	// ReservationLost are kept.
	Unused []Reservation `json:"unused,omitempty"`
	// Parked are reservations of conversations that wait for an operator.
	Parked []Reservation `json:"parked,omitempty"`
	// Stranded are reservations of conversations that no worker can run.
	Stranded []Reservation `json:"stranded,omitempty"`
	// Found are conversations that run without a reservation. They are counted, even
	// above the limit.
	Found []Reservation `json:"found,omitempty"`
	// Pressure is what a worker has seen of the platform: the limit may change by it. Nil:
	// nothing to say.
	Pressure *pressure.Report `json:"pressure,omitempty"`
	// Wanted asks for reservations, in order of preference.
	Wanted []Reservation `json:"wanted,omitempty"`
}

// ReserveResult is the answer to a ReserveRequest.
type ReserveResult struct {
	// Granted are the new reservations.
	Granted []Reservation `json:"granted,omitempty"`
	// Known are the ids among Wanted that are open, queued, parked or stranded: they must
	// not be started.
	Known []string `json:"known,omitempty"`
	// Reduced is set while fewer may be open than the limit says.
	Reduced *pressure.Reduction `json:"reduced,omitempty"`
	// Change is what the request's Pressure has changed.
	Change pressure.Change `json:"change,omitempty"`
	CapacityCounts
}

// CapacityCounts counts the conversations of a platform instance.
type CapacityCounts struct {
	// Open is how many hold a reservation.
	Open int `json:"open"`
	// Queued is how many wait for capacity: they were resumed, or started by hand.
	Queued int `json:"queued,omitempty"`
	// Parked is how many wait for an operator and hold no reservation.
	Parked int `json:"parked,omitempty"`
	// Stranded is how many no worker can run. They hold no reservation.
	Stranded int `json:"stranded,omitempty"`
}

// CapacityStatus is the answer to the query "status" of Capacity.
type CapacityStatus struct {
	// Limit is how many may be open. Zero: no limit is known.
	Limit int `json:"limit,omitempty"`
	// Reduced is set while fewer may be open than Limit says.
	Reduced *pressure.Reduction `json:"reduced,omitempty"`
	// Open are the reservations, the oldest first.
	Open []Reservation `json:"open,omitempty"`
	// Queued wait for capacity, in the order in which they get it.
	Queued []Reservation `json:"queued,omitempty"`
	// Parked and Stranded have released the reservation that they name.
	Parked   []Reservation `json:"parked,omitempty"`
	Stranded []Reservation `json:"stranded,omitempty"`
}
