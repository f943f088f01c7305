// A worker made with one of the SDKs, with what they offer beside calls and triggers:
// node features.mjs PACKAGE ENGINE-URL URL-OF-A-FUNCTION
// It ends when its standard input does.

const [name, url, remote] = process.argv.slice(2)
const sdk = await import(name)
const old = sdk.registerWorker === undefined // 0.3.0: no channels, no HTTP functions

const options = {
  workerName: `node ${name}`,
  enableMetricsReporting: true,
  otel: { enabled: true, serviceName: 'features', metricsExportIntervalMs: 500 },
  reconnectionConfig: { initialDelayMs: 100, maxDelayMs: 500 },
}
const iii = old ? sdk.init(url, options) : sdk.registerWorker(url, options)
const register = (id, handler) => (old ? iii.registerFunction({ id }, handler) : iii.registerFunction(id, handler))
const call = (id, data) => (old ? iii.trigger(id, data) : iii.trigger({ function_id: id, payload: data }))
const send = (id, data) =>
  old
    ? iii.triggerVoid(id, data)
    : iii.trigger({ function_id: id, payload: data, action: sdk.TriggerAction.Void() })

// Logs, and the trigger that brings them.
register('node::log', async (record) => {
  await send('go::heard', record)
})
iii.registerTrigger({ type: 'log', function_id: 'node::log', config: { level: 'warn' } })
register('node::logs', async (data) => {
  await send('engine::log::warn', { message: 'from node', data, service_name: 'features' })
})

// An HTTP trigger, answered in one piece.
register('node::plain', async (req) => ({
  status_code: 201,
  headers: { 'X-Method': req.method },
  body: { id: req.path_params.id, q: req.query_params.q, body: req.body },
}))
iii.registerTrigger({ type: 'http', function_id: 'node::plain', config: { api_path: '/plain/:id', http_method: 'POST' } })

if (!old) {
  const create = iii.createChannel
    ? (size) => iii.createChannel(size)
    : await import(`${name}/helpers`).then(({ createChannel }) => (size) => createChannel(iii, size))
  const http = sdk.http ?? (await import('@iii-dev/helpers/http')).http

  const finish = (stream) => new Promise((resolve, reject) => stream.on('error', reject).end(resolve))

  // Both ends come in the data of the call.
  register('node::upper', async ({ input, output }) => {
    const messages = []
    input.onMessage((m) => messages.push(m))
    const all = await input.readAll()
    for (const m of messages) output.sendMessage(`heard ${m}`)
    output.stream.write(Buffer.from(all.toString().toUpperCase()))
    await finish(output.stream)
  })
  // The SDK makes the channels, and ours works with the other ends.
  register('node::channel', async ({ text, message }) => {
    const there = await create()
    const back = await create(2)
    const messages = []
    back.reader.onMessage((m) => messages.push(m))
    const done = call('go::upper', { nested: [{ input: there.readerRef }], output: back.writerRef })
    there.writer.sendMessage(message)
    there.writer.stream.write(Buffer.from(text))
    await finish(there.writer.stream)
    const all = await back.reader.readAll()
    await done
    return { text: all.toString(), messages }
  })

  // An HTTP trigger, answered by a stream.
  register(
    'node::page',
    http(async (req, res) => {
      const body = await req.request_body.readAll()
      res.status(203)
      res.headers({ 'content-type': 'text/x-shout' })
      res.stream.write(body.toString().toUpperCase())
      await finish(res.stream)
    }),
  )
  iii.registerTrigger({ type: 'http', function_id: 'node::page', config: { api_path: '/page', http_method: 'PUT' } })

  // A function that the engine runs.
  const headers = { 'X-Tenant': 'acme' }
  iii.registerFunction('node::remote', { url: remote, method: 'PUT', timeout_ms: 5000, headers, auth: { type: 'bearer', token_key: 'TOKEN' } })
  iii.registerFunction('node::signed', { url: remote, auth: { type: 'hmac', secret_key: 'SECRET' } })
}

process.stdin.resume()
process.stdin.on('end', async () => {
  await iii.shutdown()
  process.exit(0)
})
