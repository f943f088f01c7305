package platforms

import (
	"errors"
	"fmt"

	"github.com/parley-run/parley/internal/joined"
)

// A RowError is one item of a listing that could not be read: a conversation, a
// task, or all of a simulation. A [Source] returns the items that it could read
// along with an error that joins one RowError for each of the others. A fault of the
// platform as a whole (it does not answer, it refuses the key) is not a RowError.
type RowError struct {
	// ID is the platform's id of the conversation or task. Empty: the listing of
	// Simulation as a whole failed, or the row has no readable id.
	ID string
	// Simulation is the id of the simulation that the row belongs to. Empty where a
	// platform has none.
	Simulation string
	// Err is what is wrong with the row, a [conversation.Error] where a kind fits.
	Err error
}

// Error names the row and what is wrong with it.
func (e *RowError) Error() string {
	switch {
	case e.ID != "" && e.Simulation != "":
		return fmt.Sprintf("conversation %q of simulation %q: %v", e.ID, e.Simulation, e.Err)
	case e.ID != "":
		return fmt.Sprintf("conversation %q: %v", e.ID, e.Err)
	case e.Simulation != "":
		return fmt.Sprintf("simulation %q: %v", e.Simulation, e.Err)
	}
	return e.Err.Error()
}

// Unwrap returns the cause.
func (e *RowError) Unwrap() error { return e.Err }

// RowErrors separates the faults of single rows from the fault of the whole that
// remains, which is nil if there is none. It takes joined errors apart.
func RowErrors(err error) (rows []*RowError, rest error) {
	var others []error
	for _, one := range joined.Errors(err) {
		if row, ok := one.(*RowError); ok { //nolint:errorlint // what wraps a row is not one
			rows = append(rows, row)
			continue
		}
		others = append(others, one)
	}
	if len(rows) == 0 {
		return nil, err
	}
	return rows, errors.Join(others...)
}
