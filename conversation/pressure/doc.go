// Package pressure decides how many conversations may be open on a platform that has too
// much to do: fewer while it answers 500 in waves or slows down, more again while it
// answers well. It knows neither a platform nor Temporal, and has no clock.
//
// Workers count the calls that they make on a platform and send a [Report] now and then:
// only while calls fail, or while the limit is reduced. The owner of the platform's
// capacity, of which there is one for all workers and agents, keeps a [Limit] and gives it
// each report:
//
//   - A window of time is bad if a fifth of its calls, of at least two conversations or
//     polls, failed for reasons that lie with the platform. A single conversation that
//     fails at every attempt does not count for the others.
//   - A bad window halves the limit, or what is open if that is less, down to 1. Another
//     halving follows after a window at the earliest, and while more is open than the
//     limit allows, after six: what is open must end before the effect shows.
//   - A good window during which the limit was reached raises it by a twentieth of the
//     configured one, at least by 1.
//   - A limit that nothing reaches does not grow. Ten minutes (60 windows) after the last
//     bad window the configured one applies again.
//
// A limit says how many may be begun. It ends, parks and cancels nothing.
package pressure
