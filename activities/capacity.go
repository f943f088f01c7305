package activities

import "time"

// A Reservation is a conversation's right to be open on a platform instance that limits
// how many may be. The workflow Capacity of the instance gives places out and takes
// them back.
type Reservation struct {
	// ID is the workflow id of the conversation.
	ID string `json:"id"`
	// Simulation is the simulation that the conversation belongs to.
	Simulation string `json:"simulation,omitempty"`
	// Seq tells this place from an earlier one of the same conversation: only who
	// names it can release the place. Zero: no place yet.
	Seq int64 `json:"seq,omitempty"`
	// Since is when the place was given, by the clock of Temporal.
	Since time.Time `json:"since,omitzero"`
}

// ReservationValid is how long after its reservation a place may be used to start a
// conversation. A conversation that starts later asks for a place first: the worker
// that reserved it may have been frozen, and others think that it is gone.
const ReservationValid = 30 * time.Second

// ReservationLost is how old a place must be before it counts as lost when no workflow
// has been started for it. It must be well above ReservationValid.
const ReservationLost = time.Minute

// ReserveRequest changes who holds the places of a platform instance, and asks for
// more. It is the argument of the update "reserve" of Capacity, which takes the
// fields in the order in which they stand here.
type ReserveRequest struct {
	// Limit is how many conversations may be open from now on. Below zero: no limit.
	// Zero: as before.
	Limit int `json:"limit,omitempty"`
	// Ended are places of conversations that have ended.
	Ended []Reservation `json:"ended,omitempty"`
	// Unused are places for which no workflow has been started. Those younger than
	// ReservationLost are kept.
	Unused []Reservation `json:"unused,omitempty"`
	// Parked are places of conversations that wait for a person.
	Parked []Reservation `json:"parked,omitempty"`
	// Stranded are places of conversations that no worker can run.
	Stranded []Reservation `json:"stranded,omitempty"`
	// Found are conversations that run and have no place. They are counted, even
	// above the limit.
	Found []Reservation `json:"found,omitempty"`
	// Wanted asks for places, in order of preference.
	Wanted []Reservation `json:"wanted,omitempty"`
}

// ReserveResult is the answer to a ReserveRequest.
type ReserveResult struct {
	// Granted are the new places.
	Granted []Reservation `json:"granted,omitempty"`
	// Known are the ids among Wanted that hold a place, wait for one or have given
	// theirs up: they are not to be started.
	Known []string `json:"known,omitempty"`
	CapacityCounts
}

// CapacityCounts says how many conversations of a platform instance there are.
type CapacityCounts struct {
	// Open is how many hold a place.
	Open int `json:"open"`
	// Queued is how many wait for a place: they were resumed, or started by hand.
	Queued int `json:"queued,omitempty"`
	// Parked is how many wait for a person and hold no place.
	Parked int `json:"parked,omitempty"`
	// Stranded is how many no worker can run. They hold no place.
	Stranded int `json:"stranded,omitempty"`
}

// CapacityStatus is the answer to the query "status" of Capacity.
type CapacityStatus struct {
	// Limit is how many may be open. Zero: no limit is known.
	Limit int `json:"limit,omitempty"`
	// Open holds the places, oldest first.
	Open []Reservation `json:"open,omitempty"`
	// Queued wait for a place, in the order in which they get one.
	Queued []Reservation `json:"queued,omitempty"`
	// Parked and Stranded have given up the place that they name.
	Parked   []Reservation `json:"parked,omitempty"`
	Stranded []Reservation `json:"stranded,omitempty"`
}
