// Package spending holds what budgets are counted in: money, amounts, limits, and
// the sheet of a day. All of it is deterministic: executors use it on workers, and
// workflows keep it over replay. Package executors/budget is what others import.
package spending
