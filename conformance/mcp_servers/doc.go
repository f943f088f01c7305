// Package mcpservers has the reference servers of the Model Context Protocol, unmodified,
// serve their tools to package tools/mcp: as programs, and over streamable HTTP.
//
//	go test -tags conformance ./conformance/mcp_servers
//
// It needs Go and Node 20 or newer with npm, nothing else. The servers come from the package
// registry that npm is set to, into the user's cache, once. Without them the tests fail.
package mcpservers
