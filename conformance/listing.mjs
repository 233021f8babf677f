// What is in the suite in the folder given, as JSON: its tests, the header fields that they use, and what it publishes of other caches.

import fs from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

const folder = path.resolve(process.argv[2])
const load = async (...parts) => (await import(pathToFileURL(path.join(folder, ...parts)))).default
const read = (...parts) => JSON.parse(fs.readFileSync(path.join(folder, ...parts), 'utf8'))

const sent = new Set()
const received = new Set()
const names = (headers) => (headers ?? []).map((header) => (typeof header === 'string' ? header : header[0]).toLowerCase())

const suites = (await load('tests', 'index.mjs')).map(({ id, name, tests }) => {
  const ours = tests.filter((test) => test.browser_only !== true)
  for (const request of ours.flatMap((test) => test.requests)) {
    names(request.request_headers).forEach((one) => sent.add(one))
    names(request.response_headers).forEach((one) => received.add(one))
    names(request.expected_response_headers).forEach((one) => received.add(one))
  }
  return { id, name, tests: ours.map((test) => ({ id: test.id, name: test.name, kind: test.kind ?? 'required' })) }
})
const published = (await load('results', 'index.mjs'))
  .filter(({ type }) => type === 'rev-proxy')
  .map(({ file, name, version }) => ({ name, version, results: read('results', file) }))

console.log(JSON.stringify({ version: read('package.json').version, suites, sent: [...sent], received: [...received], published }))
