// Package examples holds agents in other languages and the configuration that
// reaches them. Its tests run them; see README.md.
package examples
