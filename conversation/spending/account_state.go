package spending

import "slices"

// remembered is how many ids of settled calls a sheet keeps, to know an entry that
// comes twice: many more than arrive while one can be under way.
const remembered = 1000

// An AccountState is the state of one account, for those who implement a [Ledger]. It is
// deterministic and goes through JSON, so that a workflow can hold it and take it
// along when it continues as new. It stays small however much is spent. It is not
// safe for concurrent use.
type AccountState struct {
	// Settled is the sum of the calls whose true amount is known.
	Settled Amount `json:"settled,omitzero"`
	// Open are the estimates of the others.
	Open map[string]Amount `json:"open,omitempty"`
	// Recent are the newest ids among the settled.
	Recent []string `json:"recent,omitempty"`
}

// Record records an entry.
func (s *AccountState) Record(e Entry) {
	if slices.Contains(s.Recent, e.ID) {
		return
	}
	if !e.Final {
		if s.Open == nil {
			s.Open = make(map[string]Amount)
		}
		s.Open[e.ID] = e.Amount
		return
	}
	delete(s.Open, e.ID)
	s.Settled = s.Settled.Add(e.Amount)
	s.Recent = append(s.Recent, e.ID)
	if extra := len(s.Recent) - remembered; extra > 0 {
		s.Recent = slices.Delete(s.Recent, 0, extra)
	}
}

// Total is the sum of all entries.
func (s *AccountState) Total() Amount {
	total := s.Settled
	for _, a := range s.Open { // any order: the sum is the same
		total = total.Add(a)
	}
	return total
}
