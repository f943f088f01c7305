// Package report writes what package summary has computed over many conversations: as one HTML
// file, as Markdown for pull requests, as JSON, which is also the baseline of a comparison, and
// as JUnit XML for CI. It decides nothing about figures and reads nothing: package records does.
package report
