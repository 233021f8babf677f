// Two calls, one after the other: the user, then what is recommended to their segment.
import Fastify from 'fastify'
import { Pool } from 'undici'

const users = new Pool(process.env.USERS)
const recommendations = new Pool(process.env.RECOMMENDATIONS)

const fetchJson = async (pool, path) => {
  const { statusCode, body } = await pool.request({ path, method: 'GET' })
  if (statusCode !== 200) throw new Error(`upstream said ${statusCode}`)
  return body.json()
}

const app = Fastify({ logger: false })

app.get(`${process.env.ROUTE}:id`, async ({ params: { id } }) => {
  const user = await fetchJson(users, `/user/${encodeURIComponent(id)}`)
  return { user, recommendations: await fetchJson(recommendations, `/for/${encodeURIComponent(user.segment)}`) }
})

await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT) })
