// Package mcpservers has the reference servers of the Model Context Protocol, unmodified,
// serve their tools to package tools/mcp: as programs, and over streamable HTTP.
//
//	go test -tags conformance ./conformance/mcp_servers
//
// It needs Go, Node 20 or newer with npm, and Python 3.10 or newer with venv. The servers come
// from the package indexes that npm and pip are set to, into the user's cache, once. Without
// them the tests fail.
package mcpservers
