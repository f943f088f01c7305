// Package helm tests the chart in the folder parley: what it renders, what it refuses, and
// that a worker started as it says works.
package helm
