package sim

import (
	"regexp"
	"sync"
)

// patterns caches compiled expressions, so that a [Scenario] stays plain data that is
// built by hand or shared. It grows with the number of scenarios, not of conversations.
var patterns patternCache

type patternCache struct{ m sync.Map }

func (c *patternCache) get(pattern string) (*regexp.Regexp, error) {
	if re, ok := c.m.Load(pattern); ok {
		return re.(*regexp.Regexp), nil
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, err
	}
	c.m.Store(pattern, re)
	return re, nil
}
