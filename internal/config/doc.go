// Package config reads parley.yaml, or the environment in its place.
//
//	task_queue: parley
//	platforms:
//	  main:
//	    type: shop
//	    base_url: ${SHOP_URL}
//	    api_key: ${SHOP_KEY}
//	executors:
//	  gpt: {type: model, api_key: "${file:/run/secrets/model}", model: "${MODEL:-large}"}
//	tools:
//	  crm: {type: program, command: [crm-server], ask: [refund]}
//	agents:
//	  support: {platform: main, project: pr1, agent: ag1, executor: gpt, tools: [crm]}
//
// Every value may refer to the environment and to files: ${NAME} is a variable
// that must be set, ${NAME:-default} one that need not be, ${file:path} the
// content of a file without its last line break, relative to parley.yaml. $${
// is ${ itself. A variable with a secret's name that is not set takes its value
// from a file, if NAME_FILE names one. Secrets, which are the keys named api_key, password and
// the like, are accepted only so.
//
// With no file at all, the variables of a platform describe one agent; see [Load].
//
// The settings of a backend belong to its package. This package keeps them as
// [Settings], which the backend's constructor decodes; so it knows no backend
// and holds no secret that could be printed. Whatever is wrong is a [Fault], and
// all faults are reported at once.
package config
