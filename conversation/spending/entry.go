package spending

// An Account is what a name has spent in a day.
type Account struct {
	Name string `json:"name"`
	// Day is a date: "2026-01-31".
	Day string `json:"day"`
}

// String is "<name>/<day>".
func (a Account) String() string { return a.Name + "/" + a.Day }

// An Entry is one call.
type Entry struct {
	ID     string `json:"id"`
	Amount Amount `json:"amount,omitzero"`
	// Final means that the amount is true and not an estimate, and that no other
	// entry with this id follows.
	Final bool `json:"final,omitempty"`
}
