// A worker made with one of the SDKs: node worker.mjs PACKAGE ENGINE-URL QUEUE-TRIGGER-TYPE
// It ends when its standard input does.

const [name, url, queueType] = process.argv.slice(2)
const sdk = await import(name)

const options = {
  workerName: `node ${name}`,
  enableMetricsReporting: false,
  otel: { enabled: false },
  reconnectionConfig: { initialDelayMs: 100, maxDelayMs: 500 },
}
const old = sdk.registerWorker === undefined // 0.3.0
const iii = old ? sdk.init(url, options) : sdk.registerWorker(url, options)

const register = (id, handler) => (old ? iii.registerFunction({ id }, handler) : iii.registerFunction(id, handler))
const call = (id, data) => (old ? iii.trigger(id, data) : iii.trigger({ function_id: id, payload: data }))
const send = (id, data) =>
  old
    ? iii.triggerVoid(id, data)
    : iii.trigger({ function_id: id, payload: data, action: sdk.TriggerAction.Void() })

register('node::echo', async (data) => ({ echo: data }))
register('node::none', async () => undefined)
register('node::fails', async () => {
  throw new Error('no money')
})
register('node::hangs', () => new Promise(() => {}))
register('node::call', async ({ id, data }) => {
  try {
    const result = await call(id, data)
    return { result, none: result === undefined || result === null }
  } catch (error) {
    return { code: error.code ?? null, message: error.message ?? String(error) }
  }
})
register('node::send', async ({ id, data }) => {
  await send(id, data)
})
// An agent, as AgentOS has it.
register('agent::chat', async ({ message, sessionId }) => ({ content: `${sessionId} heard: ${message}`, model: name, iterations: 0 }))
if (!old) {
  register('node::enqueue', async ({ id, queue, data }) => {
    const action = sdk.TriggerAction.Enqueue({ queue })
    return await iii.trigger({ function_id: id, payload: data, action })
  })
}

// What its triggers bring it tells our worker.
register('node::news', async (data) => {
  await send('go::heard', { by: 'news', data })
})
let failed = false
register('node::job', async (data) => {
  if (!failed) {
    failed = true
    throw new Error('again, please')
  }
  await send('go::heard', { by: 'job', data })
})
register('node::rain', async (data) => {
  await send('go::heard', { by: 'rain', data })
})
iii.registerTrigger({ type: 'subscribe', function_id: 'node::news', config: { topic: 'news' } })
iii.registerTrigger({ type: queueType, function_id: 'node::job', config: { topic: 'node.inbox' } })
iii.registerTrigger({ type: 'go-weather', function_id: 'node::rain', config: { city: 'Kiel' } })

process.stdin.resume()
process.stdin.on('end', async () => {
  await iii.shutdown()
  process.exit(0)
})
