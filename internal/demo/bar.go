package demo

import "strings"

const barWidth = 24

// bar draws the share of total that is done.
func bar(done, total int) string {
	full := 0
	if total > 0 {
		full = min(barWidth*done/total, barWidth)
	}
	return strings.Repeat("━", full) + strings.Repeat("─", barWidth-full)
}
