// An aggregate the way fastify and undici are meant to be used: a pool of keep-alive connections to each upstream,
// all parts asked for at once, decoded, and given to fastify as one object.
import Fastify from 'fastify'
import { Pool } from 'undici'

const parts = Object.entries(JSON.parse(process.env.PARTS)).map(([name, url]) => {
  const { origin, pathname } = new URL(url)
  return { name, origin, path: pathname }
})
const pools = new Map(parts.map(({ origin }) => [origin, new Pool(origin)]))

const fetchPart = async ({ origin, path }, id) => {
  const { statusCode, body } = await pools.get(origin).request({ path: path + encodeURIComponent(id), method: 'GET' })
  if (statusCode !== 200) throw new Error(`upstream said ${statusCode}`)
  return body.json()
}

const app = Fastify({ logger: false })

app.get(`${process.env.ROUTE}:id`, async ({ params: { id } }) => {
  const replies = await Promise.all(parts.map((part) => fetchPart(part, id)))
  return Object.fromEntries(parts.map(({ name }, place) => [name, replies[place]]))
})

await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT) })
