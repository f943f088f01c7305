// Package summary computes what reports say about many conversations: counts, percentiles,
// tokens, money, failures, and the differences between two runs. It reads nothing: package
// records does, and [CaseOf] reduces one of its records to figures.
//
// Its promises:
//
//   - A part is never presented as the whole: [Coverage] says over how many of how many
//     conversations a [Summary] speaks.
//   - Percentiles are nearest-rank: each is a value that occurred.
//   - Money of two currencies is never added.
//   - A [Comparison] of a run with itself has no difference, and the same input always gives
//     the same output: the resampling has a fixed seed.
package summary
