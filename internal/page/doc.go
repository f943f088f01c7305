// Package page writes an HTML page that is one file: its style is inside, its charts are SVG,
// it has no script and loads nothing. It knows facts, tables, charts and texts that fold; what
// they say is for its callers, which are the starter's reports and the simulator.
//
// All texts are escaped, and characters that a reader cannot see are marked: they come from
// personas, models and platforms. The page's policy forbids scripts and requests, in case a
// fault of this package lets something through.
package page
