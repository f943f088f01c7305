package report

import (
	"encoding/json"
	"io"

	"github.com/parley-run/parley/internal/printable"
)

// JSON writes the document that [Read] reads, without messages: see `starter export`.
func (r *Report) JSON(w io.Writer) error {
	e := json.NewEncoder(printable.JSON(w))
	e.SetIndent("", "  ")
	return e.Encode(r)
}
