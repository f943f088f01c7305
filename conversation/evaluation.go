package conversation

import "time"

// An Evaluation is the platform's judgement of one conversation by one objective.
type Evaluation struct {
	// Objective is its name, or its id where the platform does not name it.
	Objective string `json:"objective"`
	// Score is from 0 to 1, the best.
	Score float64 `json:"score"`
	// Reason is the platform's, in words.
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at,omitzero"`
}
