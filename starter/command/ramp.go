package command

import (
	"strconv"
	"strings"
)

// percentages is the value of --ramp: steps that rise, up to 100.
type percentages []float32

func (p *percentages) Set(text string) error {
	var steps percentages
	last := float64(0)
	for one := range strings.SplitSeq(text, ",") {
		percent, err := strconv.ParseFloat(strings.TrimSpace(one), 32)
		if err != nil || !(percent > last && percent <= 100) { // NaN is neither
			return usagef("write rising percentages up to 100, such as 10,50")
		}
		last, steps = percent, append(steps, float32(percent))
	}
	*p = steps
	return nil
}

func (p *percentages) String() string {
	var steps []string
	for _, percent := range *p {
		steps = append(steps, strconv.FormatFloat(float64(percent), 'g', -1, 32))
	}
	return strings.Join(steps, ",")
}

// Type is what help shows.
func (*percentages) Type() string { return "percentages" }
